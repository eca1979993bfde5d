"""auth0-api-python: an API exchanges the access token that it was called with for its user's account."""

import asyncio
from urllib.parse import urlsplit

from auth0_api_python import ApiClient, ApiClientOptions
from auth0_api_python.errors import ApiError
from flow import ask, given, result


async def borrowed(client, audience, **options):
    api = ApiClient(
        ApiClientOptions(
            domain=urlsplit(given["issuer"]).netloc, audience=audience, client_id=client, client_secret=given["secret"]
        )
    )
    try:
        return await api.get_access_token_for_connection({"connection": "calendar", **options})
    except ApiError as error:
        return {"code": error.code, "status": error.status_code, "message": str(error)}


async def main():
    audience, token = given["audience"], given["token"]
    before = await borrowed("broker-api", audience, access_token=token)
    ask("connects")
    result(
        {
            "before": before,
            "after": await borrowed("broker-api", audience, access_token=token),
            "hinted": await borrowed("broker-api", audience, access_token=token, login_hint="mer_ada"),
            "wrong_hint": await borrowed("broker-api", audience, access_token=token, login_hint="mer_bob"),
            "other_api": await borrowed("broker-api", audience, access_token=given["other"]),
            "no_api": await borrowed("agent", audience, access_token=token),
        }
    )  # fmt: skip


asyncio.run(main())

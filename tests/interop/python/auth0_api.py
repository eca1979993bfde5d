"""auth0-api-python: which of these access tokens does an API accept, and why not the others?"""

import asyncio
from urllib.parse import urlsplit

from auth0_api_python import ApiClient, ApiClientOptions
from auth0_api_python.errors import VerifyAccessTokenError
from flow import given, result


async def main():
    api = ApiClient(ApiClientOptions(domain=urlsplit(given["issuer"]).netloc, audience=given["audience"]))
    said = {}
    for name, token in given["tokens"].items():
        try:
            said[name] = await api.verify_access_token(token, required_claims=["scope", "client_id"])
        except VerifyAccessTokenError as error:
            said[name] = str(error)
    result(said)


asyncio.run(main())

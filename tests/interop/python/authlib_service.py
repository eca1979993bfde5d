"""authlib over httpx: client credentials by secret or by key, then introspection and revocation."""

import asyncio

from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flow import given, result


async def main():
    proof = given["key"] if given["auth"] == "private_key_jwt" else given["secret"]
    async with AsyncOAuth2Client(given["client"], proof, token_endpoint_auth_method=given["auth"]) as session:
        issuer = given["issuer"].rstrip("/")
        metadata = issuer + "/.well-known/oauth-authorization-server"
        server = (await session.request("GET", metadata, withhold_token=True)).json()
        if given["auth"] == "private_key_jwt":
            # By itself authlib names the token endpoint; we take the issuer only (draft-ietf-oauth-rfc7523bis).
            session.register_client_auth_method(PrivateKeyJWT(server["issuer"]))
        tokens = await session.fetch_token(server["token_endpoint"], resource=given["resource"])
        before = (await session.introspect_token(server["introspection_endpoint"], tokens["access_token"])).json()
        await session.revoke_token(
            server["revocation_endpoint"], tokens["access_token"], auth=session.client_auth(given["auth"])
        )
        after = (await session.introspect_token(server["introspection_endpoint"], tokens["access_token"])).json()
    result({"tokens": dict(tokens), "before": before, "after": after})


asyncio.run(main())

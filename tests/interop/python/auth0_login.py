"""auth0-server-python: sign in, tokens for other audiences by one refresh token, sign out, and hear of a sign-out."""

import asyncio
from urllib.parse import urlsplit

from auth0_memory import Memory
from auth0_server_python.auth_server.server_client import ServerClient
from auth0_server_python.auth_types import LogoutOptions, StartInteractiveLoginOptions
from auth0_server_python.error import BackchannelLogoutError
from flow import ask, given, result

DOMAIN = urlsplit(given["issuer"]).netloc


def token_calls():
    return ask("calls", what="POST /oauth/token")


async def refused(client, token):
    try:
        await client.handle_backchannel_logout(token)
    except BackchannelLogoutError as error:
        return str(error)
    return None


async def main():
    sessions = Memory()
    client = ServerClient(
        domain=DOMAIN, client_id=given["client"], client_secret=given.get("secret"),
        client_assertion_signing_key=given.get("key"), redirect_uri=given["redirect_uri"], secret="a secret of the app",
        transaction_store=Memory(), state_store=sessions, pushed_authorization_requests=given["pushed"],
        authorization_params={"scope": "openid profile email offline_access"},
    )  # fmt: skip
    extra = {"connection_scope": "calendar.read", "access_type": "offline", "ui_locales": "en", "prompt": "consent"}
    url = await client.start_interactive_login(
        StartInteractiveLoginOptions(authorization_params=extra, app_state={"from": "/orders"})
    )
    done = await client.complete_interactive_login(ask("authorize", url=url))

    tokens, calls = {}, []
    for audience, scope in (*given["wanted"], *given["wanted"]):
        before = token_calls()
        tokens[audience] = await client.get_access_token(audience=audience, scope=scope)
        calls.append(token_calls() - before)

    out = await client.logout(LogoutOptions(return_to=given["return_to"]))
    returned = ask("leave", url=out)
    logout_token = ask("logout_token")
    await client.handle_backchannel_logout(logout_token)
    head, body, signature = logout_token.split(".")
    result(
        {
            "login_url": url, "app_state": done["app_state"], "user": done["state_data"]["user"], "tokens": tokens,
            "calls": calls, "out": out, "returned": returned, "told": sessions.told,
            "tampered": await refused(client, f"{head}.{body}.{'A' * len(signature)}"),
            "not_a_logout_token": await refused(client, done["state_data"]["id_token"]),
        }
    )  # fmt: skip


asyncio.run(main())

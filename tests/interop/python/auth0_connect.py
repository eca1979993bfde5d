"""auth0-server-python: connect an account for the signed-in person, use it, see it, and take it away again."""

import asyncio
from urllib.parse import urlsplit

from auth0_memory import Memory
from auth0_server_python.auth_server.server_client import ServerClient
from auth0_server_python.auth_types import ConnectAccountOptions, StartInteractiveLoginOptions
from auth0_server_python.error import AccessTokenForConnectionError
from flow import ask, given, result

client = ServerClient(
    domain=urlsplit(given["issuer"]).netloc, client_id=given["client"], client_secret=given["secret"],
    redirect_uri=given["redirect_uri"], secret="a secret of the app", transaction_store=Memory(), state_store=Memory(),
    authorization_params={"scope": "openid profile email offline_access"},
)  # fmt: skip


async def borrowed():
    try:
        return await client.get_access_token_for_connection({"connection": "calendar"})
    except AccessTokenForConnectionError as error:
        return {"code": error.code, "message": str(error)}


async def main():
    url = await client.start_interactive_login(StartInteractiveLoginOptions())
    await client.complete_interactive_login(ask("authorize", url=url))
    offered = await client.list_connected_account_connections()
    before = await borrowed()

    options = ConnectAccountOptions(
        connection="calendar",
        redirect_uri=given["redirect_uri"],
        scopes=["calendar.read"],
        app_state={"from": "/orders"},
    )
    link = await client.start_connect_account(options)
    completed = await client.complete_connect_account(ask("connect", url=link))
    listed = await client.list_connected_accounts(connection="calendar")
    after = await borrowed()

    await client.delete_connected_account(completed.id)
    left = await client.list_connected_accounts()
    result(
        {
            "offered": [each.model_dump() for each in offered.connections], "before": before, "link": link,
            "completed": completed.model_dump(), "listed": [each.model_dump() for each in listed.accounts],
            "after": after, "left": [each.model_dump() for each in left.accounts], "gone": await borrowed(),
        }
    )  # fmt: skip


asyncio.run(main())

"""auth0-server-python: a login without a browser blocks until the person has answered."""

import asyncio
import threading
from urllib.parse import urlsplit

from auth0_memory import Memory
from auth0_server_python.auth_server.server_client import ServerClient
from flow import ask, given, result


async def main():
    client = ServerClient(
        domain=urlsplit(given["issuer"]).netloc, client_id=given["client"], client_secret=given["secret"],
        secret="a secret of the app that is long", state_store=Memory(), transaction_store=Memory(),
        authorization_params={"scope": "openid trade:write", "audience": given["audience"]},
    )  # fmt: skip
    answered = threading.Thread(
        target=ask, args=("approval",), kwargs={"message": given["message"], "answer": given["answer"]}
    )
    answered.start()
    try:
        got = await client.login_backchannel(
            {
                "binding_message": given["message"], "login_hint": {"sub": "auth0|ada"},
                "authorization_params": {"authorization_details": given["details"]},
            }
        )  # fmt: skip
        outcome = {"details": got}
    except Exception as error:  # noqa: BLE001 - whichever it raises is what the test looks at
        outcome = {"error": getattr(getattr(error, "cause", None), "error", None) or getattr(error, "code", str(error))}
    answered.join()
    result(outcome)


asyncio.run(main())

"""auth0-ai-llamaindex: a tool of LlamaIndex blocks until the person has answered. Its other mode gives each call a new name, and so
never finds its own request again."""

import asyncio
import threading
from urllib.parse import urlsplit

from auth0_ai.authorizers.async_authorization.async_authorizer_base import AccessDeniedInterrupt
from auth0_ai_llamaindex.async_authorization import get_async_authorization_credentials
from auth0_ai_llamaindex.auth0_ai import Auth0AI, set_ai_context
from flow import ask, given, result
from llama_index.core.tools import FunctionTool

auth0_ai = Auth0AI(
    {"domain": urlsplit(given["issuer"]).netloc, "client_id": given["client"], "client_secret": given["secret"]}
)


def buy(quantity: int) -> dict:
    """Buy so many."""
    return dict(get_async_authorization_credentials())


async def call(tool):
    try:
        output = (await tool.acall(quantity=10)).raw_output
        return getattr(output, "raw_output", output)
    except AccessDeniedInterrupt as refused:
        return type(refused).__name__


async def main():
    set_ai_context("thread-1")
    protect = auth0_ai.with_async_authorization(
        user_id="auth0|ada", binding_message=lambda quantity: given["message"], on_authorization_request="block",
        **given["wanted"],
    )  # fmt: skip
    person = threading.Thread(
        target=ask, args=("approval",), kwargs={"message": given["message"], "answer": given["answer"]}
    )
    person.start()
    then = await call(protect(FunctionTool.from_defaults(buy)))
    person.join()
    result({"then": then})


asyncio.run(main())

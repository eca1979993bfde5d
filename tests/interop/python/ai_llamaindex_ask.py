"""auth0-ai-llamaindex: a tool of LlamaIndex blocks until the person has answered, or interrupts. In that mode each call is another
one to the toolkit, so it never finds its own request again, and every call asks."""

import asyncio
import threading

from ai_flow import settings
from auth0_ai.interrupts.auth0_interrupt import Auth0Interrupt
from auth0_ai_llamaindex.async_authorization import get_async_authorization_credentials
from auth0_ai_llamaindex.auth0_ai import Auth0AI, set_ai_context
from flow import ask, given, result
from llama_index.core.tools import FunctionTool


def buy(quantity: int) -> dict:
    """Buy so many."""
    return dict(get_async_authorization_credentials())


async def call(mode):
    protect = Auth0AI(settings).with_async_authorization(
        user_id="auth0|ada", binding_message=lambda quantity: given["message"], on_authorization_request=mode,
        **given["wanted"],
    )  # fmt: skip
    try:
        output = (await protect(FunctionTool.from_defaults(buy)).acall(quantity=10)).raw_output
        return getattr(output, "raw_output", output)
    except Auth0Interrupt as interrupt:
        return interrupt.code


async def main():
    set_ai_context("thread-1")
    about = {"message": given["message"], "answer": given["answer"]}
    if given["mode"] == "interrupt":
        before = [await call("interrupt") for _ in range(3)]
        ask("approval", **about)
        result({"before": before, "then": await call("interrupt")})
        return
    person = threading.Thread(target=ask, args=("approval",), kwargs=about)
    person.start()
    then = await call("block")
    person.join()
    result({"then": then})


asyncio.run(main())

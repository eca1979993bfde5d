"""auth0-ai-langchain: a tool that needs the person's word interrupts the graph until they have given it."""

import asyncio
import json

from ai_flow import settings
from auth0_ai.authorizers.async_authorization.async_authorizer_base import AccessDeniedInterrupt
from auth0_ai_langchain.async_authorization import get_async_authorization_credentials
from auth0_ai_langchain.auth0_ai import Auth0AI
from flow import ask, given, result
from langchain_core.tools import StructuredTool
from langgraph.errors import GraphInterrupt


def buy(quantity: int) -> str:
    """Buy so many."""
    return json.dumps(get_async_authorization_credentials())


async def call(tool):
    asked = {"name": tool.name, "args": {"quantity": 10}, "id": "call-1", "type": "tool_call"}
    try:
        return json.loads((await tool.ainvoke(asked, {"configurable": {"thread_id": "thread-1"}})).content)
    except GraphInterrupt as interrupt:
        return interrupt.args[0][0].value["code"]
    except AccessDeniedInterrupt as refused:
        return type(refused).__name__


async def main():
    protect = Auth0AI(settings).with_async_authorization(
        user_id="auth0|ada", binding_message=lambda quantity: given["message"], **given["wanted"]
    )
    tool = protect(StructuredTool.from_function(buy))
    first, at_once = await call(tool), await call(tool)
    ask("approval", message=given["message"], answer=given["answer"])
    result({"first": first, "at_once": at_once, "then": await call(tool)})


asyncio.run(main())

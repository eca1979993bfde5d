"""auth0-ai-langchain: a tool that needs an account interrupts the graph until the person has connected it."""

import asyncio
import json

from ai_flow import borrow, settings
from auth0_ai_langchain.auth0_ai import Auth0AI
from auth0_ai_langchain.token_vault import get_credentials_from_token_vault
from langchain_core.tools import StructuredTool
from langgraph.errors import GraphInterrupt

auth0_ai = Auth0AI(settings)


def read_calendar(day: str) -> str:
    """What is on the calendar that day?"""
    return json.dumps({"day": day, **get_credentials_from_token_vault()})


async def call(subject, *scopes, **more):
    standing = {name: lambda *_, token=token, **__: token for name, token in subject.items()}
    protect = auth0_ai.with_token_vault(connection="calendar", scopes=list(scopes), **standing, **more)
    tool = protect(StructuredTool.from_function(read_calendar))
    asked = {"name": tool.name, "args": {"day": "today"}, "id": "call-1", "type": "tool_call"}
    try:
        return json.loads((await tool.ainvoke(asked, {"configurable": {"thread_id": "thread-1"}})).content)
    except GraphInterrupt as interrupt:
        return interrupt.args[0][0].value


asyncio.run(borrow(call))

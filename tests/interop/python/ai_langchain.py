"""auth0-ai-langchain: a tool that needs an account interrupts the graph until the person has connected it."""

import asyncio
import json
from urllib.parse import urlsplit

from auth0_ai_langchain.auth0_ai import Auth0AI
from auth0_ai_langchain.token_vault import get_credentials_from_token_vault
from flow import ask, given, result
from langchain_core.tools import StructuredTool
from langgraph.errors import GraphInterrupt

auth0_ai = Auth0AI(
    {"domain": urlsplit(given["issuer"]).netloc, "client_id": given["client"], "client_secret": given["secret"]}
)


def read_calendar(day: str) -> str:
    """What is on the calendar that day?"""
    return json.dumps({"day": day, **get_credentials_from_token_vault()})


async def call(subject, *scopes, **more):
    """The result of a fresh tool's call: the credentials that it saw, or the interrupt."""
    standing = {name: lambda *_, token=token, **__: token for name, token in subject.items()}
    protect = auth0_ai.with_token_vault(connection="calendar", scopes=list(scopes), **standing, **more)
    tool = protect(StructuredTool.from_function(read_calendar))
    asked = {"name": tool.name, "args": {"day": "today"}, "id": "call-1", "type": "tool_call"}
    try:
        return json.loads((await tool.ainvoke(asked, {"configurable": {"thread_id": "thread-1"}})).content)
    except GraphInterrupt as interrupt:
        return interrupt.args[0][0].value


async def main():
    subject = given["subject"]
    before = await call(subject, "calendar.read")
    ask("connects")
    result(
        {
            "before": before,
            "after": await call(subject, "calendar.read"),
            "hinted": await call(subject, "calendar.read", login_hint="mer_ada"),
            "wrong_hint": await call(subject, "calendar.read", login_hint="mer_bob"),
            "too_much": await call(subject, "calendar.read", "calendar.write"),
            "stranger": await call(dict.fromkeys(subject, "made up"), "calendar.read"),
        }
    )  # fmt: skip


asyncio.run(main())

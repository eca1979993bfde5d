"""auth0-ai-llamaindex: the same promise, to a tool of LlamaIndex."""

import asyncio
from urllib.parse import urlsplit

from auth0_ai_llamaindex.auth0_ai import Auth0AI, set_ai_context
from auth0_ai_llamaindex.token_vault import TokenVaultInterrupt, get_credentials_from_token_vault
from flow import ask, given, result
from llama_index.core.tools import FunctionTool

auth0_ai = Auth0AI(
    {"domain": urlsplit(given["issuer"]).netloc, "client_id": given["client"], "client_secret": given["secret"]}
)


def read_calendar(day: str) -> dict:
    """What is on the calendar that day?"""
    return {"day": day, **get_credentials_from_token_vault()}


async def call(subject, *scopes, **more):
    """The result of a fresh tool's call: the credentials that it saw, or the interrupt."""
    protect = auth0_ai.with_token_vault(connection="calendar", scopes=list(scopes), **subject, **more)
    tool = protect(FunctionTool.from_defaults(read_calendar))
    try:
        output = (await tool.acall(day="today")).raw_output
        return getattr(output, "raw_output", output)
    except TokenVaultInterrupt as interrupt:
        return interrupt.to_json()


async def main():
    set_ai_context("thread-1")
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

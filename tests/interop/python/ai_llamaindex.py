"""auth0-ai-llamaindex: the same promise, to a tool of LlamaIndex."""

import asyncio

from ai_flow import borrow, settings
from auth0_ai_llamaindex.auth0_ai import Auth0AI, set_ai_context
from auth0_ai_llamaindex.token_vault import TokenVaultInterrupt, get_credentials_from_token_vault
from llama_index.core.tools import FunctionTool

auth0_ai = Auth0AI(settings)


def read_calendar(day: str) -> dict:
    """What is on the calendar that day?"""
    return {"day": day, **get_credentials_from_token_vault()}


async def call(subject, *scopes, **more):
    protect = auth0_ai.with_token_vault(connection="calendar", scopes=list(scopes), **subject, **more)
    tool = protect(FunctionTool.from_defaults(read_calendar))
    try:
        output = (await tool.acall(day="today")).raw_output
        return getattr(output, "raw_output", output)
    except TokenVaultInterrupt as interrupt:
        return interrupt.to_json()


set_ai_context("thread-1")
asyncio.run(borrow(call))

"""The server of docs/mcp.md, as it stands there, and the MCP SDK's own client before it; its user opens what they are shown."""

import asyncio
import contextlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import uvicorn
from flow import ask, given, result
from mcp import MCPError, UrlElicitationRequiredError
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitCompleteNotification, ElicitResult
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from remit.integrations.starlette import Guard
from remit.verifier import Verifier

BROKER = "https://broker.example"


def page():
    os.environ |= {"REMIT_CLIENT_ID": given["client"], "REMIT_CLIENT_SECRET": given["secret"]}
    (source,) = re.findall(r"```python\n(.*?)```", Path(given["page"]).read_text(), re.DOTALL)
    for name, real in {
        "https://remit.example/": given["issuer"], "https://desk.example/mcp": given["resource"],
        "https://calendar.example": given["calendar"], f"{BROKER}/orders": f"{given['broker']}/orders",
        "Elicitation()": f"Elicitation(wait={given['wait']})",
    }.items():  # fmt: skip
        source = source.replace(name, real)
    found = {}
    exec(compile(source, given["page"], "exec"), found)
    return found


def broker():
    guard = Guard(Verifier(issuer=given["issuer"], audience=BROKER), base_url=given["broker"])

    async def orders(request):
        caller, order = await guard(request), await request.json()
        await caller.spend("trade_order", **order)
        return JSONResponse({"bought": order["quantity"], "for": caller.sub})

    return Starlette(
        routes=[Route("/orders", orders, methods=["POST"])], exception_handlers=dict(guard.exception_handlers)
    )


@contextlib.asynccontextmanager
async def serving(app, url):
    at = urlsplit(url)
    server = uvicorn.Server(uvicorn.Config(app, host=at.hostname, port=at.port, log_level="error"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    yield
    server.should_exit = True
    await task


class Desk:
    """The client's user: what they were shown, and what their client was told."""

    def __init__(self):
        self.shown, self.done, self.acts = [], [], []
        self.replies = iter(given.get("replies", []))

    async def elicited(self, context, params):
        self.open(params)
        return ElicitResult(action=given.get("action", "accept"))

    def open(self, params):
        self.shown.append([params.mode, params.message, urlsplit(params.url).path, params.elicitation_id])
        says = next(self.replies, {})
        if given.get("action", "accept") == "accept" and says is not None:
            self.acts.append(asyncio.create_task(asyncio.to_thread(ask, "opens", url=params.url, **says)))

    async def heard(self, message):
        if isinstance(message, ElicitCompleteNotification):
            self.done.append(message.params.elicitation_id)

    async def call(self, client, name, **arguments):
        for _ in range(3):
            try:
                answer = await client.call_tool(name, arguments)
            except MCPError as error:
                for each in UrlElicitationRequiredError.from_error(error.error).elicitations:
                    self.open(each)
                await asyncio.gather(*self.acts)
            else:
                return {"error": answer.is_error, "text": answer.content[0].text}
        raise AssertionError("three times the same")


async def main():
    served, desk = page(), Desk()
    app = served["tools"].streamable_http_app(json_response=given["mode"] == "no-stream")
    token = {"Authorization": f"Bearer {given['token']}"}
    elicits = {} if given["mode"] == "blind" else {"elicitation_callback": desk.elicited}
    mode = "auto" if given["mode"] == "modern" else "legacy"
    async with (
        serving(app, given["resource"]),
        serving(broker(), given["broker"]),
        httpx2.AsyncClient(headers=token, timeout=30) as http,
    ):
        transport = streamable_http_client(given["resource"], http_client=http)
        async with Client(transport, mode=mode, message_handler=desk.heard, **elicits) as client:
            said = [await desk.call(client, name, **arguments) for name, arguments in given["calls"]]
            protocol = client.protocol_version
        await asyncio.gather(*desk.acts)
    result({"protocol": protocol, "calls": said, "shown": desk.shown, "done": desk.done})


asyncio.run(main())

"""The MCP SDK on both sides: its client meets its server with nothing but a URL, and finds, registers and signs in at ours."""

import asyncio
import contextlib
from urllib.parse import parse_qs, urlsplit

import httpx2
import uvicorn
from flow import ask, given, result
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

CALLBACK = "http://127.0.0.1:3030/callback"
seen = []


class Introspection:
    """The MCP server asks the issuer what a token is worth."""

    async def verify_token(self, token):
        async with httpx2.AsyncClient(auth=(given["api"], given["secret"])) as http:
            answer = (await http.post(given["issuer"].rstrip("/") + "/oauth/introspect", data={"token": token})).json()
        seen.append(answer)
        if not answer["active"]:
            return None
        return AccessToken(
            token=token, client_id=answer["client_id"], scopes=answer["scope"].split(), expires_at=answer["exp"],
            resource=answer["aud"], subject=answer["sub"],
        )  # fmt: skip


class Memory:
    """Where the client keeps what it is given."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


@contextlib.asynccontextmanager
async def protected():
    """An MCP server with one tool, behind tokens of the issuer that are meant for it."""
    auth = AuthSettings(
        issuer_url=given["issuer"], resource_server_url=given["resource"], required_scopes=["notes:read"],
        validate_token_resource=True,
    )  # fmt: skip
    tools = MCPServer("notes", token_verifier=Introspection(), auth=auth)

    @tools.tool()
    def read_note() -> str:
        return "buy milk"

    at = urlsplit(given["resource"])
    app = tools.streamable_http_app(host=at.hostname)
    server = uvicorn.Server(uvicorn.Config(app, host=at.hostname, port=at.port, log_level="error"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    yield
    server.should_exit = True
    await task


async def main():
    memory, returned = Memory(), {}

    async def open_browser(url):
        back = await asyncio.to_thread(ask, "authorize", url=url)
        returned.update({name: values[0] for name, values in parse_qs(urlsplit(back).query).items()})

    async def come_back():
        return AuthorizationCodeResult(**{name: returned[name] for name in ("code", "state", "iss")})

    metadata = OAuthClientMetadata(client_name="Note reader", redirect_uris=[CALLBACK])
    auth = OAuthClientProvider(given["resource"], metadata, memory, open_browser, come_back)
    async with protected(), httpx2.AsyncClient(auth=auth, timeout=20) as http:
        async with Client(streamable_http_client(given["resource"], http_client=http)) as client:
            said = await client.call_tool("read_note", {})
        memory.tokens.expires_in = -1
        auth.context.update_token_expiry(memory.tokens)
        async with Client(streamable_http_client(given["resource"], http_client=http)) as client:
            again = await client.call_tool("read_note", {})
    result(
        {
            "said": [block.text for block in (*said.content, *again.content)],
            "iss": returned["iss"],
            "client": memory.client.model_dump(mode="json"),
            "scope": memory.tokens.scope,
            "seen": seen,
        }
    )


asyncio.run(main())

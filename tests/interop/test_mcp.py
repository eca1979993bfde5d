"""Model Context Protocol: its conformance runner (npm, 0.2.0-alpha.12), and its Python SDK 2.3.0 as client and as server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.fixtures.house import BROKER, SECRET, START
from tests.interop.live import Live, Trust, bound, live
from tests.interop.person import Person
from tests.interop.play import HERE, play_python
from tests.ledger import proves
from tests.needs import need

from remit_server.records import Api, Client

pytestmark = proves("interop.mcp")

RUNNER = HERE / "node/node_modules/.bin/conformance"
NOT_YET = {"authorization-server-metadata-cimd": "WARNING"}
"""Checks of which the runner itself says that they may be other than SUCCESS."""


def free_port() -> int:
    at, port = bound()
    at.close()
    return port


def short_of_success(results: Path) -> dict[str, str]:
    checks = [check for file in results.rglob("checks.json") for check in json.loads(file.read_text())]
    assert len(checks) > 2, "the runner wrote what it found"
    return {check["id"]: check["status"] for check in checks if check["status"] != "SUCCESS"}


@pytest.mark.node
async def test_conformance_of_the_authorization_server(on_loopback: Live, tmp_path: Path) -> None:
    """Both scenarios in one run. The runner asks for no scope, prints the authorization URL, and waits for its callback."""
    runner = await asyncio.create_subprocess_exec(
        need("node"), str(RUNNER), "authorization", "--url", on_loopback.issuer, "--client-id", "public",
        "--resource", BROKER, "--port", str(free_port()), "--spec-version", "2026-07-28", "-o", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert runner.stdout
    said = ""
    try:
        async with asyncio.timeout(30), on_loopback.browser() as browser, httpx2.AsyncClient() as http:
            async for line in runner.stdout:
                said += line.decode()
                if line.startswith(f"{on_loopback.issuer}/authorize?".encode()):
                    await http.get(await Person(on_loopback, browser, "ada").authorize(line.decode().strip()))
            assert await runner.wait() == 0, said
    finally:
        if runner.returncode is None:
            runner.kill()
    assert "Total: 2 passed, 0 failed" in said
    assert short_of_success(tmp_path) == NOT_YET, said
    (issued, *_) = await on_loopback.house.events("token.issued")
    assert issued.about["scope"] == "openid", "who asks for nothing gets what its client is registered for"


@pytest.mark.parametrize("tls", [True, False], ids=["over_tls", "on_loopback"])
async def test_python_client_finds_registers_and_signs_in(trust: Trust, tmp_path: Path, tls: bool) -> None:
    """From a bare 401: protected resource metadata, our metadata, registration, PKCE, resource, tool call, refresh."""
    resource = f"http://127.0.0.1:{free_port()}/mcp"
    api = Api(
        identifier=resource, name="Notes over MCP", scopes={"notes:read": "Read your notes"}, dynamic_clients=True
    )
    server: dict[str, Any] = {"id": "notes-mcp", "name": "Notes over MCP", "kind": "mcp", "api": resource}
    async with live(tmp_path, trust, api, tls=tls, registration="open") as issuer:
        secret = issuer.house.machines.peppers.client_secret(SECRET)
        clients = issuer.house.store.clients
        await issuer.house.store.commit(clients.put(Client(**server, secrets=(secret,), created_at=START)))
        got = await play_python(issuer, "mcp_login", resource=resource, api="notes-mcp", secret=SECRET)
        assert "POST /oidc/register" in issuer.calls
        assert issuer.calls.count("POST /oauth/token") == 2
    assert got["said"] == ["buy milk", "buy milk"]
    assert got["iss"] == issuer.issuer
    assert got["client"]["issuer"] == issuer.issuer
    assert "notes:read" in got["scope"].split()
    assert {each["aud"] for each in got["seen"]} == {resource}
    assert {each["sub"] for each in got["seen"]} == {"auth0|ada"}

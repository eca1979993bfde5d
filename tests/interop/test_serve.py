"""The command itself: `remit serve` over TLS, as configured by a file, with clients that know nothing but its URL."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fixtures.house import BROKER, PASSWORD, SECRET
from tests.interop.live import Reached, Trust
from tests.interop.play import play_node, play_python

CONFIG = f"""
version: 1
organisation: {{name: Interop}}
users:
  - {{email: ada@example.com, name: Ada Lovelace, password: {{env: ADA_PASSWORD}}}}
apis:
  - {{identifier: {BROKER}, name: Broker, scopes: {{"portfolio:read": See your portfolio}}}}
clients:
  - id: desk
    name: Trading desk
    kind: web
    auth: {{method: client_secret_basic, secret: {{env: DESK_SECRET}}}}
    redirect_uris: [https://desk.example/callback]
    grants: [authorization_code, refresh_token, client_credentials]
    apis: {{{BROKER}: ["portfolio:read"]}}
"""
DESK = {
    "client": "desk",
    "secret": SECRET,
    "auth": "client_secret_basic",
    "redirect_uri": "https://desk.example/callback",
}


@pytest.fixture(scope="module")
async def served(trust: Trust, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reached]:
    place = tmp_path_factory.mktemp("served")
    (place / "remit.yaml").write_text(CONFIG)
    server = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("remit")), "serve", "--config", str(place / "remit.yaml"),
        "--data", str(place / "data"), "--host", "localhost", "--port", "0",
        "--tls-cert", str(trust.leaf), "--tls-key", str(trust.leaf),
        env={"PATH": os.environ["PATH"], "ADA_PASSWORD": PASSWORD, "DESK_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert server.stdout
    said = ""
    try:
        async with asyncio.timeout(20):
            while not (found := re.search(r"listens at (https://localhost:\d+/)", said)):
                line = await server.stdout.readline()
                assert line, said
                said += line.decode()
        drained = asyncio.create_task(server.stdout.read())
        yield Reached(found[1], trust)
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()
    await drained


@pytest.mark.node
async def test_openid_client_signs_in(served: Reached) -> None:
    got = await play_node(served, "code", **DESK, pushed=True, parameters={"scope": "openid email"})
    assert got["iss"] == got["claims"]["iss"] == served.issuer
    assert got["person"]["email"] == "ada@example.com"


@pytest.mark.node
async def test_auth0_api_accepts_its_tokens(served: Reached) -> None:
    service = await play_node(served, "client_credentials", **DESK, parameters={"audience": BROKER})
    # Revoked by now, but it was asked to be verified offline: it speaks for itself until it expires.
    tokens = {"genuine": service["tokens"]["access_token"]}
    said = await play_python(served, "auth0_api", audience=BROKER, tokens=tokens)
    assert said["genuine"]["iss"] == served.issuer
    assert said["genuine"]["scope"] == "portfolio:read"

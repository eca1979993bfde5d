"""docs/reference/openapi.json and the server agree: Schemathesis asks over HTTP what the document offers, and more."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from scripts import openapi
from tests.fixtures import asking
from tests.fixtures.databases import NewDatabase
from tests.fixtures.house import SECRET, House, built
from tests.fixtures.openfga import registered, speaking
from tests.ledger import proves
from tests.needs import ROOT

from remit_server.routes import routes
from remit_server.ui.html import Pages
from remit_server.vault.refresh import Refresher

pytestmark = proves("input.openapi-is-true")

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "unsupported_method", "allow_header_conformance", "ignored_auth",
)  # fmt: skip
CONFIG = """
[auth.openapi.client]
username = "agent"
password = "{secret}"

[auth.openapi.token]
bearer = "{token}"

[auth.openapi.relations]
bearer = "{relations}"
"""
PASSED_ON = "^/vault/proxy/"
"""Whatever method a rule names is passed on there, and a document can only list some. Bad input tries it."""


def test_the_document_is_that_of_the_routes(house: House) -> None:
    table = routes(house.machines, Pages(secure=False), Refresher(house.machines))
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text())
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(method, route.path) for route in table for method in route.usual_methods}
    assert openapi.DESCRIBED.keys() <= {f"{method} {path}" for method, path in described}
    assert document == openapi.document(table)


@pytest.fixture
async def listening(new_database: NewDatabase) -> AsyncIterator[tuple[House, str]]:
    """A house that answers on a port, by the server that `remit serve` runs."""
    async with built(new_database("sqlite"), registration="open") as house:
        config = uvicorn.Config(house.app, port=0, http="httptools", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        running = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield house, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@proves("input.never-fails")
async def test_the_server_answers_as_the_document_says(listening: tuple[House, str], tmp_path: Path) -> None:
    house, url = listening
    token = (await asking.own_app(house))["Authorization"].removeprefix("Bearer ")
    await registered(house)
    async with (await speaking(house)).http as http:
        relations = http.headers["Authorization"].removeprefix("Bearer ")
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(secret=SECRET, token=token, relations=relations))
    run = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run",
        str(ROOT / "docs/reference/openapi.json"), "--url", url, "--phases", "coverage,fuzzing", "--max-examples", "5",
        "--exclude-path-regex", PASSED_ON, "--checks", ",".join(CHECKS), "--seed", os.environ.get("SCHEMATHESIS_SEED", "4711"),
        "--warnings", "off", "--workers", "1",
        cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await run.communicate()
    assert run.returncode == 0, said.decode()

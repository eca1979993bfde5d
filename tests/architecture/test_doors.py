"""There is one way out of the server, and one place that talks to a terminal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.architecture.house import SERVER, SRC, dotted, imports, modules, shown
from tests.ledger import proves

CLIENTS = (
    "aiohttp", "aiosmtplib", "http.client", "httpcore", "httpx", "httpx2", "requests", "smtplib", "urllib.request",
    "urllib3", "remit_server.runtime.network_stream",
)  # fmt: skip
OUTBOUND = SERVER / "runtime" / "outbound.py"
STREAM = SERVER / "runtime" / "network_stream.py"
"""What it connects with, to addresses that it has judged."""
MAIL = SERVER / "runtime" / "mail.py"
"""The way out for e-mail, to the operator's relay and nowhere else."""
KEY_SERVICES = ("boto3", "botocore", "google", "grpc", "hvac")
KEEPERS = SERVER / "storage" / "keepers"
"""The one exception (docs/adr/0010): where the operator says that the master key is, asked when a process starts."""


def reached(path: Path) -> set[str]:
    return {name for _, name, _ in imports(ast.parse(path.read_text()), dotted(path).rpartition(".")[0])}


@pytest.mark.parametrize("path", [path for path in modules(SERVER) if path not in {OUTBOUND, STREAM}], ids=shown)
@proves("house.one-way-out")
def test_only_outbound_makes_requests(path: Path) -> None:
    known = {"requests.exceptions.RequestException"} if KEEPERS in path.parents else set()
    known |= {"aiosmtplib"} if path == MAIL else set()
    assert {name for name in reached(path) if name.startswith(CLIENTS)} <= known
    if KEEPERS not in path.parents:
        assert {name for name in reached(path) if name.split(".")[0].startswith(KEY_SERVICES)} == set()


@pytest.mark.parametrize(
    "path", [p for package in ("remit", "remit_server") for p in modules(SRC / package)], ids=shown
)
def test_only_the_command_line_prints(path: Path) -> None:
    if path.stem == "cli" or "cli" in path.parts:
        return
    calls = [n.lineno for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and _prints(n)]
    assert calls == []


def _prints(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "print"


@pytest.mark.parametrize("path", [p for p in modules(SRC / "remit") if "integrations" not in p.parts], ids=shown)
def test_the_sdk_works_without_its_integrations(path: Path) -> None:
    assert {name for name in reached(path) if name.startswith("remit.integrations")} == set()

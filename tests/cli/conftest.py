"""The command line as people use it: real processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.management.test_manifest import ACME, ENVIRON

SECONDS = 30
REMIT = [sys.executable, "-m", "remit_server.cli"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}


@dataclass
class Server:
    """A running `remit serve`."""

    process: subprocess.Popen[str]
    log: Path
    url: str
    said: str

    def get(self, path: str, **kwargs: Any) -> httpx2.Response:
        return httpx2.get(self.url.rstrip("/") + path, **kwargs)

    def post(self, path: str, data: dict[str, str], **kwargs: Any) -> httpx2.Response:
        return httpx2.post(self.url.rstrip("/") + path, data=data, **kwargs)

    def token(self) -> str:
        """An access token of the trading assistant's own."""
        answer = self.post(
            "/oauth/token", {"grant_type": "client_credentials", "audience": "https://broker.example", **CREDENTIALS}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


CREDENTIALS = {"client_id": "trading-assistant", "client_secret": ENVIRON["ASSISTANT_SECRET"]}
Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Server]


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    shutil.copytree(ACME, tmp_path / "acme")
    return tmp_path / "acme" / "remit.yaml"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("apply", "file")`: a command that ends."""

    def run(*arguments: object, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*REMIT, *map(str, arguments)], cwd=tmp_path, env={**CLEAN, **ENVIRON, **(environ or {})},
            capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve("--config", file)`: a server on a free port, ready; ended with the test."""
    running: list[Server] = []

    def serve(*arguments: object, environ: dict[str, str] | None = None) -> Server:
        out, log = tmp_path / f"out-{len(running)}", tmp_path / f"log-{len(running)}"
        with out.open("w") as stdout, log.open("w") as stderr:
            process = subprocess.Popen(
                [*REMIT, "serve", "--port", "0", *map(str, arguments)], cwd=tmp_path, stdout=stdout, stderr=stderr,
                env={**CLEAN, **ENVIRON, "PYTHONUNBUFFERED": "1", **(environ or {})}, stdin=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        server = Server(process, log, "", "")
        running.append(server)
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(r" at (https?://\S+)", out.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        server.url, server.said = found[1], out.read_text()
        while not _ready(server):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return server

    yield serve
    for server in running:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(SECONDS)


def _ready(server: Server) -> bool:
    try:
        return server.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False

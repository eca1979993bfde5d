"""The peer: OpenFGA's own server on PostgreSQL, found on PATH or among Go's programs. By default it keeps nothing in memory; with
its caches on, answers may be ten seconds old."""

import contextlib
import itertools
import os
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil

from bench.drive import Tuple
from bench.servers import SERVER_CORE, free_port, pin
from remit_server.runtime.ids import new_id

VERSION = "1.18.1"
CACHES = ("--check-cache-limit", "1000000", "--check-query-cache-enabled", "--check-iterator-cache-enabled")
"""Of answers and of what was read, each for ten seconds."""


def found() -> str | None:
    """The program, or None. `go install github.com/openfga/openfga/cmd/openfga@v1.18.1` brings it."""
    if there := shutil.which("openfga"):
        return there
    if not (go := shutil.which("go")):
        return None
    home = subprocess.run([go, "env", "GOBIN", "GOPATH"], capture_output=True, text=True, check=True).stdout.split("\n")
    places = [Path(home[0]), Path(home[1]) / "bin"]
    return next((str(place / "openfga") for place in places if (place / "openfga").is_file()), None)


@dataclass(frozen=True)
class Peer:
    process: psutil.Process
    port: int
    token: str
    store: str = ""
    model: str = ""

    def ask(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}", msgspec.json.encode(body),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as answer:
            return msgspec.json.decode(answer.read())


@contextlib.contextmanager
def running(program: str, database_url: str, logs: Path, *, caches: bool = False) -> Iterator[Peer]:
    """Migrated, started on the servers' core, and answering; ended afterwards. With caches, each has room for everything."""
    uri = f"{database_url}{'&' if '?' in database_url else '?'}sslmode=disable"
    store = ["--datastore-engine", "postgres", "--datastore-uri", uri]
    subprocess.run([program, "migrate", *store], check=True, capture_output=True, timeout=60)
    port, token, log = free_port(), secrets.token_urlsafe(24), logs / "openfga.log"
    with log.open("w") as output:
        child = subprocess.Popen(
            [program, "run", *store, "--http-addr", f"127.0.0.1:{port}", "--grpc-addr", f"127.0.0.1:{free_port()}",
             "--playground-enabled=false", "--metrics-enabled=false", "--log-level", "error",
             "--authn-method", "preshared", "--authn-preshared-keys", token,
             "--datastore-max-open-conns", "20", "--datastore-max-idle-conns", "20", *(CACHES if caches else ())],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "GOMAXPROCS": "1"},
            preexec_fn=lambda: pin(0, SERVER_CORE),  # noqa: PLW1509 - the bench has one thread
        )  # fmt: skip
    try:
        _wait(port, child, log)
        yield Peer(psutil.Process(child.pid), port, token)
    finally:
        child.terminate()
        child.wait(10)


def _wait(port: int, child: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(400):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1):
            return
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"OpenFGA did not start\n{log.read_text()[-3000:]}")


async def fill(database_url: str, store: str, tuples: Iterable[Tuple]) -> None:
    """Past its API, which would take an hour for a million."""
    now, count = datetime.now(UTC), itertools.count()
    first = new_id()[:10]
    rows = (
        (store, *object_.split(":", 1), relation, user, "userset" if "#" in user or user.endswith(":*") else "user",
         f"{first}{next(count):016d}", now)
        for object_, relation, user in tuples
    )  # fmt: skip
    names = ["store", "object_type", "object_id", "relation", "_user", "user_type", "ulid", "inserted_at"]
    link = await asyncpg.connect(database_url)
    try:
        while some := list(itertools.islice(rows, 50_000)):
            await link.copy_records_to_table("tuple", records=some, columns=names)
        await link.execute("ANALYZE")
    finally:
        await link.close()

"""The master key from the command line: with a key service, refused, and moved while two nodes serve."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.cli.conftest import CREDENTIALS, Run, Serve, Server
from tests.fixtures.databases import NewDatabase
from tests.fixtures.key_services import TOKEN, openbao_server  # noqa: F401 - a fixture
from tests.ledger import proves

from remit_server.storage.sql import postgresql

TRANSIT = "vault-transit:transit/remit"
AWAY = {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t"}
OLD = {"REMIT_MASTER_KEY": "A" * 43}


@pytest.fixture
def bao(openbao_server: str) -> dict[str, str]:  # noqa: F811
    return {"VAULT_ADDR": openbao_server, "VAULT_TOKEN": TOKEN}


def test_a_server_lives_without_a_master_key_on_disk(
    serve: Serve, run: Run, acme: Path, tmp_path: Path, bao: dict[str, str]
) -> None:
    environ = {**bao, "REMIT_MASTER": TRANSIT}
    server = serve("--config", acme, "--data", "data", environ=environ)
    assert server.token()
    assert not (tmp_path / "data" / "master.key").exists()
    assert run("keys", "rotate", "--sealing", "--data", "data", environ=environ).returncode == 0
    assert run("backup", "copy.db", "--data", "data", environ=environ).returncode == 0
    assert run("restore", "copy.db", "--data", "other", environ=environ).returncode == 0
    assert server.stop() == 0
    assert "lies beside" not in run("doctor", "--data", "data", environ=environ).stdout


@proves("sealing.refuses-before-writing")
@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (AWAY, "cannot be reached"),
        ({"VAULT_TOKEN": "denied"}, "permission denied"),
        ({"VAULT_TOKEN": "encrypt-only"}, "permission denied"),
        ({"REMIT_MASTER": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "--master takes"),
    ],
)
def test_a_refused_start_leaves_nothing_behind(
    run: Run, tmp_path: Path, bao: dict[str, str], environ: dict[str, str], words: str
) -> None:
    environ = {"REMIT_MASTER": TRANSIT, **bao, **environ}
    refused = run("serve", "--port", "0", "--data", "data", environ=environ)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "AAAA" not in refused.stderr
    assert not (tmp_path / "data").exists()


@proves("sealing.refuses-before-writing")
def test_a_refused_start_leaves_postgresql_as_it_was(run: Run, new_database: NewDatabase) -> None:
    database = new_database("postgresql")
    for workers in ("1", "2"):
        refused = run(
            "serve", "--port", "0", "--database", database, "--workers", workers, "--master", TRANSIT, environ=AWAY
        )
        assert refused.returncode == 2

    async def tables() -> int:
        async with postgresql.alone(database) as connection:
            return int(await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))

    assert asyncio.run(tables()) == 0


def test_a_key_file_is_moved_to_another_place(run: Run, acme: Path, tmp_path: Path) -> None:
    new = tmp_path / "elsewhere" / "remit.key"
    assert run("apply", acme, "--yes", "--data", "data").returncode == 0
    for unclear in ([], ["--to", f"file:{new}", "--finish"]):
        assert "either --to or --finish" in run("keys", "rewrap", *unclear, "--data", "data").stderr
    moved = run("keys", "rewrap", "--to", f"file:{new}", "--data", "data")
    assert moved.returncode == 0, moved.stderr
    assert new.stat().st_mode & 0o777 == 0o600
    (tmp_path / "data" / "master.key").unlink()
    finished = run("keys", "rewrap", "--finish", "--data", "data", environ={"REMIT_MASTER_KEY_FILE": str(new)})
    assert "let go" in finished.stdout
    told = run("audit", "export", "--data", "data", "--master", f"file:{new}").stdout
    assert told.count('"key.rotated"') == 2
    assert new.read_text().strip() not in told


class Watch:
    """Asks every node that is up, all the time; what went wrong."""

    def __init__(self) -> None:
        self.up: dict[str, Server] = {}
        self.wrong: list[str] = []
        self.right = 0
        self._over = threading.Event()
        self._busy = threading.Lock()

    def watch(self) -> None:
        form = {"grant_type": "client_credentials", "audience": "https://broker.example", **CREDENTIALS}
        with httpx2.Client(timeout=10) as http:
            while not self._over.is_set():
                with self._busy:
                    assert self.up, "no node is up"
                    for server in self.up.values():
                        answer = http.post(f"{server.url.rstrip('/')}/oauth/token", data=form)
                        self.right += answer.status_code == 200
                        if answer.status_code != 200:
                            self.wrong.append(answer.text)
                time.sleep(0.02)

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self.watch)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def up_again(self, name: str, server: Server) -> None:
        with self._busy:
            self.up[name] = server

    def down(self, name: str) -> None:
        with self._busy:
            server = self.up.pop(name)
        assert server.stop() == 0


@proves("sealing.move", "sealing.rotation")
def test_two_nodes_move_to_a_key_service_and_never_pause(
    serve: Serve, run: Run, acme: Path, new_database: NewDatabase, bao: dict[str, str]
) -> None:
    database = new_database("postgresql")
    place = ("--database", database)
    old, new = OLD, {**bao, "REMIT_MASTER": TRANSIT}

    def start(environ: dict[str, str]) -> Server:
        return serve(*place, "--issuer", "http://127.0.0.1:8400/", environ=environ)

    def done(*command: str, environ: dict[str, str]) -> str:
        finished = run(*command, *place, environ=environ)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    done("apply", str(acme), "--yes", environ=old)
    watch = Watch()
    watch.up = {"a": start(old), "b": start(old)}
    with watch.watching():
        assert TRANSIT in done("keys", "rewrap", "--to", TRANSIT, environ={**old, **bao})
        assert "0 data keys" in done("keys", "rewrap", "--to", TRANSIT, environ={**old, **bao})
        refused = run("keys", "rotate", "--sealing", *place, environ=old)
        assert refused.returncode == 2
        assert "--finish" in refused.stderr
        assert "more than one master key" in run("doctor", *place, environ=old).stdout
        for node, environ in (("a", old), ("a", new), ("b", new)):  # the first is one that fell over in between
            watch.down(node)
            watch.up_again(node, start(environ))
            done("keys", "rotate", "--alg", "RS256", environ=environ)  # a sealed row that both must open
        assert "let go" in done("keys", "rewrap", "--finish", environ=new)
        assert run("audit", "verify", *place, environ=old).returncode == 2
        sealed = done("keys", "rotate", "--sealing", environ=new)
        assert " 0 rows" not in sealed
        watch.down("a")
        watch.up_again("a", start(new))
    assert watch.wrong == []
    assert watch.right > 100
    done("audit", "verify", environ=new)

"""Commands that end: trail, keys, backup, doctor, help."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.conftest import REMIT, Run, Serve
from tests.fixtures.databases import NewDatabase
from tests.ledger import proves

from remit_server.cli import main
from remit_server.storage.keepers.named import new_key_file

KEY = {"REMIT_MASTER_KEY": "A" * 43}


@pytest.fixture
def house(run: Run, acme: Path) -> Path:
    """A data directory in which the example was applied."""
    done = run("apply", acme, "--yes", "--data", "data")
    assert done.returncode == 0, done.stderr
    return acme.parent.parent / "data"


def test_beside_the_sdk_alone_the_command_says_what_it_needs() -> None:
    without = "import sys; sys.modules['click'] = None; import remit_server.cli"
    said = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr == "remit: this command comes with the server: pip install 'remit[server]'\n"


def test_where_nobody_can_answer_nothing_is_applied(run: Run, acme: Path) -> None:
    asked = run("apply", acme, "--data", "data")
    assert asked.returncode == 2
    assert asked.stderr == "remit: nothing was applied; where nobody can answer, give --yes\n"
    assert run("apply", acme, "--data", "data", "--dry-run").returncode == 1


def test_help_is_quick_and_loads_no_server() -> None:
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "remit_server.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "serve" in seen.stdout
    loaded = {line.rpartition("|")[2].strip() for line in seen.stderr.splitlines()}
    assert not loaded & {"uvicorn", "starlette", "cryptography", "asyncpg", "jinja2", "remit_server.app"}


def test_every_command_explains_itself(run: Run) -> None:
    names = re.findall(r"^  ([a-z]+) ", run("--help").stdout, re.MULTILINE)
    assert len(names) == 13
    for name in names:
        assert run(name, "--help").returncode == 0, name


def test_the_trail_is_verified_and_exported(run: Run, house: Path) -> None:
    verified = run("audit", "verify", "--data", house)
    assert verified.returncode == 0
    lines = [json.loads(line) for line in run("audit", "export", "--data", house).stdout.splitlines()]
    assert verified.stdout.startswith(f"{len(lines)} events")
    assert verified.stdout.strip().endswith(lines[-1]["hash"])


def test_a_changed_event_is_found(run: Run, house: Path) -> None:
    with closing(sqlite3.connect(house / "remit.db")) as database, database:
        body = "CAST(replace(CAST(body AS TEXT), 'trading-assistant', 'somebody-else') AS BLOB)"
        database.execute(f"UPDATE events SET body = {body} WHERE kind = 'configuration.applied'")
    for command in ("verify", "export"):
        found = run("audit", command, "--data", house)
        assert found.returncode == 2
        assert re.search(r"event \d+ was changed", found.stderr)


def test_keys_are_rotated_and_the_old_one_stays_published(serve: Serve, run: Run, house: Path) -> None:
    server = serve("--data", house)
    before = {key["kid"] for key in server.get("/.well-known/jwks.json").json()["keys"]}
    assert run("keys", "rotate", "--alg", "RS256", "--data", house).returncode == 0
    assert "rows sealed anew" in run("keys", "rotate", "--sealing", "--data", house).stdout
    time.sleep(0.6)
    after = {key["kid"] for key in server.get("/.well-known/jwks.json").json()["keys"]}
    assert before < after
    assert server.token()
    assert run("audit", "verify", "--data", house).returncode == 0


@proves("backup.restores")
def test_a_backup_of_a_running_server_is_restored(serve: Serve, run: Run, house: Path, tmp_path: Path) -> None:
    server = serve("--data", house)
    server.token()
    assert run("backup", "copy.db", "--data", house).returncode == 0
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    assert run("backup", "copy.db", "--data", house).returncode == 2  # nothing is overwritten
    without_key = run("restore", "copy.db", "--data", "other")
    assert without_key.returncode == 2
    assert "master.key" in without_key.stderr
    (tmp_path / "other").mkdir()
    shutil.copy(house / "master.key", tmp_path / "other")
    done = run("restore", "copy.db", "--data", "other")
    assert done.returncode == 0, done.stderr
    assert serve("--data", "other", "--issuer", server.url).token()
    assert run("restore", "copy.db", "--data", "other").returncode == 2  # nor here


def test_a_backup_of_postgresql_is_restored_into_an_empty_database(
    run: Run, acme: Path, new_database: NewDatabase
) -> None:
    full, empty = new_database("postgresql"), new_database("postgresql")
    assert run("apply", acme, "--yes", "--database", full, environ=KEY).returncode == 0
    run("agents", "suspend", "trading-assistant", "--database", full, environ=KEY)
    assert run("backup", "copy.zip", "--database", full, environ=KEY).returncode == 0
    done = run("restore", "copy.zip", "--database", empty, environ=KEY)
    assert done.returncode == 0, done.stderr
    verified = [run("audit", "verify", "--database", each, environ=KEY).stdout for each in (full, empty)]
    assert verified[0] == verified[1]
    assert "suspended  agent    trading-assistant" in run("agents", "list", "--database", empty, environ=KEY).stdout
    assert run("restore", "copy.zip", "--database", full, environ=KEY).returncode == 2


@proves("sealing.refuses-before-writing")
def test_a_backup_that_the_master_key_does_not_open_leaves_nothing_behind(
    run: Run, house: Path, acme: Path, tmp_path: Path, new_database: NewDatabase
) -> None:
    run("backup", "copy.db", "--data", house)
    refused = run("restore", "copy.db", "--data", "other", environ=KEY)
    assert refused.returncode == 2
    assert "master key does not open" in refused.stderr
    assert not (tmp_path / "other").exists()
    full, empty = new_database("postgresql"), new_database("postgresql")
    assert run("apply", acme, "--yes", "--database", full, environ=KEY).returncode == 0
    assert run("backup", "copy.zip", "--database", full, environ=KEY).returncode == 0
    other = {"REMIT_MASTER_KEY": "B" * 43}
    refused = run("restore", "copy.zip", "--database", empty, environ=other)
    assert "master key does not open" in refused.stderr
    assert run("restore", "copy.zip", "--database", empty, environ=KEY).returncode == 0  # still empty


@proves("sealing.refuses-before-writing")
def test_a_lost_master_key_is_not_replaced_by_a_new_one(run: Run, house: Path) -> None:
    (house / "master.key").unlink()
    for command in (["serve", "--port", "0"], ["apply", "remit.yaml"]):
        refused = run(*command, "--data", house)
        assert refused.returncode == 2
    assert not (house / "master.key").exists()


def test_a_new_master_key_is_on_disk_with_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    key = tmp_path / "data" / "master.key"
    new_key_file(key)
    assert synced == [path.stat().st_ino for path in (tmp_path, key, key.parent)]


def test_what_is_no_backup_is_not_restored(run: Run, house: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a backup")
    (tmp_path / "other").mkdir()
    shutil.copy(house / "master.key", tmp_path / "other")
    refused = run("restore", "text", "--data", "other")
    assert refused.returncode == 2
    assert "not a backup" in refused.stderr
    assert not (tmp_path / "other" / "remit.db").exists()


def test_another_master_key_opens_nothing(run: Run, house: Path) -> None:
    refused = run("audit", "verify", "--data", house, environ=KEY)
    assert refused.returncode == 2
    assert "master key does not open" in refused.stderr


def test_the_doctor_finds_what_is_weak_and_wrong(run: Run, house: Path, acme: Path) -> None:
    (house / "master.key").chmod(0o644)
    acme.write_text(acme.read_text().replace("{env: BROKER_SECRET}", "short").replace("{env: BOB_PASSWORD}", "hello"))
    found = run("doctor", "--config", acme, "--data", house, "--issuer", "https://127.0.0.1:9/")
    assert found.returncode == 1
    for words in (
        "WRONG  the issuer https://127.0.0.1:9/ does not answer",
        "weak   the host of https://127.0.0.1:9/ is a number: browsers have no passkeys there",
        "chmod 600",
        "weak   the secret of client broker-api has 5 characters",
        "weak   the password of bob@example.com has 5 characters",
        "weak   there is no administrator",
        "WRONG  the mail relay 127.0.0.1:1025 does not answer",
    ):
        assert words in found.stdout
    assert "hello" not in found.stdout
    assert "no passkeys" not in run("doctor", "--data", house, "--issuer", "http://localhost:9/").stdout


def test_the_doctor_looks_at_who_may_read_the_database_and_a_named_key(run: Run, house: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "secrets" / "remit.key"
    elsewhere.parent.mkdir()
    (house / "master.key").rename(elsewhere)
    elsewhere.chmod(0o640)
    (house / "remit.db").chmod(0o644)
    house.chmod(0o757)
    for said in (
        run("doctor", "--data", house, environ={"REMIT_MASTER_KEY_FILE": str(elsewhere)}).stdout,
        run("doctor", "--data", house, "--master", f"file:{elsewhere}").stdout,
    ):
        assert f"weak   the master key {elsewhere} is open to a group" in said
        assert f"WRONG  the database {house / 'remit.db'} is open to everybody" in said
        assert f"anybody on this machine may put another file in the place of {house / 'remit.db'}" in said
        assert "lies beside" not in said


def test_the_doctor_is_content_with_a_sound_server(serve: Serve, run: Run, acme: Path, tmp_path: Path) -> None:
    acme.write_text(re.sub(r"channels:.*", "", acme.read_text(), flags=re.DOTALL))
    server = serve("--config", acme, "--data", tmp_path / "data")
    found = run("doctor", "--config", acme, "--data", "data", "--issuer", server.url)
    assert found.returncode == 0, found.stdout
    assert f"ok     the issuer {server.url} answers" in found.stdout
    other = run("doctor", "--data", "data", "--issuer", server.url.rstrip("/"))
    assert "trailing slash" in other.stdout


def test_there_is_nothing_to_look_at_before_a_first_start(run: Run) -> None:
    for command in (
        ["audit", "verify"],
        ["backup", "x"],
        ["migrate"],
        ["keys", "rotate"],
        ["agents", "list"],
        ["doctor"],
    ):
        refused = run(*command, "--data", "nowhere")
        assert refused.returncode == 2, command
        assert "`remit serve` makes one" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "file/data"], "the directory file/data cannot be made: Not a directory"),
        (["--database", "postgresql://remit:hush@127.0.0.1:1/remit"], "PostgreSQL cannot be reached: "),
        (["--database", "sqlite:file"], "the database file cannot be opened: file is not a database"),
    ],
)
def test_where_nothing_can_be_kept_one_line_says_why(
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "file").write_text("no database" * 100)
    refused = run("serve", "--port", "0", *arguments, environ=KEY)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"remit: {words}")
    assert refused.stderr.count("\n") == 1
    assert "hush" not in refused.stderr


def test_a_backup_is_not_restored_beside_what_another_database_left(run: Run, house: Path) -> None:
    """SQLite would write the pages of that journal into the copy."""
    assert run("backup", "copy.db", "--data", house).returncode == 0
    (house / "remit.db").unlink()
    (house / "remit.db-wal").write_bytes(b"left behind")
    refused = run("restore", "copy.db", "--data", house)
    assert refused.returncode == 2
    assert "remit.db-wal is there still" in refused.stderr
    assert not (house / "remit.db").exists()


def test_half_a_backup_is_none(run: Run, house: Path, tmp_path: Path) -> None:
    (house / "remit.db").write_bytes(b"no database" * 100)
    assert run("backup", "copy.db", "--data", house).returncode != 0
    assert not (tmp_path / "copy.db").exists()


def test_an_agent_is_stopped_by_a_user_without_a_name(run: Run, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number of its own."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    done = CliRunner().invoke(main, ["agents", "suspend", "trading-assistant", "--data", str(house)])
    assert done.exit_code == 0, done.output
    assert f'"by":"command line, uid {os.getuid()}"' in run("audit", "export", "--data", house).stdout


def test_the_module_runs_too() -> None:
    assert subprocess.run([*REMIT, "version"], capture_output=True, check=True).stdout

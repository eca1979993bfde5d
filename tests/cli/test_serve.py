"""`remit serve` and what is done beside a running server."""

from __future__ import annotations

import json
import re
import stat
import time
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from tests.cli.conftest import CREDENTIALS, Run, Serve
from tests.fixtures.databases import NewDatabase
from tests.ledger import proves
from tests.management.test_manifest import ENVIRON

from remit_server.cli import main

KEY = {"REMIT_MASTER_KEY": "A" * 43}
BROKER = "https://broker.example"


def test_a_first_start_makes_its_key_and_offers_one_link(serve: Serve, tmp_path: Path) -> None:
    server = serve("--data", tmp_path / "data")
    key = tmp_path / "data" / "master.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    link = re.search(r"http://\S+/setup\?ticket=\S+", server.said)
    assert link is not None
    assert httpx2.get(link[0]).status_code == 200
    assert "ticket" not in server.log.read_text()
    assert "server" not in server.get("/healthz").headers
    assert server.stop() == 0


def test_a_manifest_is_in_force_when_the_server_is_ready(serve: Serve, acme: Path, tmp_path: Path) -> None:
    server = serve("--config", acme, "--data", tmp_path / "data")
    assert server.token()
    server.stop()
    again = serve("--config", acme, "--data", tmp_path / "data")
    assert "applied" not in again.log.read_text()
    assert again.token()


def test_a_change_takes_effect_in_a_running_server(serve: Serve, run: Run, acme: Path, tmp_path: Path) -> None:
    server = serve("--config", acme, "--data", tmp_path / "data")
    server.token()
    acme.write_text(acme.read_text().replace("client_credentials, ", ""))
    assert run("apply", acme, "--data", "data", "--dry-run").returncode == 1
    done = run("apply", acme, "--data", "data", "--yes")
    assert "~ change client trading-assistant" in done.stdout
    time.sleep(0.6)  # SQLite tells of another process's writes within a quarter of a second
    answer = server.post(
        "/oauth/token", {"grant_type": "client_credentials", "audience": "https://broker.example", **CREDENTIALS}
    )
    assert answer.json()["error"] == "unauthorized_client"
    assert run("apply", acme, "--data", "data", "--dry-run").returncode == 0


def test_a_mistake_in_the_manifest_stops_the_start_and_names_its_place(run: Run, acme: Path, tmp_path: Path) -> None:
    acme.write_text(acme.read_text().replace("purpose:", "porpose:"))
    failed = run("serve", "--config", acme, "--data", "data", "--port", "0")
    assert failed.returncode == 2
    assert re.search(r"remit\.yaml:\d+:5: 'porpose' is not known here; did you mean 'purpose'\?", failed.stderr)
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "2"], "PostgreSQL"),
        (["--tls-cert", "cert.pem"], "belong together"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "there is no file cert.pem"),
        (["--tls-cert", __file__, "--tls-key", __file__], "not a certificate and its own key"),
        (["--port", "70000"], "'--port'"),
        (["--forwarded-allow-ips", "127.0.0.1, proxy"], "'proxy'"),
        (["--forwarded-allow-ips", "10.0.0.1/8"], "10.0.0.1/8 has host bits set"),
        (["--issuer", "http://id.example/"], "must be https"),
        (["--issuer", "https://id.example/?a=b"], "without query"),
        (["--database", "postgresql://127.0.0.1:1/x"], "REMIT_MASTER_KEY"),
        (["--database", "mysql://x"], "must be sqlite:PATH or postgresql://"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(run: Run, arguments: list[str], words: str) -> None:
    failed = run("serve", "--port", "0", *arguments)
    assert failed.returncode == 2
    assert words in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_log_has_a_line_a_request_and_no_secret(serve: Serve, acme: Path, tmp_path: Path) -> None:
    server = serve("--config", acme, "--data", tmp_path / "data")
    token = server.token()
    server.get(f"/activity?token={token}", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    server.stop()
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    asked = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in asked] == [("/oauth/token", 200), ("/activity", 303)]
    assert asked[1]["trace"] == "a" * 32
    assert token not in text
    assert CREDENTIALS["client_secret"] not in text


def test_metrics_are_for_this_machine_or_a_token(serve: Serve, acme: Path, tmp_path: Path) -> None:
    server = serve("--config", acme, "--data", tmp_path / "data")
    server.token()
    text = server.get("/metrics").text
    assert 'remit_events_total{kind="token.issued"} 1.0' in text
    assert 'remit_requests_total{method="POST",route="/oauth/token",status="200"} 1.0' in text
    for header in ({"X-Forwarded-For": "192.0.2.1"}, {"Host": "id.example"}, {"Forwarded": "for=192.0.2.1"}):
        assert server.get("/metrics", headers=header).status_code == 404
    server.stop()
    acme.write_text(acme.read_text() + "settings: {metrics_token: only-for-prometheus}\n")
    server = serve("--config", acme, "--data", tmp_path / "data")
    assert server.get("/metrics").status_code == 404
    assert server.get("/metrics", headers={"Authorization": "Bearer only-for-prometheus"}).status_code == 200


@proves("agents.stop")
def test_who_reads_that_an_agent_is_suspended_may_rely_on_it(serve: Serve, acme: Path, tmp_path: Path) -> None:
    """A server over SQLite notices what another process wrote within a moment; the command ends after it."""
    server = serve("--config", acme, "--data", tmp_path / "data")
    for _ in range(3):
        server.token()
        for command, status in (("suspend", 401), ("resume", 200)):
            done = CliRunner().invoke(main, ["agents", command, "trading-assistant", "--data", str(tmp_path / "data")])
            assert done.exit_code == 0, done.output
            asked = {"grant_type": "client_credentials", "audience": BROKER, **CREDENTIALS}
            assert server.post("/oauth/token", asked).status_code == status


@proves("agents.stop")
def test_a_suspended_agent_is_refused_at_once_by_every_process(
    serve: Serve, run: Run, acme: Path, new_database: NewDatabase
) -> None:
    database = new_database("postgresql")
    issuer = ("--issuer", "http://127.0.0.1:8400/", "--database", database)
    one = serve("--config", acme, *issuer, environ=KEY)
    two = serve("--config", acme, *issuer, environ=KEY)
    assert "applied" in one.log.read_text()
    assert "applied" not in two.log.read_text()
    token = one.token()

    def answers() -> tuple[bool, str]:
        """What the second process says of the token, and to the agent itself."""
        broker = {"client_id": "broker-api", "client_secret": ENVIRON["BROKER_SECRET"]}
        asked = httpx2.post(two.url + "oauth/introspect", data={"token": token}, auth=tuple(broker.values()))
        again = two.post("/oauth/token", {"grant_type": "client_credentials", "audience": BROKER, **CREDENTIALS})
        return bool(asked.json()["active"]), str(again.json().get("error", "ok"))

    assert answers() == (True, "ok")
    done = run("agents", "suspend", "trading-assistant", "--database", database, environ=KEY)
    assert done.returncode == 0, done.stderr
    time.sleep(0.2)  # the wake travels; nothing that it tells of is waited for
    assert answers() == (False, "invalid_client")
    assert run("agents", "resume", "trading-assistant", "--database", database, environ=KEY).returncode == 0
    time.sleep(0.2)
    assert answers() == (True, "ok")


def test_two_workers_serve_one_database(serve: Serve, acme: Path, new_database: NewDatabase) -> None:
    database = new_database("postgresql")
    server = serve("--config", acme, "--database", database, "--workers", "2", environ=KEY)
    tokens = {server.token() for _ in range(6)}
    assert len(tokens) == 6
    assert 'remit_events_total{kind="token.issued"} 6.0' in server.get("/metrics").text
    assert server.stop() == 0

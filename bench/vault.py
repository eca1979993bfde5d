"""`python -m bench vault`: a hot exchange beside a plain authenticated read of the same row, at a fixed rate."""

import argparse
import base64
import json
import os
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from matplotlib import pyplot as plt

from bench.flows import Target, UnexpectedAnswer, with_token
from bench.load import Answer, Flow, Step, drive
from bench.open_loop import at_rate
from bench.postgres import postgres
from bench.report import save
from bench.servers import EMAIL, LOAD_CORE, Running, cpu_seconds, pin, remit, running
from bench.sign_in import grant, sign_in
from remit_server.records import ConnectedAccount
from remit_server.rules.connection import home_of
from remit_server.runtime.ids import new_id
from remit_server.storage.barrier import Master
from remit_server.storage.open import open_store

EXCHANGE, READ = "hot exchange", "authenticated read"
LONGEST_P99_MS = 10.0
SHARES = (0.5, 0.9, 0.99, 0.999)
SCOPE = "calendar.read"
GRANT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
REFRESH = "urn:ietf:params:oauth:token-type:refresh_token"


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench vault")
    parser.add_argument("--rate", type=float, default=200, help="requests per second (200)")
    parser.add_argument("--seconds", type=float, default=30, help="of one window (30)")
    parser.add_argument("--rounds", type=int, default=3, help="windows of each kind, in turn (3)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "docs" / "benchmarks")
    given = parser.parse_args(arguments)
    if given.rate * given.seconds * given.rounds > 100_000:
        parser.error("this is a bench, not an attack: at most 100,000 requests of a kind")
    return given


@dataclass(frozen=True)
class Ready:
    """What is asked, byte for byte."""

    port: int
    exchange: bytes
    read: bytes

    def request(self, name: str) -> bytes:
        return self.exchange if name == EXCHANGE else self.read


def judge(name: str) -> Any:
    wanted = b'"access_token":"the-upstream-token"' if name == EXCHANGE else b'"connection":"calendar"'

    def check(answer: Answer) -> None:
        if answer.status != 200 or wanted not in answer.body.replace(b": ", b":"):
            raise UnexpectedAnswer(f"expected the answer of the {name}", answer)

    return check


def closed(request: bytes, name: str) -> Flow:
    check = judge(name)
    while True:
        check((yield Step(request, ends=True)))


async def prepare(up: Running, database: str, master: bytes) -> Ready:
    """Ada's account, as a connect flow would have left it, and the two tokens that the requests bring."""
    secret = up.contender.environment["BENCH_SECRET"]
    cookie = sign_in(up.port, EMAIL, up.contender.password)
    tokens = grant(up.port, cookie, "bench-agent", secret, scope="openid offline_access")
    audience = f"http://127.0.0.1:{up.port}/me/"
    mine = grant(up.port, cookie, "bench-agent", secret, scope="read:me:connected_accounts", audience=audience)
    payload = tokens["id_token"].split(".")[1]
    now = int(time.time())
    account = ConnectedAccount(
        id=new_id(), user_id=json.loads(base64.urlsafe_b64decode(payload + "=="))["sub"], connection="calendar",
        label=EMAIL, upstream_id="ada", scopes=(SCOPE,), access_token="the-upstream-token", access_expires_at=now + 86400,
        refresh_token="the-upstream-refresh-token", created_at=now, refreshed_at=now,
    )  # fmt: skip
    store = await open_store(database, Master(master), now)
    connection = await store.connections.get("calendar")
    assert connection is not None
    account = msgspec.structs.replace(account, home=home_of(connection))
    await store.commit(store.connected_accounts.add(account))
    await store.close()
    exchange = Target(up.port, secret).token(
        "bench-agent", grant_type=GRANT, connection="calendar", subject_token=tokens["refresh_token"],
        subject_token_type=REFRESH,
    )  # fmt: skip
    read = with_token(up.port, "GET", "/me/v1/connected-accounts/accounts", mine["access_token"])
    return Ready(up.port, exchange, read)


def bench(given: argparse.Namespace) -> dict[str, Any]:
    return uvloop.run(measured(given))


async def measured(given: argparse.Namespace) -> dict[str, Any]:
    pin(os.getpid(), LOAD_CORE)
    scratch, key = Path(tempfile.mkdtemp(prefix="bench-")), secrets.token_bytes(32)
    found: dict[str, Any] = {
        "rate": given.rate, "seconds": given.seconds, "rounds": given.rounds, "load average before": os.getloadavg()[0],
    }  # fmt: skip
    try:
        async with postgres() as database:
            url = await database.create("bench_remit")
            server = remit(url, secrets.token_urlsafe(32), secrets.token_urlsafe(16), master=key)
            with running(server, scratch) as up:
                ready = await prepare(up, url, key)
                found |= {"one-row commit, ms": round(database.commit_ms, 2), "PostgreSQL": database.version}
                found["latencies_ms"] = await latencies(given, ready)
                found["cpu_us"] = await processor(given, ready, up)
            await database.drop("bench_remit")
    finally:
        shutil.rmtree(scratch)
    return found


async def latencies(given: argparse.Namespace, ready: Ready) -> dict[str, list[float]]:
    """Of all rounds together, in milliseconds, ascending."""
    found: dict[str, list[float]] = {EXCHANGE: [], READ: []}
    for name in found:  # uncounted
        await at_rate(ready.port, ready.request(name), judge(name), rate=given.rate, seconds=2)
    for _ in range(given.rounds):
        for name, times in found.items():
            taken = await at_rate(ready.port, ready.request(name), judge(name), rate=given.rate, seconds=given.seconds)
            times += [round(seconds * 1000, 3) for seconds in taken]
    return {name: sorted(times) for name, times in found.items()}


async def processor(given: argparse.Namespace, ready: Ready, up: Running) -> dict[str, float]:
    """Microseconds of the server for one request, with 16 connections that never rest."""
    found = {}
    for name in (EXCHANGE, READ):
        window = await drive(
            ready.port,
            [closed(ready.request(name), name) for _ in range(16)],
            warm_up=1,
            seconds=min(3.0, given.seconds),
            probe=lambda: {"server": cpu_seconds(up.process)},
        )
        found[name] = round(window.spent["server"] * 1e6 / window.operations, 1)
    return found


def percentile(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))]


def page(found: dict[str, Any]) -> str:
    lines = [
        "# The vault, hot", "",
        (f"{found['rate']:.0f} requests per second for {found['seconds']:.0f} s, {found['rounds']} times in turn, open loop: "
        "counted from the moment in which a request was due. One worker on PostgreSQL."), "",
        "| | " + " | ".join(f"p{share * 100:g} ms" for share in SHARES) + " | CPU µs |",
        "|---|" + "--:|" * (len(SHARES) + 1),
    ]  # fmt: skip
    for name, times in found["latencies_ms"].items():
        cells = [f"{percentile(times, share):.2f}" for share in SHARES]
        lines.append(f"| {name} | {' | '.join(cells)} | {found['cpu_us'][name]:.0f} |")
    p99 = percentile(found["latencies_ms"][EXCHANGE], 0.99)
    verdict = "reached" if p99 < LONGEST_P99_MS else "not reached"
    lines += ["", f"Goal: a hot exchange at p99 under {LONGEST_P99_MS:.0f} ms. Measured {p99:.2f} ms: **{verdict}**."]
    about = ("load average before", "one-row commit, ms", "PostgreSQL")
    lines += ["", ", ".join(f"{name} {found[name]}" for name in about), ""]
    return "\n".join(lines)


def plot(found: dict[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 3.6))
    for name, colour in ((EXCHANGE, "#0f766e"), (READ, "#b45309")):
        times = found["latencies_ms"][name]
        shares = [1 - (n + 0.5) / len(times) for n in range(len(times))]
        axes.plot(times, shares, label=name, color=colour)
    axes.axvline(LONGEST_P99_MS, color="#999", linestyle=":", linewidth=1)
    axes.axhline(0.01, color="#999", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_yticks([1, 0.1, 0.01, 0.001], ["all", "10 %", "1 %", "0.1 %"])
    axes.set_xlabel("milliseconds")
    axes.set_ylabel("requests that take longer")
    axes.set_title(f"{found['rate']:.0f} requests per second, open loop (dotted: the goal)", loc="left", fontsize=10)
    axes.legend(frameon=False)
    figure.tight_layout()
    save(figure, path)


def write(found: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    thinned = {name: times[:: max(1, len(times) // 1000)] for name, times in found["latencies_ms"].items()}
    (output / "vault.json").write_text(json.dumps(found | {"latencies_ms": thinned}, indent=1) + "\n")
    (output / "vault.md").write_text(page(found))
    plot(found, output / "vault.svg")

"""`make bench`, or `.venv/bin/python -m bench --help`."""

import argparse
import contextlib
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import uvloop
from joserfc.jwk import ECKey, RSAKey

from bench import asking, proxy, relations, vault
from bench.flows import FLOWS, WITH_SESSION, WITH_USER
from bench.load import drive
from bench.postgres import Postgres, postgres
from bench.report import BASE, IN_MEMORY, Results, Run, Start
from bench.servers import (
    LOAD_CORE,
    PEER,
    Contender,
    Memory,
    Running,
    cpu_seconds,
    install_peer,
    node,
    oidc_provider,
    pin,
    remit,
    running,
)

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"
DATABASES = {"remit": "bench_remit", BASE: "bench_oidc_provider"}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Remit beside npm oidc-provider.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server takes its turn (3)")
    parser.add_argument("--seconds", type=float, default=3, help="of one measured window (3)")
    parser.add_argument("--warm-up", type=float, default=1, help="seconds before each window (1)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64], help="(1 16 64)")
    parser.add_argument("--flows", default="", help="only flows whose name contains this")
    parser.add_argument("--peer-only", action="store_true", help="leave Remit out: is the bench itself in order?")
    parser.add_argument(
        "--output", type=Path, default=DOCS, help="directory for results.{json,md,svg} (docs/benchmarks)"
    )
    given = parser.parse_args()
    if given.rounds * given.seconds > 60 or max(given.connections) > 256:
        parser.error("this is a bench, not an attack: at most 60 s per server and flow, 256 connections")
    return given


async def bench(given: argparse.Namespace) -> Results:
    install_peer()
    pin(os.getpid(), LOAD_CORE)
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        async with postgres() as database:
            urls = {server: await database.create(name) for server, name in DATABASES.items()}
            try:
                return await measure(given, contenders(given, urls, scratch), database, scratch)
            finally:
                for name in DATABASES.values():
                    await database.drop(name)
    finally:
        shutil.rmtree(scratch)


def contenders(given: argparse.Namespace, urls: dict[str, str], scratch: Path) -> list[Contender]:
    # Made before the clock runs: a start must not be a lottery on how soon two primes are found.
    jwks = scratch / "jwks.json"
    ec, rsa = ECKey.generate_key("P-256").as_dict(private=True), RSAKey.generate_key(2048).as_dict(private=True)
    keys = [{**ec, "use": "sig", "alg": "ES256", "kid": "ec"}, {**rsa, "use": "sig", "alg": "RS256", "kid": "rsa"}]
    jwks.write_text(json.dumps({"keys": keys}))
    secret, password = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    peers = [oidc_provider(BASE, urls[BASE], secret, jwks), oidc_provider(IN_MEMORY, None, secret, jwks)]
    return peers if given.peer_only else [remit(urls["remit"], secret, password), *peers]


async def measure(
    given: argparse.Namespace, servers: Sequence[Contender], database: Postgres, scratch: Path
) -> Results:
    load_before = os.getloadavg()[0]
    starts = [start for server in servers for start in weigh(server, given.rounds, scratch)]
    runs = []
    with contextlib.ExitStack() as stack:
        up = [stack.enter_context(running(server, scratch)) for server in servers]
        flows = [name for name in FLOWS if given.flows in name]
        for flow in flows:
            for server in up:  # uncounted: V8 compiles and CPython specialises what they have seen thousands of times
                await one_run(given, server, flow, 16, turn=0, database=database)
        for connections in given.connections:
            for flow in flows:
                for turn in range(given.rounds):
                    for server in up:
                        if server.contender.name == IN_MEMORY and flow in WITH_SESSION and connections > 16:
                            continue  # of its 1000 entries the sessions of so many are pushed out
                        run = await one_run(given, server, flow, connections, turn=turn, database=database)
                        runs.append(run)
                        print(
                            f"{run.connections:3} × {run.flow:25} {run.server:27} {run.throughput:7.0f} op/s "
                            f"{run.cpu_us:6.0f} µs/op  p50 {run.p50_ms:6.2f} ms  p99 {run.p99_ms:6.2f} ms",
                            flush=True,
                        )
    settings = {"rounds": given.rounds, "seconds": given.seconds, "warm-up": given.warm_up}
    return Results(machine(database, load_before), settings, starts, runs)


def weigh(server: Contender, rounds: int, scratch: Path) -> list[Start]:
    """Start a server alone, wait for its first token, let it rest a second, weigh it. Its very first start, which lays
    the tables and makes the keys, does not count."""
    starts = []
    for _ in range(rounds + 1):
        with running(server, scratch) as up:
            time.sleep(1)
            memory = Memory.of(up.process)
            starts.append(Start(server.name, up.first_answer, memory.rss, memory.pss))
    return starts[1:]


async def one_run(
    given: argparse.Namespace, server: Running, flow: str, connections: int, *, turn: int, database: Postgres
) -> Run:
    itself = psutil.Process()

    def probe() -> dict[str, float]:
        return {
            "server": cpu_seconds(server.process),
            "postgres": database.cpu_seconds(),
            "load": cpu_seconds_of(itself),
        }

    targets = server.targets(connections, with_user=flow in WITH_USER)
    found = await drive(
        server.port,
        [FLOWS[flow](target) for target in targets],
        warm_up=given.warm_up,
        seconds=given.seconds,
        probe=probe,
    )
    microseconds = {name: spent * 1e6 / found.operations for name, spent in found.spent.items()}
    return Run(
        server=server.contender.name,
        flow=flow,
        connections=connections,
        round=turn,
        operations=found.operations,
        throughput=found.operations / found.seconds,
        cpu_us=microseconds["server"],
        postgres_us=microseconds["postgres"],
        load_us=microseconds["load"],
        p50_ms=found.percentile(0.50) * 1000,
        p99_ms=found.percentile(0.99) * 1000,
        rss_mb=Memory.of(server.process).rss,
    )


def cpu_seconds_of(process: psutil.Process) -> float:
    """Without its children: those are the servers."""
    times = process.cpu_times()
    return times.user + times.system


def machine(database: Postgres, load_before: float) -> dict[str, Any]:
    def version(command: str) -> str:
        return (
            subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
            .stdout.strip()
            .lstrip("v")
        )

    peer = json.loads((PEER / "package.json").read_text())["dependencies"]
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load average before": round(load_before, 2),
        "one-row commit, ms": round(database.commit_ms, 2),
        "Python": platform.python_version(),
        "uvicorn": metadata.version("uvicorn"),
        "Node.js": version(node()),
        "oidc-provider": peer["oidc-provider"],
        "pg": peer["pg"],
        "PostgreSQL": database.version,
    }


def processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


PARTS = {"vault": vault, "proxy": proxy, "asking": asking, "relations": relations}
"""Benches of one part, without the peer."""

if __name__ == "__main__" and (part := PARTS.get("".join(sys.argv[1:2]))):
    asked = part.options(sys.argv[2:])
    found = part.bench(asked)
    part.write(found, asked.output)
    print(part.page(found))
elif __name__ == "__main__":
    given = options()
    results = uvloop.run(bench(given))
    results.write(given.output)
    print(f"\n{results.page()}")

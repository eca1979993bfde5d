"""`python -m bench proxy`: what the vault's proxy adds to a call.

The demo's world, with Remit in a process of its own and its provider on loopback: the same GET, straight to the provider with
a borrowed token, and through the proxy with the agent's own. Turn by turn, so that what else the machine does meets all.
"""

import argparse
import json
import os
import statistics
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import psutil
from matplotlib import pyplot as plt

from bench.flows import UnexpectedAnswer, with_token
from bench.load import Answer, Flow, Step, drive
from bench.report import save
from bench.servers import LOAD_CORE, SERVER_CORE, cpu_seconds, pin
from remit import Client, ConnectRequired
from remit_demo.ada import Ada
from remit_demo.world import AUDIENCE, World, running_world

PATH = "/calendar/events"
MOST_MS = 3.0
STRAIGHT, READ, NOTED = "straight", "read", "noted first"
COLOURS = {STRAIGHT: "#57534e", READ: "#0f766e", NOTED: "#b45309"}
DATABASES = {"SQLite": False, "PostgreSQL": True}


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench proxy")
    parser.add_argument("--rounds", type=int, default=5, help="windows of each kind, in turn (5)")
    parser.add_argument("--seconds", type=float, default=2, help="of one window (2)")
    parser.add_argument("--warm-up", type=float, default=0.5, help="seconds before each window (0.5)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16], metavar="N", help="at once (1 16)")
    parser.add_argument("--database", choices=DATABASES, nargs="+", default=list(DATABASES))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "docs" / "benchmarks")
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Way:
    """A request for the calendar, byte for byte."""

    port: int
    request: bytes

    @classmethod
    def of(cls, base: str, path: str, token: str, *, body: bytes = b"") -> "Way":
        port = urlsplit(base).port or 0
        return cls(port, with_token(port, "GET", path, token, body))

    def calls(self) -> Flow:
        while True:
            answer: Answer = yield Step(self.request, ends=True)
            if answer.status != 200 or b'"events"' not in answer.body:
                raise UnexpectedAnswer("expected the calendar's events", answer)


@dataclass
class Found:
    """Of one way to call, with one database and number of connections: each list has a figure for each round."""

    database: str
    connections: int
    way: str
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """Remit's, for a call."""
    latencies_ms: list[float] = field(default_factory=list)
    """Of all rounds together, thinned, ascending."""


async def ways(world: World) -> dict[str, Way]:
    """To Ada's calendar: with the provider's token, and with the agent's own for the vault."""
    ada = Ada(world)
    async with Client(world.issuer, "trading-assistant", world.assistant_secret, dpop="off") as client:
        prompt = await client.device_sign_in(scope="openid profile offline_access", audience=AUDIENCE)
        async with anyio.create_task_group() as both:
            both.start_soon(ada.confirm_device, prompt.verification_uri_complete, prompt.user_code)
            user = await prompt
        try:
            await user.token("calendar")
        except ConnectRequired as needed:
            await ada.connect(needed.url or "", None)
        theirs = (await user.token("calendar", scopes=["calendar.read"])).reveal()
        ours = (await user.access_token(audience=f"{world.remit}/vault/", scopes=["vault:proxy"])).reveal()
        await ada.aclose()
    proxied = f"/vault/proxy/calendar{PATH}"
    return {
        STRAIGHT: Way.of(world.meridian, PATH, theirs),
        READ: Way.of(world.remit, proxied, ours),
        # With a body, a GET is taken for what may change something; the provider's work stays the same.
        NOTED: Way.of(world.remit, proxied, ours, body=b"{}"),
    }


async def rounds(given: argparse.Namespace, world: World, database: str) -> AsyncIterator[Found]:
    servers = [each for each in psutil.Process().children(recursive=True) if "remit_server.cli" in each.cmdline()]
    for process in servers:
        pin(process.pid, SERVER_CORE)

    def probe() -> dict[str, float]:
        return {"remit": sum(map(cpu_seconds, servers))}

    to = await ways(world)
    for connections in given.connections:
        found = {name: Found(database, connections, name) for name in to}
        for _ in range(given.rounds):
            for name, way in to.items():
                flows = [way.calls() for _ in range(connections)]
                measured = await drive(way.port, flows, warm_up=given.warm_up, seconds=given.seconds, probe=probe)
                one = found[name]
                one.p50_ms.append(measured.percentile(0.5) * 1e3)
                one.p99_ms.append(measured.percentile(0.99) * 1e3)
                one.per_second.append(measured.operations / measured.seconds)
                one.cpu_us.append(measured.spent["remit"] * 1e6 / measured.operations)
                thin = max(1, len(measured.latencies) * given.rounds // 1000)
                one.latencies_ms += [round(seconds * 1e3, 3) for seconds in measured.latencies[::thin]]
        for one in found.values():
            one.latencies_ms.sort()
            yield one


def bench(given: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rounds": given.rounds, "seconds": given.seconds, "load average before": round(os.getloadavg()[0], 2),
    }  # fmt: skip
    runs: list[Found] = []

    async def all_of(world: World, database: str) -> None:
        runs.extend([one async for one in rounds(given, world, database)])

    pin(os.getpid(), LOAD_CORE)
    for database in given.database:
        with running_world(postgres=DATABASES[database]) as world:
            anyio.run(all_of, world, database, backend_options={"use_uvloop": True})
    return found | {"runs": [asdict(run) for run in runs]}


def added(runs: list[dict[str, Any]], run: dict[str, Any]) -> float:
    """Milliseconds at the median that this way took more than the straight one of the same round; the median of the rounds."""
    (straight,) = (
        each for each in runs
        if (each["database"], each["connections"], each["way"]) == (run["database"], run["connections"], STRAIGHT)
    )  # fmt: skip
    return float(statistics.median(more - less for more, less in zip(run["p50_ms"], straight["p50_ms"], strict=True)))


def page(found: dict[str, Any]) -> str:
    runs = found["runs"]
    lines = [
        "# The proxy", "",
        (f"The same GET of a calendar, straight to a provider on loopback and through the vault: {found['rounds']} windows of "
        f"{found['seconds']:g} s each, in turn, closed loop. Medians of the rounds."), "",
        "| database | connections | | calls/s | p50 ms | p99 ms | adds p50 ms | CPU µs |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    verdicts = []
    for run in runs:
        per_second, p50, p99, cpu = (
            statistics.median(run[name]) for name in ("per_second", "p50_ms", "p99_ms", "cpu_us")
        )  # fmt: skip
        more = added(runs, run)
        cells = ["", ""] if run["way"] == STRAIGHT else [f"{more:.2f}", f"{cpu:.0f}"]
        lines.append(
            f"| {run['database']} | {run['connections']} | {run['way']} | {per_second:.0f} | {p50:.2f} | {p99:.2f} | "
            + " | ".join(cells) + " |"
        )  # fmt: skip
        if run["connections"] == 1 and run["way"] != STRAIGHT:
            verdict = "reached" if more < MOST_MS else "not reached"
            verdicts.append(f"- {run['database']}, {run['way']}: {more:.2f} ms, **{verdict}**")
    lines += ["", f"Goal: one caller waits less than {MOST_MS:g} ms more at the median.", "", *verdicts]
    return "\n".join([*lines, "", f"load average before {found['load average before']}", ""])


def plot(found: dict[str, Any], path: Path) -> None:
    alone = [run for run in found["runs"] if run["connections"] == min(each["connections"] for each in found["runs"])]
    databases = list(dict.fromkeys(run["database"] for run in alone))
    figure, panels = plt.subplots(
        1, len(databases), figsize=(3.6 * len(databases) + 0.6, 3.4), sharex=True, sharey=True, squeeze=False
    )
    for axes, database in zip(panels[0], databases, strict=True):
        for run in alone:
            if run["database"] == database:
                times = run["latencies_ms"]
                shares = [(n + 0.5) / len(times) for n in range(len(times))]
                axes.plot(times, shares, label=run["way"], color=COLOURS[run["way"]])
                if run["way"] == STRAIGHT:
                    goal = statistics.median(run["p50_ms"]) + MOST_MS
                    axes.plot(goal, 0.5, marker="<", color="#dc2626", linestyle="", label="goal for the median")
        axes.axhline(0.5, color="#999", linestyle=":", linewidth=1)
        axes.set_xscale("log")
        axes.set_xticks([0.1, 0.3, 1, 3, 10, 30, 100], ["0.1", "0.3", "1", "3", "10", "30", "100"])
        axes.set_yticks([0, 0.5, 0.9, 1], ["0", "50 %", "90 %", "all"])
        axes.set_xlabel("milliseconds")
        axes.set_title(database, loc="left", fontsize=10)
        axes.set_xlim(0.04, 100)
    panels[0][0].set_ylabel("calls answered by then")
    figure.legend(*panels[0][0].get_legend_handles_labels(), frameon=False, loc="lower center", ncols=4)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    save(figure, path)


def write(found: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "proxy.json").write_text(json.dumps(found, indent=1) + "\n")
    (output / "proxy.md").write_text(page(found))
    plot(found, output / "proxy.svg")

"""`python -m bench asking`: whether asking people keeps its speed while a hundred thousand requests wait for an answer.

Each size is reached by filling the database; then new requests go all their way over HTTP. On PostgreSQL a second node answers
what agents wait for at the first.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import uvloop
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bench.flows import Target, UnexpectedAnswer, tokens, with_token
from bench.load import Answer, Flow, Measured, Step, walk
from bench.pending import AGENTS, API, OF_EACH, SCOPES, Pending, message, pending
from bench.postgres import Postgres, postgres
from bench.report import row, save
from bench.servers import LOAD_CORE, Running, cpu_seconds, pin, remit, running
from bench.sign_in import grant, sign_in
from remit_server.rules.details import digest

GRANT = "urn:openid:params:grant-type:ciba"
PEOPLE, BEFORE = 16, 4
"""Who are asked over HTTP, each on a connection of their own; and who are before that, uncounted."""
OF_ONE = 30
"""Requests to each of them in one round: within what a person may be asked in an hour."""
LISTINGS = 25
"""How often each of them looks at their inbox in one round."""
COLOURS = {"ask": "#0f766e", "poll": "#57534e", "answer": "#b45309", "take tokens": "#7c3aed", "inbox": "#0369a1"}
KEEPS = 0.8
"""Of its speed with the smallest backlog, with the largest one."""
LONGEST_P95_MS = 1000.0


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench asking")
    parser.add_argument("--pending", type=int, nargs="+", default=[1_000, 10_000, 100_000], metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="at each size (3)")
    parser.add_argument(
        "--released", type=int, default=200, help="decisions that an agent waits for, at each size (200)"
    )
    parser.add_argument("--database", choices=("SQLite", "PostgreSQL"), nargs="+", default=["SQLite", "PostgreSQL"])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "docs" / "benchmarks")
    given = parser.parse_args(arguments)
    given.pending = sorted(set(given.pending))
    least = (PEOPLE + BEFORE) * OF_EACH
    if any(more - less < least for less, more in pairwise([0, *given.pending])) or given.pending[-1] > 1_000_000:
        parser.error(f"sizes must be {least} apart, and 1,000,000 at most")
    if not 1 <= given.rounds <= 3 or not PEOPLE <= given.released <= 400:
        parser.error(f"1 to 3 rounds, and {PEOPLE} to 400 decisions: an agent may ask a person 30 times in a minute")
    return given


@dataclass
class Person:
    """Somebody with an app of their own, and what agents have asked them."""

    email: str
    token: str
    asked: list["Asked"] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    id: str
    agent: str
    handle: str
    digest: str


@dataclass(frozen=True)
class Found:
    """Of one act on one database while so many wait."""

    database: str
    pending: int
    act: str
    per_second: list[float]
    """Of each round."""
    cpu_us: list[float]
    """The server's and the database's, for one operation; of each round."""
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Site:
    """Nodes on one database. The first is the one that is measured, the last answers what is waited for at the first."""

    database: str
    nodes: Sequence[Running]
    secret: str
    password: str
    postgres: Postgres | None = None

    @property
    def here(self) -> Target:
        return Target(self.nodes[0].port, self.secret)

    def probe(self) -> dict[str, float]:
        return {"cpu": cpu_seconds(self.nodes[0].process) + (self.postgres.cpu_seconds() if self.postgres else 0.0)}

    # flows of one person, each ending with the last of their requests

    def ask(self, person: Person, count: int) -> Flow:
        person.asked = []
        for n in range(count):
            agent, details = AGENTS[n % len(AGENTS)], [message(secrets.token_hex(4))]
            form = {
                "scope": " ".join(SCOPES), "audience": API, "login_hint": person.email, "binding_message": "Is this right?",
                "authorization_details": json.dumps(details), "requested_expiry": "3600",
            }  # fmt: skip
            answer = yield Step(self.here.post("/bc-authorize", agent, form), ends=True)
            got = tokens(answer, "auth_req_id", "approval_uri")
            approval_id = got["approval_uri"].rpartition("/")[2]
            person.asked.append(Asked(approval_id, agent, got["auth_req_id"], digest(tuple(details))))

    def poll(self, person: Person) -> Flow:
        for asked in person.asked:
            answer = yield Step(self._poll(asked), ends=True)
            if not waits(answer):
                raise UnexpectedAnswer("expected authorization_pending", answer)

    def answer(self, person: Person) -> Flow:
        for asked in person.asked:
            judge((yield Step(self._answer(person, asked, self.nodes[0]), ends=True)), b'"state":"approved"')

    def take(self, person: Person) -> Flow:
        for asked in person.asked:
            tokens((yield Step(self._poll(asked), ends=True)), "access_token", "id_token")

    def inbox(self, person: Person) -> Flow:
        request = with_token(self.nodes[0].port, "GET", "/me/v1/approvals", person.token)
        for _ in range(LISTINGS):
            judge((yield Step(request, ends=True)), b'"approvals":[{')

    # flows of agents that wait at the first node, while people answer at the last

    def wait(self, asked: Asked, released: dict[str, float]) -> Flow:
        request = self._poll(asked).replace(b"\r\n\r\n", b"\r\nPrefer: wait=25\r\n\r\n", 1)
        answer = yield Step(request, ends=True)
        while waits(answer):  # held as long as a poll is
            answer = yield Step(request, ends=True)
        tokens(answer, "access_token")
        released[asked.id] = time.perf_counter()

    def decide(self, people: Sequence[Person], decided: dict[str, float]) -> Flow:
        for person in people:
            for asked in person.asked:
                request = self._answer(person, asked, self.nodes[-1])
                decided[asked.id] = time.perf_counter()
                judge((yield Step(request, ends=True)), b'"state":"approved"')

    def _poll(self, asked: Asked) -> bytes:
        return self.here.token(asked.agent, grant_type=GRANT, auth_req_id=asked.handle)

    def _answer(self, person: Person, asked: Asked, node: Running) -> bytes:
        body = json.dumps({"answer": "approve", "version": 0, "digest": asked.digest}).encode()
        return with_token(node.port, "POST", f"/me/v1/approvals/{asked.id}/answer", person.token, body)


def waits(answer: Answer) -> bool:
    return answer.status == 400 and b'"authorization_pending"' in answer.body


def judge(answer: Answer, wanted: bytes) -> None:
    if answer.status != 200 or wanted not in answer.body:
        raise UnexpectedAnswer(f"expected {wanted.decode()}", answer)


def bench(given: argparse.Namespace) -> dict[str, Any]:
    return uvloop.run(measured(given))


async def measured(given: argparse.Namespace) -> dict[str, Any]:
    pin(os.getpid(), LOAD_CORE)
    start = time.perf_counter()
    found: dict[str, Any] = {"rounds": given.rounds, "load average before": round(os.getloadavg()[0], 2)}
    runs: list[Found] = []
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        if "SQLite" in given.database:
            async with site("SQLite", f"sqlite:{scratch / 'remit.db'}", scratch) as (here, backlog):
                runs += [run async for run in sizes(given, here, backlog)]
        if "PostgreSQL" in given.database:
            async with postgres() as server:
                released = await on_postgresql(given, server, scratch, runs)
            found |= {"one-row commit, ms": round(server.commit_ms, 2), "PostgreSQL": server.version}
            found["released_ms"] = released
    finally:
        shutil.rmtree(scratch)
    return found | {"seconds": round(time.perf_counter() - start), "runs": [asdict(run) for run in runs]}


async def on_postgresql(
    given: argparse.Namespace, server: Postgres, scratch: Path, runs: list[Found]
) -> dict[int, list[float]]:
    """Adds to the runs; milliseconds, ascending, from sending a decision to the agent's having its tokens."""
    released: dict[int, list[float]] = {}

    async def after(here: Site, people: Sequence[Person], count: int) -> None:
        released[count] = await release(given, here, people)

    url = await server.create("bench_remit")
    async with site("PostgreSQL", url, scratch, nodes=2, postgres=server) as (here, backlog):
        runs += [run async for run in sizes(given, here, backlog, after)]
    await server.drop("bench_remit")
    return released


@asynccontextmanager
async def site(
    database: str, url: str, scratch: Path, *, nodes: int = 1, postgres: Postgres | None = None
) -> AsyncIterator[tuple[Site, Pending]]:
    secret, password, master = secrets.token_urlsafe(32), secrets.token_urlsafe(16), secrets.token_bytes(32)
    contender = remit(url, secret, password, master=master)
    with ExitStack() as stack:
        first = stack.enter_context(running(contender, scratch))
        further = remit(url, secret, password, issuer=f"http://127.0.0.1:{first.port}", master=master)
        others = [replace(further, name=f"remit {n}") for n in range(2, nodes + 1)]
        up = [first, *(stack.enter_context(running(other, scratch)) for other in others)]
        async with pending(url, master) as backlog:
            yield Site(database, up, secret, password, postgres), backlog


After = Callable[[Site, Sequence[Person], int], Any]


async def sizes(
    given: argparse.Namespace, here: Site, backlog: Pending, after: After | None = None
) -> AsyncIterator[Found]:
    for count in given.pending:
        emails = await backlog.grow(count, here.password, PEOPLE + BEFORE)
        people = [Person(email, token_of(here, email)) for email in emails]
        await measure(here, people[PEOPLE:], 1)  # uncounted: CPython specialises what it has seen often
        rounds = await measure(here, people[:PEOPLE], given.rounds)
        for act in COLOURS:
            walks = rounds[act]
            latencies = sorted(latency for one in walks for latency in one.latencies)
            run = Found(
                database=here.database,
                pending=count,
                act=act,
                per_second=[round(one.operations / one.seconds, 1) for one in walks],
                cpu_us=[round(one.spent["cpu"] * 1e6 / one.operations, 1) for one in walks],
                p50_ms=round(percentile(latencies, 0.5) * 1000, 3),
                p99_ms=round(percentile(latencies, 0.99) * 1000, 3),
            )
            print(*cells(asdict(run)), sep="  ", flush=True)
            yield run
        if after:
            await after(here, people[:PEOPLE], count)


def token_of(here: Site, email: str) -> str:
    """Of an app in the person's hand."""
    node = here.nodes[0]
    cookie = sign_in(node.port, email, here.password)
    audience = f"http://127.0.0.1:{node.port}/me/"
    scope = "read:me:approvals answer:me:approvals"
    return grant(node.port, cookie, "bench-web", here.secret, scope=scope, audience=audience)["access_token"]


async def measure(here: Site, people: Sequence[Person], rounds: int) -> dict[str, list[Measured]]:
    """Everybody's inbox, while nothing in it has been answered; then new requests all the way."""
    asking: dict[str, Callable[[Person], Flow]] = {
        "ask": lambda person: here.ask(person, OF_ONE),
        "poll": here.poll,
        "answer": here.answer,
        "take tokens": here.take,
    }
    found: dict[str, list[Measured]] = {act: [] for act in COLOURS}
    for acts in ({"inbox": here.inbox}, asking):
        for _ in range(rounds):
            for act, flow in acts.items():
                flows = [flow(person) for person in people]
                found[act].append(await walk(here.nodes[0].port, flows, probe=here.probe))
    return found


async def release(given: argparse.Namespace, here: Site, people: Sequence[Person]) -> list[float]:
    """All agents wait at one node before the first person answers at the other."""
    each, more = divmod(given.released, len(people))
    counts = [each + (n < more) for n in range(len(people))]
    await walk(here.nodes[0].port, [here.ask(person, count) for person, count in zip(people, counts, strict=True)])
    decided: dict[str, float] = {}
    released: dict[str, float] = {}
    waiting = [here.wait(asked, released) for person in people for asked in person.asked]
    async with asyncio.TaskGroup() as both:
        both.create_task(walk(here.nodes[0].port, waiting))
        await asyncio.sleep(3)
        both.create_task(walk(here.nodes[-1].port, [here.decide(people, decided)]))
    return sorted(round((released[id_] - at) * 1000, 3) for id_, at in decided.items())


def percentile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def speed(run: dict[str, Any]) -> float:
    return float(statistics.median(run["per_second"]))


def cells(run: dict[str, Any]) -> list[str]:
    rates = run["per_second"]
    return [
        run["database"], run["act"], f"{run['pending']:,}", f"{speed(run):.0f} ({min(rates):.0f}–{max(rates):.0f})",
        f"{run['p50_ms']:.1f}", f"{run['p99_ms']:.1f}", f"{statistics.median(run['cpu_us']):.0f}",
    ]  # fmt: skip


def of(found: dict[str, Any], database: str, act: str) -> list[dict[str, Any]]:
    """The runs of one line of the plot, the smallest backlog first."""
    return [run for run in found["runs"] if (run["database"], run["act"]) == (database, act)]


def databases(found: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(run["database"] for run in found["runs"]))


def page(found: dict[str, Any]) -> str:
    counts = sorted({run["pending"] for run in found["runs"]})
    lines = [
        "# Asking", "",
        (f"{PEOPLE} connections that never rest, {found['rounds']} rounds at each size; every person has {OF_EACH} open "
        "requests. Medians of the rounds. [How it is measured](README.md#asking)."), "",
        "![Speed over the number of pending requests](asking.svg)", "",
        row(["database", "", "pending", "op/s (low–high)", "p50 ms", "p99 ms", "CPU µs/op", "of its speed", ""]),
        row(["---", "---", *["--:"] * 6, "---"]),
    ]  # fmt: skip
    for database in databases(found):
        for act in COLOURS:
            runs = of(found, database, act)
            lines += [row([*cells(run), "", ""]) for run in runs[:-1]]
            kept = speed(runs[-1]) / speed(runs[0])
            lines.append(row([*cells(runs[-1]), f"{kept:.0%}", "reached" if kept >= KEEPS else "not reached"]))
    lines += [
        "",
        f"Goal: with {counts[-1]:,} pending, each has {KEEPS:.0%} of the speed that it has with {counts[0]:,}.",
        "",
    ]
    if released := found.get("released_ms"):
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
        lines += [
            "## From a decision to the agent's tokens", "", "Decided at one node, awaited at the other; milliseconds.", "",
            row(["pending", "decisions", *shares, ""]), row(["--:"] * (2 + len(shares)) + ["---"]),
        ]  # fmt: skip
        for count, times in released.items():
            taken = [f"{percentile(times, share):.1f}" for share in shares.values()]
            verdict = "reached" if percentile(times, 0.95) < LONGEST_P95_MS else "not reached"
            lines.append(row([f"{count:,}", str(len(times)), *taken, verdict]))
        lines += ["", f"Goal: p95 under {LONGEST_P95_MS:.0f} ms.", ""]
    about = ("load average before", "one-row commit, ms", "PostgreSQL", "seconds")
    return "\n".join([*lines, ", ".join(f"{name} {found[name]}" for name in about if name in found), ""])


def plot(found: dict[str, Any], path: Path) -> None:
    names, released = databases(found), found.get("released_ms")
    panels = len(names) + bool(released)
    figure, (axes,) = plt.subplots(1, panels, figsize=(3.7 * panels, 3.7), squeeze=False)
    fastest = max(rate for run in found["runs"] for rate in run["per_second"])
    for panel, database in zip(axes, names, strict=False):
        panel.set_title(f"{database}: operations per second", loc="left", fontsize=10)
        panel.set_ylim(0, fastest * 1.05)
        acts = {act: of(found, database, act) for act in COLOURS}
        for act, runs in acts.items():
            bounds = [[bound(run["per_second"]) for run in runs] for bound in (min, max)]
            panel.fill_between([run["pending"] for run in runs], *bounds, color=COLOURS[act], alpha=0.12, linewidth=0)
        lines(panel, {act: {run["pending"]: speed(run) for run in runs} for act, runs in acts.items()}, COLOURS)
    if released:
        panel = axes[-1]
        panel.set_title("ms from decision to tokens, 2 nodes", loc="left", fontsize=10)
        panel.set_yscale("log")
        panel.set_ylim(1, 2000)
        panel.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
        panel.axhline(LONGEST_P95_MS, color="#dc2626", linestyle=":", linewidth=1.2)
        panel.text(min(released), LONGEST_P95_MS * 1.1, "goal for p95", color="#dc2626", va="bottom", fontsize=8)
        shares, colours = (
            {"p50": 0.5, "p95": 0.95, "most": 1.0},
            {"p50": "#0f766e", "p95": "#b45309", "most": "#57534e"},
        )
        times = {label: {n: percentile(released[n], share) for n in released} for label, share in shares.items()}
        lines(panel, times, colours)
    figure.tight_layout()
    save(figure, path)


def lines(axes: Axes, values: dict[str, dict[int, float]], colours: dict[str, str]) -> None:
    """Each with its name where it ends, and no name upon another."""
    counts = list(next(iter(values.values())))
    axes.set_xscale("log")
    axes.set_xlim(counts[0] / 1.3, counts[-1] * 9)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("requests pending")
    lowest = 0.0
    for label, line in sorted(values.items(), key=lambda item: item[1][counts[-1]]):
        axes.plot(counts, list(line.values()), color=colours[label], marker="o", markersize=4)
        right, height = axes.transAxes.inverted().transform(axes.transData.transform((counts[-1], line[counts[-1]])))
        lowest = max(height, lowest)
        axes.text(right + 0.03, lowest, label, color=colours[label], va="center", transform=axes.transAxes)
        lowest += 0.055


def write(found: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "asking.json").write_text(json.dumps(found, indent=1) + "\n")
    (output / "asking.md").write_text(page(found))
    plot(found, output / "asking.svg")

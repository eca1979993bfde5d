"""`python -m bench relations`: who may see what, in process and over HTTP, beside a real OpenFGA server on the same PostgreSQL."""

import argparse
import gc
import itertools
import json
import os
import secrets
import shutil
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop
from matplotlib import pyplot as plt

from bench import openfga, tuples
from bench.asking import percentile
from bench.drive import MODEL, READER, Drive
from bench.flows import Target, UnexpectedAnswer
from bench.load import Answer, Flow, Step, drive
from bench.open_loop import at_rate
from bench.postgres import Postgres, postgres
from bench.report import row, save
from bench.servers import LOAD_CORE, cpu_seconds, pin, remit, running
from remit_server.access.engine import Engine
from remit_server.access.stores import Stores
from remit_server.rules.relations.check import Asker, Question
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.model import parse
from remit_server.storage.barrier import Master
from remit_server.storage.groups.relations import Relations
from remit_server.storage.open import open_store

CHECK, PAGE, LIST = "check", "batch of 100", "list of 10,000"
ASKED = {CHECK: 3000, PAGE: 200, LIST: 9}
GOALS = {(CHECK, "p50"): 0.2, (CHECK, "p99"): 1.0, (PAGE, "p50"): 5.0, (LIST, "p50"): 40.0}
"""Milliseconds, at a million tuples; the list's for SQLite."""
MOST_STATEMENTS, RATE, HTTP_P99_MS, BATCH = 15, 300.0, 10.0, 50
AUDIENCE = "https://relations.bench.example"
COLOURS = {CHECK: "#0f766e", PAGE: "#b45309", LIST: "#1d4ed8"}


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench relations")
    parser.add_argument(
        "--tuples", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="sizes of the drive"
    )
    parser.add_argument("--at", type=int, default=1_000_000, help="the size at which servers are measured (1,000,000)")
    parser.add_argument("--database", nargs="+", default=["SQLite", "PostgreSQL"], choices=["SQLite", "PostgreSQL"])
    parser.add_argument("--seconds", type=float, default=4, help="of one window (4)")
    parser.add_argument("--rounds", type=int, default=3, help="windows of each kind, in turn (3)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "docs" / "benchmarks")
    given = parser.parse_args(arguments)
    if max(given.tuples) > 20_000_000 or given.seconds * given.rounds > 60:
        parser.error("at most 20,000,000 tuples and 60 s of each kind")
    return given


@dataclass(frozen=True)
class Found:
    """Of one verb in process, on one database with so many tuples."""

    database: str
    tuples: int
    verb: str
    memory: str
    """`first`: nothing of what it looks at was read before; `again`: the same questions once more."""
    p50_ms: float
    p99_ms: float
    statements: float
    """Mean of the questions."""
    most_statements: int
    answers: float
    """Mean: the share of yes, or the length of the list."""


def bench(given: argparse.Namespace) -> dict[str, Any]:
    return uvloop.run(measured(given))


async def measured(given: argparse.Namespace) -> dict[str, Any]:
    pin(os.getpid(), LOAD_CORE)
    start, scratch = time.perf_counter(), Path(tempfile.mkdtemp(prefix="bench-"))
    about: dict[str, Any] = {"rounds": given.rounds, "load average before": round(os.getloadavg()[0], 2)}
    runs: list[Found] = []
    try:
        if "SQLite" in given.database:
            for size in given.tuples:
                runs += await in_process("SQLite", f"sqlite:{scratch / f'{size}.db'}", size)
        if "PostgreSQL" in given.database:
            async with postgres() as server:
                about |= {"one-row commit, ms": round(server.commit_ms, 2), "PostgreSQL": server.version}
                for size in given.tuples:
                    runs += await in_process("PostgreSQL", await server.create("bench_remit"), size)
                about["http"] = await over_http(given, server, scratch)
                await server.drop("bench_remit")
    finally:
        shutil.rmtree(scratch)
    return about | {"seconds": round(time.perf_counter() - start), "runs": [asdict(run) for run in runs]}


class Counted:
    """A storage engine that counts its statements."""

    READS = ("one", "few", "many", "each")

    def __init__(self, engine: Any) -> None:
        self._engine, self.statements = engine, 0

    def __getattr__(self, name: str) -> Any:
        if name in self.READS:
            self.statements += 1
        return getattr(self._engine, name)


async def in_process(database: str, url: str, size: int) -> list[Found]:
    now, held = int(time.time()), Drive(size)
    store = await open_store(url, Master(secrets.token_bytes(32)), now)
    try:
        store_id = await tuples.fill(store, url, held.tuples(), now)
        counted = Counted(store.engine)
        store.relations = Relations(counted)
        found = []
        with as_a_server():
            for verb in (CHECK, PAGE, LIST):
                ask = Asking(Stores(store), Engine(store), held, store_id)
                for memory in ("first", "again"):
                    times, statements, answers = await timed(ask.questions(verb), counted)
                    found.append(Found(
                        database=database, tuples=size, verb=verb, memory=memory,
                        p50_ms=round(statistics.median(times), 3), p99_ms=round(percentile(sorted(times), 0.99), 3),
                        statements=round(statistics.mean(statements), 1), most_statements=max(statements),
                        answers=round(statistics.mean(answers), 2),
                    ))  # fmt: skip
                    print(*cells(asdict(found[-1])), sep="  ", flush=True)
        return found
    finally:
        await store.close()


@contextmanager
def as_a_server() -> Iterator[None]:
    """The garbage collector as `remit serve` has it."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def timed(
    questions: Iterator[Callable[[], Awaitable[float]]], counted: Counted
) -> tuple[list[float], list[int], list[float]]:
    """Milliseconds, statements and answer of each."""
    times, statements, answers = [], [], []
    for ask in questions:
        before, start = counted.statements, time.perf_counter()
        answers.append(await ask())
        times.append((time.perf_counter() - start) * 1000)
        statements.append(counted.statements - before)
    return times, statements, answers


@dataclass(frozen=True)
class Asking:
    """One store, and what is asked of it."""

    stores: Stores
    engine: Engine
    held: Drive
    store_id: str

    def questions(self, verb: str) -> Iterator[Callable[[], Awaitable[float]]]:
        if verb == CHECK:
            for object_, relation, user in self.held.questions(ASKED[CHECK], seed=1):
                yield partial(self.check, [Question(user, relation, object_)])
        elif verb == PAGE:
            for user, documents in self.held.pages(ASKED[PAGE], seed=2):
                yield partial(self.check, [Question(user, "viewer", one) for one in documents])
        else:
            yield from itertools.repeat(self.objects, ASKED[LIST])

    async def check(self, asked: Sequence[Question]) -> float:
        """The share of yes."""
        verdicts = await self.engine.check(await self.stores.open(self.store_id), asked)
        if not all(isinstance(verdict, bool) for verdict in verdicts):
            raise RuntimeError(f"no answer: {verdicts}")
        return sum(verdict is True for verdict in verdicts) / len(verdicts)

    async def objects(self) -> float:
        """How many there are."""
        opened, asker = await self.stores.open(self.store_id), Asker(READER)
        [listed] = await self.engine.answer(opened, lambda: [list_objects(opened.model, asker, "document", "viewer")])
        return len(listed.found)


# over HTTP


async def over_http(given: argparse.Namespace, server: Postgres, scratch: Path) -> dict[str, Any]:
    """One size on one PostgreSQL, a database for each server, the same questions."""
    held, key, secret = Drive(given.at), secrets.token_bytes(32), secrets.token_urlsafe(32)
    url, now = await server.create("bench_remit"), int(time.time())
    store = await open_store(url, Master(key), now)
    store_id = await tuples.fill(store, url, held.tuples(), now)
    await store.close()
    found: dict[str, Any] = {"tuples": given.at}
    with running(remit(url, secret, secrets.token_urlsafe(16), master=key), scratch) as up:
        ours = Face("remit", up.port, up.process, token_of(Target(up.port, secret)), store_id)
        latencies = await at_rate(
            up.port, ours.check(held.questions(1, seed=7)[0]), ours.judge, rate=RATE, seconds=given.seconds * 3
        )
        found["one question at a rate, ms"] = [round(one * 1000, 3) for one in latencies]
        found["questions at a rate, ms"] = await paced(ours, held, given.seconds * 3)
        faces = [ours]
        program = openfga.found()
        if program is None:
            found["peer"] = "no openfga on PATH: go install github.com/openfga/openfga/cmd/openfga@v" + openfga.VERSION
            found["servers"] = await side_by_side(given, faces, held, server)
            return found
        peer_url = await server.create("bench_openfga")
        with openfga.running(program, peer_url, scratch) as peer:
            theirs = peer.ask("stores", {"name": "drive"})["id"]
            peer.ask(f"stores/{theirs}/authorization-models", parse(MODEL))
            await openfga.fill(peer_url, theirs, held.tuples())
            faces.append(Face("OpenFGA", peer.port, peer.process, peer.token, theirs))
            with openfga.running(program, peer_url, scratch, caches=True) as keeping:
                faces.append(Face("OpenFGA, caches on", keeping.port, keeping.process, keeping.token, theirs))
                found["servers"] = await side_by_side(given, faces, held, server)
        await server.drop("bench_openfga")
    return found


@dataclass(frozen=True)
class Face:
    """A server that speaks OpenFGA."""

    name: str
    port: int
    process: psutil.Process
    token: str
    store: str

    def _post(self, verb: str, body: Any) -> bytes:
        text = msgspec.json.encode(body)
        return (
            f"POST /stores/{self.store}/{verb} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        ).encode() + text

    def check(self, question: tuple[str, str, str]) -> bytes:
        object_, relation, user = question
        return self._post("check", {"tuple_key": {"user": user, "relation": relation, "object": object_}})

    def batch(self, user: str, documents: Sequence[str]) -> bytes:
        keys = [{"user": user, "relation": "viewer", "object": one} for one in documents]
        return self._post(
            "batch-check", {"checks": [{"tuple_key": key, "correlation_id": f"{n}"} for n, key in enumerate(keys)]}
        )

    @staticmethod
    def judge(answer: Answer) -> None:
        if answer.status != 200 or b"allowed" not in answer.body:
            raise UnexpectedAnswer("expected an answer of the relations", answer)


def token_of(target: Target) -> str:
    body = urllib.parse.urlencode({
        "grant_type": "client_credentials", "client_id": "bench-relations", "client_secret": target.secret, "audience": AUDIENCE,
    }).encode()  # fmt: skip
    with urllib.request.urlopen(f"http://127.0.0.1:{target.port}/oauth/token", body, timeout=10) as answer:
        token: str = json.loads(answer.read())["access_token"]
    return token


def walk(requests: Sequence[bytes], first: int) -> Flow:
    """The same questions for all, each connection beginning elsewhere."""
    for request in itertools.islice(itertools.cycle(requests), first, None):
        Face.judge((yield Step(request, ends=True)))


async def paced(face: Face, held: Drive, seconds: float) -> list[float]:
    """Ever new questions at a rate, milliseconds, ascending: in short runs, each with a question of its own."""
    found: list[float] = []
    for question in held.questions(int(seconds * 4), seed=9):
        found += await at_rate(face.port, face.check(question), face.judge, rate=RATE, seconds=0.25, connections=8)
    return [round(one * 1000, 3) for one in sorted(found)]


async def side_by_side(
    given: argparse.Namespace, faces: Sequence[Face], held: Drive, server: Postgres
) -> list[dict[str, Any]]:
    """Connections that never rest, in turn: sixteen, and two for batches, of which the peer gives up more within its three
    seconds."""
    found = []
    asked = held.questions(5000, seed=5)
    pages = held.pages(300, seed=6, length=BATCH)
    for verb in (CHECK, f"batch of {BATCH}"):
        for turn in range(given.rounds + 1):
            for face in faces:
                requests = (
                    [face.check(one) for one in asked] if verb == CHECK else [face.batch(*page) for page in pages]
                )
                lines = 16 if verb == CHECK else 2
                flows = [walk(requests, n * len(requests) // lines) for n in range(lines)]
                window = await drive(
                    face.port, flows, warm_up=1, seconds=given.seconds,
                    probe=lambda face=face: {"server": cpu_seconds(face.process), "database": server.cpu_seconds()},
                )  # fmt: skip
                if turn:  # the first is not counted: compilers and caches learn
                    found.append({
                        "server": face.name, "verb": verb, "per_second": round(window.operations / window.seconds, 1),
                        "server_us": round(window.spent["server"] * 1e6 / window.operations, 1),
                        "database_us": round(window.spent["database"] * 1e6 / window.operations, 1),
                        "p50_ms": round(window.percentile(0.5) * 1000, 2), "p99_ms": round(window.percentile(0.99) * 1000, 2),
                    })  # fmt: skip
                    print(*found[-1].values(), sep="  ", flush=True)
    return found


# the page


def cells(run: dict[str, Any]) -> list[str]:
    return [
        run["database"], f"{run['tuples']:,}", run["verb"], run["memory"], f"{run['p50_ms']:.3f}", f"{run['p99_ms']:.3f}",
        f"{run['statements']:.1f}", str(run["most_statements"]), f"{run['answers']:g}",
    ]  # fmt: skip


def verdict(run: dict[str, Any]) -> str:
    """Against the goals, where the size and the memory are those that they were set for."""
    if run["tuples"] != 1_000_000 or (run["verb"] == LIST and run["database"] != "SQLite"):
        return ""
    missed = [
        f"{share} {goal:g} ms"
        for (verb, share), goal in GOALS.items()
        if verb == run["verb"] and run[f"{share}_ms"] > goal
    ]
    if run["verb"] == PAGE and run["most_statements"] > MOST_STATEMENTS:
        missed.append(f"{MOST_STATEMENTS} statements")
    return "not reached: " + ", ".join(missed) if missed else "reached"


def page(found: dict[str, Any]) -> str:
    heads = ["database", "tuples", "", "read before", "p50 ms", "p99 ms", "statements", "most", "answers", "goal"]
    lines = [
        "# Relations", "",
        ("A drive: people, groups nested five deep, folders in a tree, `but not blocked`. In process, one thread; "
        "[how it is measured](README.md#relations)."), "", "![Growth](relations.svg)", "", "Solid: first; dotted: again.", "",
        row(heads), row(["---", "--:", "---", "---", *["--:"] * 5, "---"]),
        *(row([*cells(run), verdict(run)]) for run in found["runs"]), "",
    ]  # fmt: skip
    if http := found.get("http"):
        lines += http_page(http)
    about = ("load average before", "one-row commit, ms", "PostgreSQL", "rounds", "seconds")
    return "\n".join([*lines, ", ".join(f"{name} {found[name]}" for name in about if name in found), ""])


def write(found: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    http = found.get("http", {})
    thinned = {name: times[:: max(1, len(times) // 1000)] for name, times in http.items() if name.endswith(", ms")}
    (output / "relations.json").write_text(json.dumps(found | {"http": http | thinned}, indent=1) + "\n")
    (output / "relations.md").write_text(page(found))
    plot(found, output / "relations.svg")


def http_page(http: dict[str, Any]) -> list[str]:
    lines = [f"## Over HTTP, {http['tuples']:,} tuples on PostgreSQL", ""]
    for name, label in (
        ("one question at a rate, ms", "one question"),
        ("questions at a rate, ms", "ever new questions"),
    ):
        shares = {share: percentile(http[name], share) for share in (0.5, 0.99)}
        reached = "reached" if shares[0.99] < HTTP_P99_MS else "not reached"
        lines.append(
            f"Check at {RATE:.0f} per second, {label}: p50 {shares[0.5]:.2f} ms, p99 {shares[0.99]:.2f} ms "
            f"(goal: p99 under {HTTP_P99_MS:.0f} ms: {reached})."
        )
        lines.append("")
    lines += [
        row(["", "server", "op/s", "server µs/op", "database µs/op", "per second and core", "p50 ms", "p99 ms"]),
        row(["---", "---", *["--:"] * 6]),
    ]
    rates: dict[tuple[str, str], float] = {}
    for verb, name in dict.fromkeys((one["verb"], one["server"]) for one in http["servers"]):
        runs = [one for one in http["servers"] if (one["verb"], one["server"]) == (verb, name)]
        middle = {key: statistics.median(one[key] for one in runs) for key in runs[0] if key not in {"verb", "server"}}
        rates[verb, name] = 1e6 / (middle["server_us"] + middle["database_us"])
        lines.append(row([
            verb, name, f"{middle['per_second']:.0f}", f"{middle['server_us']:.0f}", f"{middle['database_us']:.0f}",
            f"{rates[verb, name]:.0f}", f"{middle['p50_ms']:.1f}", f"{middle['p99_ms']:.1f}",
        ]))  # fmt: skip
    lines.append("")
    for (verb, name), rate in rates.items():
        if name != "remit":
            ratio = rates[verb, "remit"] / rate
            reached = "reached" if ratio >= 1 else "not reached"
            lines += [f"{verb}: {ratio:.2f} × {name} {openfga.VERSION} per second and core (goal 1: {reached}).", ""]
    if "peer" in http:
        lines += [http["peer"], ""]
    return lines


def plot(found: dict[str, Any], path: Path) -> None:
    databases = list(dict.fromkeys(run["database"] for run in found["runs"]))
    figure, (axes,) = plt.subplots(1, len(databases), figsize=(4.2 * len(databases), 3.7), squeeze=False, sharey=True)
    for panel, database in zip(axes, databases, strict=True):
        panel.set_title(f"{database}: ms at the median", loc="left", fontsize=10)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("tuples", fontsize=9)
        for verb, colour in COLOURS.items():
            for memory, style in (("first", "-"), ("again", ":")):
                runs = [
                    one
                    for one in found["runs"]
                    if (one["database"], one["verb"], one["memory"]) == (database, verb, memory)
                ]
                label = verb if memory == "first" else None
                sizes, times = [one["tuples"] for one in runs], [one["p50_ms"] for one in runs]
                panel.plot(sizes, times, style, color=colour, label=label, marker="o", markersize=3)
        panel.grid(alpha=0.2)
        panel.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    save(figure, path)

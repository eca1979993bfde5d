"""What a run found, as JSON for machines, a page for people, and a plot. Every figure is a median over the rounds."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

mpl.rcParams.update({"svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

OURS, BASE, IN_MEMORY = "remit", "oidc-provider + PostgreSQL", "oidc-provider in-memory"
COLOURS = {OURS: "#0f766e", BASE: "#b45309", IN_MEMORY: "#d6b98c"}


@dataclass(frozen=True)
class Run:
    """One window of one flow against one server. Times per operation; CPU is user + system."""

    server: str
    flow: str
    connections: int
    round: int
    operations: int
    throughput: float
    cpu_us: float
    postgres_us: float
    load_us: float
    p50_ms: float
    p99_ms: float
    rss_mb: float


@dataclass(frozen=True)
class Start:
    """One start of one server, alone on its core."""

    server: str
    first_answer_s: float
    idle_rss_mb: float
    idle_pss_mb: float


@dataclass(frozen=True)
class Goal:
    """What is aimed at: how many times better than the peer on PostgreSQL."""

    flow: str
    measure: str
    at_least: float


GOALS = (
    Goal("client credentials ES256", "CPU", 3.0),
    Goal("client credentials ES256", "throughput", 2.5),
    Goal("client credentials RS256", "CPU", 1.6),
    Goal("refresh with rotation", "CPU", 3.0),
    Goal("introspection", "CPU", 2.5),
    Goal("code + PKCE round trip", "CPU", 2.0),
)
LARGEST_IDLE_MB, LONGEST_START_S = 120.0, 2.0


class Results:
    def __init__(self, machine: dict[str, Any], settings: dict[str, Any], starts: Sequence[Start], runs: Sequence[Run]):
        self.machine, self.settings, self.starts, self.runs = machine, settings, starts, runs
        self.servers = list(dict.fromkeys(run.server for run in runs))
        self.flows = list(dict.fromkeys(run.flow for run in runs))
        self.connections = sorted({run.connections for run in runs})
        self.middle = min(self.connections, key=lambda count: abs(count - 16))

    def values(self, server: str, flow: str, connections: int, figure: str) -> list[float]:
        wanted = (server, flow, connections)
        return [float(getattr(run, figure)) for run in self.runs if (run.server, run.flow, run.connections) == wanted]

    def median(self, server: str, flow: str, connections: int, figure: str) -> float:
        return statistics.median(self.values(server, flow, connections, figure))

    def start(self, server: str, figure: str) -> float:
        return statistics.median(float(getattr(start, figure)) for start in self.starts if start.server == server)

    def ratio(self, server: str, flow: str, connections: int, measure: str) -> float:
        """How many times better than the peer on PostgreSQL; above 1 is better, for both measures."""
        figure = {"CPU": "cpu_us", "throughput": "throughput"}[measure]
        theirs = self.median(BASE, flow, connections, figure)
        own = self.median(server, flow, connections, figure)
        return theirs / own if measure == "CPU" else own / theirs

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        content = {
            "machine": self.machine,
            "settings": self.settings,
            "starts": [asdict(start) for start in self.starts],
            "runs": [asdict(run) for run in self.runs],
        }
        (directory / "results.json").write_text(json.dumps(content, indent=1) + "\n")
        (directory / "results.md").write_text(self.page())
        self.plot(directory / "results.svg")

    def page(self) -> str:
        facts = [f"- {name}: {value}" for name, value in {**self.machine, **self.settings}.items()]
        lines = ["# Results", "", "Written by `make bench`; [how to read this](README.md).", "", *facts, ""]
        lines += ["![Throughput and CPU per operation](results.svg)", ""]
        if OURS in self.servers:
            lines += ["## Goals", "", *self.goals(), ""]
        lines += ["## Start and idle memory", "", "Each server started alone.", "", *self.start_table(), ""]
        for connections in self.connections:
            word = "connection" if connections == 1 else "connections"
            lines += [f"## {connections} {word}", "", *self.table(connections), ""]
        return "\n".join(lines)

    def goals(self) -> list[str]:
        rows = [f"At {self.middle} connections, against {BASE}.", "", "| | goal | measured | |", "|---|---|---|---|"]

        def judge(what: str, goal: str, measured: str, *, reached: bool) -> None:
            rows.append(row([what, goal, measured, "reached" if reached else "not reached"]))

        for goal in GOALS:
            if goal.flow in self.flows:
                ratio = self.ratio(OURS, goal.flow, self.middle, goal.measure)
                what = f"{goal.flow}, {goal.measure}"
                judge(what, f"≥ {goal.at_least}×", f"{ratio:.2f}×", reached=ratio >= goal.at_least)
        idle, first = self.start(OURS, "idle_rss_mb"), self.start(OURS, "first_answer_s")
        judge(
            "idle memory of one process",
            f"< {LARGEST_IDLE_MB:.0f} MB",
            f"{idle:.0f} MB",
            reached=idle < LARGEST_IDLE_MB,
        )
        judge("start to first token", f"< {LONGEST_START_S:.0f} s", f"{first:.2f} s", reached=first < LONGEST_START_S)
        return rows

    def start_table(self) -> list[str]:
        rows = [row(["server", "start to first token, s", "RSS, MB", "PSS, MB"]), row(["---", "--:", "--:", "--:"])]
        for server in self.servers:
            first, rss, pss = (self.start(server, name) for name in ("first_answer_s", "idle_rss_mb", "idle_pss_mb"))
            rows.append(row([server, f"{first:.2f}", f"{rss:.0f}", f"{pss:.0f}"]))
        return rows

    def table(self, connections: int) -> list[str]:
        columns = ["op/s (low–high)", "CPU µs/op", "p50 ms", "p99 ms", "PostgreSQL µs/op", "load µs/op", "RSS MB"]
        columns += ["op/s ×", "CPU ×"]
        rows = [row(["flow", "server", *columns]), row(["---", "---", *["--:"] * len(columns)])]
        for flow in self.flows:
            for server in self.servers:
                place = (server, flow, connections)
                rates = self.values(*place, "throughput")
                if not rates:
                    rows.append(row([flow, server, "not measured", *[""] * (len(columns) - 1)]))
                    continue
                cells = [flow, server, f"{statistics.median(rates):.0f} ({min(rates):.0f}–{max(rates):.0f})"]
                cells += [f"{self.median(*place, 'cpu_us'):.0f}"]
                cells += [f"{self.median(*place, figure):.2f}" for figure in ("p50_ms", "p99_ms")]
                cells += [f"{self.median(*place, figure):.0f}" for figure in ("postgres_us", "load_us", "rss_mb")]
                cells += [f"{self.ratio(*place, measure):.2f}" for measure in ("throughput", "CPU")]
                rows.append(row(cells))
        return rows

    def plot(self, path: Path) -> None:
        figure, panels = plt.subplots(1, 2, figsize=(11, 0.75 + 0.75 * len(self.flows)), sharey=True)
        height = 0.8 / len(self.servers)
        rows = range(len(self.flows))
        for panel, name, title in (
            (panels[0], "throughput", "operations per second (more is better)"),
            (panels[1], "cpu_us", "server CPU, µs per operation (less is better)"),
        ):
            for place, server in enumerate(self.servers):
                values = [self.median(server, flow, self.middle, name) for flow in self.flows]
                at = [line + place * height for line in rows]
                bars = panel.barh(at, values, height * 0.92, label=server, color=COLOURS[server])
                panel.bar_label(bars, fmt="%.0f", padding=3)
            panel.set_title(title, loc="left", fontsize=10)
            panel.margins(x=0.12)
        panels[0].set_yticks([line + 0.4 - height / 2 for line in rows], self.flows)
        panels[0].invert_yaxis()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="lower right", ncols=3, frameon=False)
        figure.suptitle(f"{self.middle} connections, one server process on one core", x=0.01, ha="left")
        figure.tight_layout(rect=(0, 0.06, 1, 1))
        save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """The same figures make the same file, byte for byte."""
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

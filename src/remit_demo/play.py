"""``remit demo``: play the story with a person at real pages, or check it without one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2

from remit import Client, RemitError
from remit_demo.ada import Ada, Errand
from remit_demo.agent.assistant import Assistant, Places
from remit_demo.agent.desk import Desk
from remit_demo.agent.model import ModelPlanner, ModelProblem
from remit_demo.agent.planner import Planner
from remit_demo.agent.screen import Terminal
from remit_demo.agent.scripted import ScriptedPlanner
from remit_demo.documents.archive import archive
from remit_demo.documents.embeddings import MeaningIndex
from remit_demo.documents.papers import Papers
from remit_demo.stage import Stage, StoryBroken
from remit_demo.story import STORY
from remit_demo.world import ADA_DEPOT, AUDIENCE, World, WorldProblem, running_world

_PORT = 8400
_STEP_SECONDS = 120


def run(check: bool = False, postgres: bool = False, model: str | None = None, embeddings: bool = False) -> int:
    """Play the story.

    Args:
        check: without a person or a browser, one line a step; Ada's clicks are made over HTTP.
        postgres: keep Remit's data in PostgreSQL (``DATABASE_URL``, or a server of the demo's own).
        model: base URL of an OpenAI-compatible endpoint to plan with, instead of the script.
        embeddings: search the documents by meaning, which takes the extra ``rag``, instead of by words.

    Returns:
        0 when every line of the story held, 1 otherwise.
    """
    terminal = Terminal()
    planner: Planner = ModelPlanner(model) if model else ScriptedPlanner()
    try:
        papers = Papers(MeaningIndex(archive()) if embeddings else None)
    except ModuleNotFoundError as missing:
        print(f"--embeddings needs {missing.name}: pip install '.[rag]' in a clone", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that the servers end and the files go
    try:
        with running_world(port=0 if check else _PORT, postgres=postgres, tick_seconds=0.05 if check else 1.5) as world:
            playing = _check if check else _play
            return asyncio.run(playing(world, planner, papers, terminal))
    except WorldProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def _check(world: World, planner: Planner, papers: Papers, terminal: Terminal) -> int:
    transcript, ada = _Transcript(), Ada(world)
    async with _assistant(world, planner, papers, transcript) as assistant, contextlib.aclosing(ada):
        stage = Stage(world, assistant, transcript, ada)
        for step in STORY:
            try:
                line = await asyncio.wait_for(step.play(stage), _STEP_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever broke, the step did not hold
                print(f"{terminal.ink.bad('FAILED')} {step.number}  {step.title}: {type(error).__name__}: {error}")
                print("\n".join(f"          {said}" for said in transcript.lines))
                return 1
            print(f"{terminal.ink.good('ok')} {step.number}  {step.title}: {line}", flush=True)
    return 0


async def _play(world: World, planner: Planner, papers: Papers, terminal: Terminal) -> int:
    screen = _Person(terminal)
    _introduce(world, planner, papers, terminal)
    async with _assistant(world, planner, papers, screen) as assistant:
        screen.hear = assistant.hear
        stage = Stage(world, assistant, screen, None)
        for step in STORY:
            terminal.heading(f"{step.number}  {step.title}")
            try:
                line = await step.play(stage)
            except (StoryBroken, RemitError, ModelProblem) as problem:
                terminal.note(f"The story ends here: {problem}")
                return 1
            terminal.outcome(line)
        if sys.stdin.isatty():
            terminal.heading("That was the story. Say more, or press Enter to leave.")
            await screen.prompt(None)
    return 0


def _introduce(world: World, planner: Planner, papers: Papers, terminal: Terminal) -> None:
    terminal.heading("Remit demo")
    for label, value in (
        ("Remit", world.remit),
        ("Approvals", f"{world.remit}/approvals"),
        ("Meridian", f"{world.meridian}  (another company, with Ada's calendar)"),
        ("Planner", planner.label),
        ("Search by", papers.index.label),
        ("Ada at Remit", f"{world.ada.email}  {world.ada.password}"),
        ("Ada at Meridian", f"{world.ada_at_meridian.email}  {world.ada_at_meridian.password}"),
    ):
        terminal.note(f"{label:<16}{value}")


@contextlib.asynccontextmanager
async def _assistant(
    world: World, planner: Planner, papers: Papers, screen: _Transcript | _Person
) -> AsyncIterator[Assistant]:
    async with (
        Client(world.issuer, "trading-assistant", world.assistant_secret) as client,
        httpx2.AsyncClient(base_url=world.broker) as http,
    ):
        desk = Desk(http, AUDIENCE, screen, poll_seconds=screen.poll_seconds)
        places = Places(broker_audience=AUDIENCE, account=ADA_DEPOT)
        yield Assistant(
            client=client, planner=planner, desk=desk, places=places, screen=screen, broker=http, papers=papers
        )


class _Transcript:
    """A screen that nobody watches: kept for the case that a step fails. Ada runs her errands from it."""

    poll_seconds = 0.05

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.offers: list[str] = []
        self.errand: Errand | None = None

    def say(self, text: str) -> None:
        self.lines.append(f"agent: {text}")

    def note(self, text: str) -> None:
        self.lines.append(text)

    async def offer(self, why: str, url: str, code: str | None = None) -> None:
        self.lines.append(f"agent: {why} {url}")
        self.offers.append(url)
        if self.errand is not None:
            await self.errand(url, code)

    async def prompt(self, suggestion: str) -> None:
        self.lines.append(f"ada: {suggestion}")


class _Person:
    """A person at the terminal, with a browser beside it."""

    poll_seconds = 0.5

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.offers: list[str] = []
        self.errand: Errand | None = None
        self.hear: Callable[[str], Awaitable[str]] | None = None

    def say(self, text: str) -> None:
        self._terminal.say(text)

    def note(self, text: str) -> None:
        self._terminal.note(text)

    async def offer(self, why: str, url: str, code: str | None = None) -> None:
        await self._terminal.offer(why, url, code)
        self.offers.append(url)
        if _has_desktop():
            await asyncio.to_thread(webbrowser.open, url)
        if self.errand is not None:
            await self.errand(url, code)

    async def prompt(self, suggestion: str | None) -> None:
        """Let the person talk with the assistant until they press Enter alone, which says the suggestion."""
        if not sys.stdin.isatty():
            self._terminal.heard(suggestion or "")
            return
        while said := await _typed(f"  you    {self._terminal.ink.quiet(f'[{suggestion}] ' if suggestion else '')}"):
            if self.hear is not None:
                await self.hear(said)


async def _typed(prompt: str) -> str:
    """Read a line without a thread, which would keep the process alive after Ctrl-C."""
    print(prompt, end="", flush=True)
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin, read)
    try:
        return (await line).strip()
    finally:
        loop.remove_reader(sys.stdin)


def _has_desktop() -> bool:
    """Tell whether a browser would open in a window of its own, and not take the terminal over."""
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))

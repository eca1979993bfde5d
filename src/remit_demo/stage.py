"""Who takes part in the story, and what a step of it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from remit_demo.ada import Ada, Errand
from remit_demo.agent.assistant import Assistant
from remit_demo.agent.screen import Screen
from remit_demo.world import World


class StoryBroken(Exception):
    """A line of the story did not hold."""


class Audience(Screen, Protocol):
    """A screen that remembers which links it offered, and can have one followed."""

    offers: list[str]
    errand: Errand | None

    async def prompt(self, suggestion: str) -> None:
        """Return when the person is ready to say the suggestion."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Who takes part. Without ``ada`` a real person reads and clicks, and the story only watches what comes of it."""

    world: World
    assistant: Assistant
    screen: Audience
    ada: Ada | None

    async def say(self, sentence: str, tool: str | None, errand: Errand | None = None) -> str:
        """Say something to the assistant; ``errand`` is what Ada does with the link that it may offer.

        Returns:
            what ``tool`` found, whatever words the planner then put it in; for ``None`` those words.

        Raises:
            StoryBroken: another tool ran, or none.
        """
        await self.screen.prompt(sentence)
        self.screen.errand = errand
        done = len(self.assistant.done)
        answer = await self.assistant.hear(sentence)
        used = [call.name for call, _ in self.assistant.done[done:]]
        holds(used == ([] if tool is None else [tool]), f"{sentence!r} made the assistant use {used or 'nothing'}")
        return answer if tool is None else self.assistant.done[-1][1]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its number in the story, its title, and what it does."""

    number: int
    title: str
    play: Callable[[Stage], Awaitable[str]]


def holds(condition: bool, otherwise: str) -> None:
    """Insist on a line of the story.

    Raises:
        StoryBroken: it did not hold; says what happened instead.
    """
    if not condition:
        raise StoryBroken(otherwise)

"""What an assistant does next: the protocol that a script and a model both speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that the assistant can do; ``parameters`` is a JSON Schema of the arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The planner wants a tool to run."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Final:
    """The planner is done, and says this to the person."""

    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation. A tool's answer names the call that it answers."""

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    call: ToolCall | None = field(default=None)


class Planner(Protocol):
    """Decides the next step of a conversation."""

    label: str
    """How the assistant introduces it, truthfully."""

    async def plan(self, messages: Sequence[Message], tools: Sequence[Tool]) -> ToolCall | Final:
        """Return the next step.

        Args:
            messages: the conversation so far, oldest first.
            tools: what may be called.
        """
        ...

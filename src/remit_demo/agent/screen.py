"""What the person sees: the terminal, calm and readable."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Protocol, TextIO

_WIDTH = 88
_INDENT = " " * 9


class Screen(Protocol):
    """Where an assistant speaks, and shows links that its person should open."""

    def say(self, text: str) -> None:
        """Show what the assistant says."""
        ...

    def note(self, text: str) -> None:
        """Show what the assistant is doing, more quietly."""
        ...

    async def offer(self, why: str, url: str, code: str | None = None) -> None:
        """Show a link, and the code that must be the same on its page."""
        ...


class Ink:
    """ANSI colours for a terminal, and nothing for a pipe or when NO_COLOR is set (no-color.org)."""

    def __init__(self, stream: TextIO) -> None:
        self._on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def strong(self, text: str) -> str:
        """Return ``text`` in bold."""
        return self._paint("1", text)

    def quiet(self, text: str) -> str:
        """Return ``text`` dimmed."""
        return self._paint("2", text)

    def good(self, text: str) -> str:
        """Return ``text`` in green."""
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """Return ``text`` in red."""
        return self._paint("31", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text


class Terminal:
    """The :class:`Screen` of a person at a terminal."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self.ink = Ink(stream)

    def heading(self, text: str) -> None:
        """Open a chapter."""
        self._write(f"\n{self.ink.strong(text)}")

    def heard(self, text: str) -> None:
        """Show what the person said."""
        self._block(self.ink.quiet("you  "), text)

    def say(self, text: str) -> None:
        """See :class:`Screen`."""
        self._block(self.ink.good("agent"), text)

    def note(self, text: str) -> None:
        """See :class:`Screen`."""
        self._write(f"{_INDENT}{self.ink.quiet(text)}")

    def outcome(self, text: str) -> None:
        """Close a chapter with what came of it."""
        self._block(self.ink.good("  ok "), text)

    async def offer(self, why: str, url: str, code: str | None = None) -> None:
        """See :class:`Screen`."""
        self._block(self.ink.good("agent"), why)
        if code:
            self._write(f"{_INDENT}code  {self.ink.strong(code)}")
        self._write(f"{_INDENT}open  {url}")

    def _block(self, who: str, text: str) -> None:
        lines = [piece for line in text.splitlines() for piece in textwrap.wrap(line, _WIDTH - len(_INDENT)) or [""]]
        self._write(f"  {who}  {lines[0] if lines else ''}")
        for line in lines[1:]:
            self._write(f"{_INDENT}{line}")

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

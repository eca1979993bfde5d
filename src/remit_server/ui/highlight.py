"""A model in OpenFGA's language, cut into what is drawn in one colour each. It colours; it judges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from remit_server.ui.views.relations import Span

# A text that nothing ends goes on to the end of its line, so that nobody looks for its end again from each quote in it.
_PIECES: Final = re.compile(
    r"""(?P<note>(?:^|(?<=\s))\#.*)|(?P<text>"(?:[^"\\]|\\.)*(?:"|\\?$)|'(?:[^'\\]|\\.)*(?:'|\\?$))|(?P<name>[^\W\d][\w./-]*)|\s+|.""",
    re.VERBOSE,
)
_BEGIN: Final = frozenset({"model", "module", "extend", "schema", "type", "relations", "define", "condition"})
_BETWEEN: Final = frozenset({"or", "and", "but", "not", "from", "with"})
_NAMES: Final = frozenset({"type", "define", "condition", "module"})
"""Words after which a name is defined."""

Kind = Literal["", "word", "name", "type", "note", "text"]


def spans(text: str) -> tuple[tuple[Span, ...], ...]:
    """The text, line by line; put together again it is what it was."""
    body = 0  # how many braces are open: inside a condition stands another language
    lines = []
    for line in text.splitlines():
        drawn = tuple(_joined(_line(line, body)))
        body += sum(span.text.count("{") - span.text.count("}") for span in drawn if span.kind not in {"note", "text"})
        lines.append(drawn)
    return tuple(lines)


def _line(line: str, body: int) -> Iterator[Span]:
    before, bracket = "", False
    for found in _PIECES.finditer(line):
        piece, kind = found[0], found.lastgroup or ""
        if kind == "name":
            drawn: Kind = "" if body else _name(piece, before, bracket=bracket)
            before = piece
        else:
            drawn = kind  # type: ignore[assignment]
            bracket = piece == "[" or (bracket and piece != "]")
            before = before if piece.isspace() else piece
        yield Span(text=piece, kind=drawn)


def _name(piece: str, before: str, *, bracket: bool) -> Kind:
    if before in _NAMES:
        return "name"
    if (piece in _BEGIN and before in {"", "extend"}) or (piece in _BETWEEN and before):
        return "word"
    return "type" if bracket and before not in {"#", "with"} else ""


def _joined(pieces: Iterator[Span]) -> Iterator[Span]:
    """Neighbours of one kind as one."""
    held: Span | None = None
    for piece in pieces:
        if held is not None and held.kind == piece.kind:
            held = Span(text=held.text + piece.text, kind=held.kind)
        else:
            if held is not None:
                yield held
            held = piece
    if held is not None:
        yield held

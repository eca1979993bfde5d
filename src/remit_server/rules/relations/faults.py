"""What is wrong with a model, and where in its text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from remit_server.errors import ConfigurationError

Place = tuple[str, ...]
"""What stands somewhere: `(type,)`, `(type, relation)`, `(type, relation, what is written there)`; `("",)` is the schema,
`("", condition)` a condition, `("", "extend", type)` an extension."""


_LONGEST: Final = 300
"""Characters of a fault that are told: it quotes what somebody wrote."""


class Span(NamedTuple):
    """Lines and columns count from 1; `end` is the column after the last character."""

    line: int
    column: int
    end: int
    file: str = ""

    def __str__(self) -> str:
        return ":".join([self.file, str(self.line), str(self.column)][not self.file :])


class Fault(NamedTuple):
    code: str
    """`syntax`, or what OpenFGA's language calls an error of this type: `missing-definition`."""
    text: str
    symbol: str = ""
    """The word that is at fault."""
    place: Place = ()
    span: Span | None = None
    harmless: bool = False
    """Whether such a model still means something: whoever writes it is told, a server takes it."""


class Faulty(ConfigurationError):
    """A model with faults: all that were found, in the order of the text."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        first, more = faults[0], len(faults) - 1
        text = first.text if len(first.text) <= _LONGEST else first.text[:_LONGEST] + "..."
        where = str(first.span) if first.span else None
        super().__init__(f"{text} (and {more} more)" if more else text, where=where)
        self.faults = tuple(faults)


def placed(faults: Iterable[Fault], places: Mapping[Place, Span]) -> list[Fault]:
    """The faults, each with the span of its place, or of what that is a part of."""
    return [
        fault if fault.span else fault._replace(span=places.get(fault.place) or places.get(fault.place[:2]))
        for fault in faults
    ]

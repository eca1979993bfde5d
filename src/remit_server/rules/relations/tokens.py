"""The words of the modelling language, and the gaps between them, which mean something too.

A line's end is one token with the blank and commented lines after it and the indentation of the next. A `#` begins a comment
at the start of a line or after white space (`group#member` has none), `//` anywhere outside a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from remit_server.rules.relations.faults import Fault, Faulty, Span

OPERATORS: Final = frozenset({"or", "and", "but not"})
WORDS: Final = OPERATORS | {"from", "with", "relations", "define", "condition", "in", "true", "false", "null"}
"""What nothing can be named. `model`, `schema`, `type`, `relation`, `module` and `extend` are names where no keyword stands."""

_COMMENT: Final = r"(?:(?<!\S)\#|//)[^\n]*"
_TOKEN: Final = re.compile(
    rf"""(?P<line> (?: [ \t\f]* (?:{_COMMENT})? \n)+ [ \t\f]*)
    | (?P<space> [ \t\f]+)
    | (?P<string> [bB]?[rR] (?: \"{{3}}[\s\S]*?\"{{3}} | '{{3}}[\s\S]*?'{{3}} | "[^"\n]*" | '[^'\n]*')
        | [bB]? (?: \"{{3}}(?:\\[\s\S]|[^\\])*?\"{{3}} | '{{3}}(?:\\[\s\S]|[^\\])*?'{{3}}
            | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'))
    | (?P<number> 0x[0-9a-fA-F]+[uU]? | (?:\d+\.\d+|\.\d+|\d+(?=[eE][-+\d]))(?:[eE][-+]?\d+)? | \d+[uU]?)
    | (?P<name> but\ not\b | [A-Za-z_](?:[/.]?[A-Za-z0-9_]|-)*)
    | (?P<mark> && | \|\| | [=!<>]= | [\[\](){{}}:,\#*<>.!?+/%-])""",
    re.ASCII | re.VERBOSE,
)


class Token(NamedTuple):
    kind: str
    """`name`, `number`, `string`, `mark`, `space`, `line` or `end`."""
    text: str
    span: Span


def tokens(text: str) -> Iterator[Token]:
    """The tokens, with their places; the last is the end. Raises `Faulty` for a character without meaning."""
    text = text.replace("\r\n", "\n").rstrip() + "\n"
    at, line, begun = 0, 1, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        column = at - begun + 1
        if found is None:
            span = Span(line, column, column + 1)
            raise Faulty([Fault("syntax", f"{text[at]!r} has no meaning here", text[at], span=span)])
        word = found.group()
        kind, at = str(found.lastgroup), found.end()
        breaks, last = word.count("\n"), word.rfind("\n") + 1
        shown = "\n" * breaks + word[last:] if kind == "line" else word
        yield Token(kind, shown, Span(line, column, column + len(shown)))
        if breaks:
            line, begun = line + breaks, found.start() + last
    yield Token("end", "", Span(line, at - begun + 1, at - begun + 1))

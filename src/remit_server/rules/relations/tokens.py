"""The words of the modelling language, and the gaps between them, which mean something too.

A line's end is one token with the blank and commented lines after it and the indentation of the next. A `#` begins a comment
at the start of a line or after white space (`group#member` has none), `//` anywhere outside a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, NoReturn

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


class Cursor:
    """Where a reader stands in the tokens, and what it has found at fault."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = list(tokens)
        self._at = 0
        self._faults: list[Fault] = []

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    @property
    def _after(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._here
        if token.kind != "end":
            self._at += 1
        return token

    def _skip(self, kind: str) -> None:
        if self._here.kind == kind:
            self._next()

    def _gap(self) -> None:
        """White space, over line ends too."""
        while self._here.kind in {"space", "line"}:
            self._next()

    def _begins(self, *words: str) -> bool:
        """Whether the next line begins with one of these words."""
        return self._here.kind == "line" and self._after.text in words

    def _begin(self, word: str, otherwise: str) -> None:
        if not self._begins(word):
            self._gap()
            self._wrong(otherwise)
        self._line()

    def _line(self) -> str:
        """The word that the next line begins with, taken."""
        self._next()
        return self._next().text

    def _space(self) -> None:
        if self._here.kind != "space":
            self._wrong("a space is expected, and what it parts from this")
        self._next()

    def _expect(self, text: str, *, gap: bool = False) -> Token:
        if gap:
            self._skip("space")
        if self._here.text != text:
            self._wrong(f"`{text}` is expected")
        return self._next()

    def _name(self, what: str, *, plain: bool = False) -> Token:
        if self._here.kind != "name" or self._here.text in WORDS:
            self._wrong(f"{what} is expected")
        if plain and not {"/", "."}.isdisjoint(self._here.text):
            self._wrong(f"{what} is not written `{self._here.text}`: without `/` and `.`")
        return self._next()

    def _fault(self, text: str, token: Token) -> None:
        self._faults.append(Fault("syntax", text, token.text, span=token.span))

    def _wrong(self, text: str) -> NoReturn:
        self._fault(text, self._here)
        raise Faulty(self._faults)

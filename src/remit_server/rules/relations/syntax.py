"""OpenFGA's modelling language, schema 1.1: text in, JSON form out, and where in the text each name stands.

Grammar, by recursive descent over the tokens of the whole text:

    model       = "model" "schema" "1.1" type*
    type        = "type" name ["relations" define+]
    define      = "define" name ":" expression
    expression  = operand [("or" operand)+ | ("and" operand)+ | "but" "not" operand]
    operand     = "[" restriction ("," restriction)* "]" | "(" expression ")" | name ["from" name]
    restriction = name ["#" name | ":" "*"]

`model`, `type`, `relations` and `define` begin a line; outside brackets an expression ends with its line. A `#` begins a
comment at the start of a line or after a space (`group#member` has none).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from remit_server.errors import ConfigurationError

Place = tuple[str, ...]
"""What stands somewhere: (type,), (type, relation), or (type, relation, what it names)."""
LARGEST: Final = 256 * 1024
DEEPEST: Final = 32
_TOKEN = re.compile(r"(?P<name>[A-Za-z_0-9][\w./-]*)|(?P<mark>[\[\]():,#*{}<>])", re.ASCII)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_OPERATORS = frozenset({"or", "and", "but"})
_RESERVED = frozenset({"self", "this"})
_WORDS = _OPERATORS | {"not", "from", "with"}


class Token(NamedTuple):
    text: str
    line: int
    column: int
    first: bool
    """Whether it begins its line."""
    mark: bool


class Parsed(NamedTuple):
    model: dict[str, Any]
    places: Mapping[Place, str]
    """Where each name stands, as `line:column` from 1."""


def tokens(text: str) -> Iterator[Token]:
    """The tokens, each knowing its place; an empty one stands for the end."""
    line, raw = 0, ""
    for line, raw in enumerate(text.split("\n"), 1):
        code, at, first = _COMMENT.sub("", raw).rstrip(), 0, True
        while at < len(code):
            if code[at].isspace():
                at += 1
                continue
            found = _TOKEN.match(code, at)
            if found is None:
                raise _fault(f"{code[at]!r} has no meaning here", f"{line}:{at + 1}")
            yield Token(found.group(), line, at + 1, first, found.lastgroup == "mark")
            at, first = found.end(), False
    yield Token("", line, len(raw) + 1, True, True)


def read(text: str) -> Parsed:
    """The model as JSON. Raises `ConfigurationError` with `line:column`."""
    if len(text) > LARGEST:
        raise ConfigurationError(f"a model has at most {LARGEST // 1024} KiB")
    return _Reader(text).model()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0
        self._places: dict[Place, str] = {}
        self._type = self._relation = ""
        self._direct: list[dict[str, Any]] | None = None
        self._operated: Token | None = None

    def model(self) -> Parsed:
        self._begin("model", "a model begins with `model`, then `schema 1.1`")
        self._begin("schema", "after `model` comes `schema 1.1`")
        version = self._next()
        if version.text == "1.2":
            self._wrong("schema 1.2 (modules) is not supported: write schema 1.1", version)
        if version.text != "1.1":
            self._wrong("the schema must be 1.1", version)
        types: list[dict[str, Any]] = []
        while self._here.text:
            if self._here.first and self._here.text == "condition":
                self._wrong("conditions are not supported")
            self._begin("type", "here a `type` begins")
            types.append(self._definition())
        return Parsed({"schema_version": "1.1", "type_definitions": types}, self._places)

    def _definition(self) -> dict[str, Any]:
        token = self._name("a type")
        self._type = token.text
        self._mark((token.text,), token)
        relations: dict[str, Any] = {}
        direct: dict[str, Any] = {}
        if self._here.first and self._here.text == "relations":
            self._next()
            while self._here.first and self._here.text == "define":
                self._next()
                name = self._name("a relation")
                self._relation, self._direct = name.text, None
                self._mark((self._type, name.text), name)
                self._expect(":")
                relations[name.text] = self._expression(0)
                direct[name.text] = {"directly_related_user_types": self._direct or []}
                if not self._here.first:
                    self._wrong("the line should end here")
            if not relations:
                self._wrong("after `relations` comes at least one `define`")
        return {"type": self._type, "relations": relations, "metadata": {"relations": direct} if relations else None}

    def _expression(self, depth: int) -> dict[str, Any]:
        if depth > DEEPEST:
            self._wrong(f"parentheses stand at most {DEEPEST} deep")
        first = self._operand(depth)
        operator = self._operator(depth)
        if operator is None:
            return first
        if operator == "but":
            return {"difference": {"base": first, "subtract": self._last(self._operand(depth), depth)}}
        children = [first, self._operand(depth)]
        while (another := self._operator(depth)) == operator:
            children.append(self._operand(depth))
        if another is not None:
            self._mixed()
        return {"union" if operator == "or" else "intersection": {"child": children}}

    def _last(self, operand: dict[str, Any], depth: int) -> dict[str, Any]:
        if self._operator(depth) is not None:
            self._mixed()
        return operand

    def _mixed(self) -> NoReturn:
        self._wrong("`or`, `and` and `but not` need parentheses when they meet", self._operated)

    def _operator(self, depth: int) -> str | None:
        """The next operator, taken; None where the expression ends."""
        token = self._here
        if token.text not in _OPERATORS or (token.first and not depth):
            return None
        self._operated = self._next()
        if token.text == "but":
            self._expect("not")
        return token.text

    def _operand(self, depth: int) -> dict[str, Any]:
        token = self._here
        if token.first and not depth:
            self._wrong("an expression is expected before the line ends", token)
        if token.text == "[":
            self._next()
            self._restrictions(token)
            return {"this": {}}
        if token.text == "(":
            self._next()
            inner = self._expression(depth + 1)
            self._expect(")")
            return inner
        name = self._name("a relation, `[` or `(`", words=False)
        self._mark((self._type, self._relation, name.text), name)
        if self._here.text != "from" or (self._here.first and not depth):
            return {"computedUserset": {"relation": name.text}}
        self._next()
        source = self._name("a relation", words=False)
        self._mark((self._type, self._relation, source.text), source)
        return {"tupleToUserset": {"tupleset": {"relation": source.text}, "computedUserset": {"relation": name.text}}}

    def _restrictions(self, opened: Token) -> None:
        if self._direct is not None:
            self._wrong("a relation has one list of types", opened)
        self._direct = [self._restriction()]
        while self._here.text == ",":
            self._next()
            self._direct.append(self._restriction())
        self._expect("]")

    def _restriction(self) -> dict[str, Any]:
        token = self._name("a type")
        found: dict[str, Any] = {"type": token.text}
        if self._here.text == "#":
            self._next()
            found["relation"] = self._name("a relation").text
        elif self._here.text == ":":
            self._next()
            self._expect("*")
            found["wildcard"] = {}
        if self._here.text == "with":
            self._wrong("conditions are not supported")
        self._mark((self._type, self._relation, written(found)), token)
        return found

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._here
        if token.text:
            self._at += 1
        return token

    def _begin(self, word: str, otherwise: str) -> None:
        if self._here.text != word or not self._here.first:
            self._wrong(otherwise)
        self._next()

    def _expect(self, text: str) -> None:
        if self._here.text != text:
            self._wrong(f"`{text}` is expected")
        self._next()

    def _name(self, what: str, *, words: bool = True) -> Token:
        token = self._here
        if not token.text or token.mark or (not words and token.text in _WORDS):
            self._wrong(f"{what} is expected")
        if token.text in _RESERVED:
            self._wrong(f"`{token.text}` is reserved")
        if len(token.text) > (50 if what != "a type" else 254):
            self._wrong("this name is too long")
        return self._next()

    def _mark(self, place: Place, token: Token) -> None:
        """Remember where a name stands. What is defined is defined once."""
        if len(place) < 3 and place in self._places:
            self._wrong(f"`{place[-1]}` is defined twice", token)
        self._places.setdefault(place, f"{token.line}:{token.column}")

    def _wrong(self, text: str, token: Token | None = None) -> NoReturn:
        token = token or self._here
        raise _fault(text, f"{token.line}:{token.column}")


def written(restriction: Mapping[str, Any]) -> str:
    """A restriction as the language writes it: `user`, `user:*`, `group#member`."""
    if restriction.get("relation"):
        return f"{restriction['type']}#{restriction['relation']}"
    return f"{restriction['type']}:*" if "wildcard" in restriction else str(restriction["type"])


def _fault(text: str, where: str) -> ConfigurationError:
    return ConfigurationError(text, where=where)

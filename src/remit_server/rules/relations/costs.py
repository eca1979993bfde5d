"""What it may cost to evaluate a condition, from its checked expression and the sizes of its values.

CEL always ends, but 512 bytes of it can ask for years: each `.map(x, x + x)` doubles a text. The runtime bounds nothing but
iterations, and cannot be interrupted. So the cost is bounded beforehand, from above: one unit is about 30 ns (ADR 21).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

DEAREST: Final = 100_000
"""Units that one evaluation may cost; about 3 ms."""

_LETTERS: Final = 64  # of a text that are handled within a unit
_CALLBACK: Final = 300  # a function that is written in Python
_PLAIN, _CLASS, _UNICODE = 30, 80, 35_000  # to compile a letter, a class such as `[a-z]`, one such as `\pL`
_SMALL: Final = 64  # units of a value


class Size(NamedTuple):
    whole: float
    """Units to walk through the value: one for each element, one for 64 letters."""
    part: float = 0
    """Of its largest element."""
    wild: bool = False
    """Whether a text in it, as a regular expression, could be larger than it looks."""


Sizes = Mapping[str, Size]
_Bound = Callable[[Sizes], tuple[float, Size]]
_Message = Mapping[int, list[Any]]

_SCALAR: Final = Size(0)
_TELLING: Final = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_", "@in", "@not_strictly_false",
                   "contains", "startsWith", "endsWith", "matches", "in_cidr", "size"}  # fmt: skip
_COUNTING: Final = {"_+_", "_-_", "_*_", "_/_", "_%_", "-_"}  # of two texts or lists, the first is no longer than both


def size(value: object) -> Size:
    match value:
        case str():
            return Size(len(value) / _LETTERS, 0, "\\" in value or "{" in value)
        case bytes():
            return Size(len(value) / _LETTERS)
        case list():
            return _gathering([size(each) for each in value])
        case dict():
            return _gathering([size(each) for pair in value.items() for each in pair])
    return _SCALAR


def _gathering(parts: list[Size]) -> Size:
    wholes = [part.whole for part in parts]
    return Size(len(wholes) + sum(wholes), max(wholes, default=0), any(part.wild for part in parts))


def affordable(checked: bytes, names: Collection[str]) -> Callable[[Mapping[str, object]], bool]:
    """Whether the evaluation with such values costs no more than it may.

    `checked` is a `cel.expr.CheckedExpr` in a `google.protobuf.Any`, both serialized; `names` are the parameters.
    """
    walk = _node(_read(_read(_read(checked)[2][0])[4][0]))
    small = walk(dict.fromkeys(names, Size(_SMALL, _SMALL, wild=True)))[0] <= DEAREST

    def judge(values: Mapping[str, object]) -> bool:
        sizes = {name: size(value) for name, value in values.items() if isinstance(value, str | bytes | list | dict)}
        if small and all(each.whole <= _SMALL for each in sizes.values()):
            return True
        return walk(sizes)[0] <= DEAREST  # which is false for what is not even a number

    return judge


def _node(node: _Message) -> _Bound:
    """A function from the sizes of names to what a node costs and the size of its value; fields as in cel.expr.Expr."""
    for field, read in ((3, _constant), (4, _name), (5, _select), (6, _call), (7, _list),
                        (8, _struct), (9, _loop)):  # fmt: skip
        if field in node:
            return read(_read(node[field][0]))
    return lambda _: (0, _SCALAR)


def _nodes(raw: list[bytes]) -> list[_Bound]:
    return [_node(_read(each)) for each in raw]


def _constant(constant: _Message) -> _Bound:
    texts = [text.decode(errors="replace") for field in (6, 7) for text in constant.get(field, ())]
    found = size(texts[0]) if texts else _SCALAR
    return lambda _: (0, found)


def _name(name: _Message) -> _Bound:
    key = name[1][0].decode()
    return lambda sizes: (0, sizes.get(key, _SCALAR))


def _select(select: _Message) -> _Bound:
    operand = _node(_read(select[1][0]))

    def walk(sizes: Sizes) -> tuple[float, Size]:
        cost, of = operand(sizes)
        return cost + 1, Size(of.part, of.part, of.wild)

    return walk


def _call(call: _Message) -> _Bound:
    function = call[2][0].decode()
    arguments = _nodes([*call.get(1, ()), *call.get(3, ())])
    pattern = _pattern(call[3][-1]) if function == "matches" else None

    def walk(sizes: Sizes) -> tuple[float, Size]:
        costs, given = zip(*(argument(sizes) for argument in arguments), strict=True)
        wholes = [each.whole for each in given]
        part, wild = max(each.part for each in given), any(each.wild for each in given)
        cost = 1 + sum(costs)
        if function == "_[_]":
            return cost, Size(given[0].part, given[0].part, given[0].wild)
        if function == "_?_:_":
            return cost, Size(max(wholes), part, wild)
        cost += sum(wholes)
        if function == "matches":
            cost += pattern.cost(wholes[0]) if pattern else _unknown(given[1]).cost(wholes[0])
        elif function == "contains":
            cost += wholes[0] * wholes[1]
        elif function in {"in_cidr", "ipaddress"}:
            cost += _CALLBACK
        if function in _TELLING:
            return cost, _SCALAR
        return cost, Size(sum(wholes) + (function not in _COUNTING), part, wild)

    return walk


def _list(list_: _Message) -> _Bound:
    return _gathered(_nodes(list_.get(1, [])))


def _struct(struct: _Message) -> _Bound:
    entries = [_read(entry) for entry in struct.get(2, ())]
    return _gathered(_nodes([part for entry in entries for field in (3, 4) for part in entry.get(field, ())]))


def _loop(loop: _Message) -> _Bound:
    names = [loop[field][0].decode() for field in (1, 8) if field in loop]
    gathered = loop[3][0].decode()
    range_, start, going, step, result = _nodes([loop[field][0] for field in (2, 4, 5, 6, 7)])

    def walk(sizes: Sizes) -> tuple[float, Size]:
        cost, over = range_(sizes)
        times = over.whole
        begun, first = start(sizes)
        inner = {**sizes, **dict.fromkeys(names, Size(over.part, over.part, over.wild)), gathered: _SCALAR}
        turn, grown = step(inner)  # a macro only ever adds to what it gathers, so this is what each turn adds
        end = Size(first.whole + times * grown.whole, max(first.part, grown.part), first.wild or grown.wild)
        ended = {**inner, gathered: end}
        # Each turn copies what was gathered so far.
        return cost + begun + times * (3 + turn + going(inner)[0] + end.whole) + result(ended)[0], result(ended)[1]

    return walk


def _gathered(parts: list[_Bound]) -> _Bound:
    def walk(sizes: Sizes) -> tuple[float, Size]:
        found = [part(sizes) for part in parts]
        return 1 + sum(cost for cost, _ in found), _gathering([each for _, each in found])

    return walk


class _Pattern(NamedTuple):
    """A regular expression, which RE2 compiles each time, and runs in one step for each instruction and letter."""

    instructions: float
    compiling: float

    def cost(self, text: float) -> float:
        return 1000 + self.compiling + text * _LETTERS * self.instructions


_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|.", re.DOTALL)


def _pattern(node: bytes) -> _Pattern | None:
    """Of a constant; else None."""
    texts = _read(_read(node).get(3, [b""])[0]).get(6)
    if not texts:
        return None
    open_, last = [_Pattern(1, 0)], _Pattern(0, 0)
    for token in _TOKEN.finditer(texts[0].decode()):
        match token[0][0]:
            case "(":
                open_.append(_Pattern(1, _PLAIN))
                continue
            case ")" if len(open_) > 1:
                last = open_.pop()
            case "{" if token[1]:
                times = max(int(token[1]), int(token[2] or 0), 1) - 1
                last = _Pattern(last.instructions * times, last.compiling * times)
            case _:
                last = _Pattern(1, _token(token[0]))
        open_[-1] = _Pattern(open_[-1].instructions + last.instructions, open_[-1].compiling + last.compiling)
    return _Pattern(sum(each.instructions for each in open_), sum(each.compiling for each in open_))


def _token(token: str) -> float:
    if "\\p" in token or "\\P" in token:
        return _UNICODE
    return _CLASS if token[0] in ".[\\" else _PLAIN


def _unknown(text: Size) -> _Pattern:
    letters = text.whole * _LETTERS
    return _Pattern(1 + letters, float("inf") if text.wild else letters * _CLASS)


def _read(raw: bytes) -> _Message:
    """A message of Protocol Buffers: the values of each field, by its number."""
    found: dict[int, list[Any]] = {}
    for field, value in _fields(raw):
        found.setdefault(field, []).append(value)
    return found


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        if tag & 7 == 0:
            value, at = _varint(raw, at)
            yield tag >> 3, value
            continue
        length, at = (8, at) if tag & 7 == 1 else (4, at) if tag & 7 == 5 else _varint(raw, at)
        yield tag >> 3, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Seven bits of each byte, the least first, up to one that has not its eighth; and the place after it."""
    value = shift = 0
    while raw[at] & 0x80:
        value |= (raw[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | raw[at] << shift, at + 1

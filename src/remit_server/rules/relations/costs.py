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
_REPEATED: Final = 200  # instructions that a letter of a regular expression can stand for: RE2 takes `x{1000}`
_SMALL: Final = 64  # units of a value


class Size(NamedTuple):
    whole: float
    """Units to walk through the value: one for each element, one for 64 letters."""
    part: float = 0
    """Of its largest element."""


Sizes = Mapping[str, Size]
_Bound = Callable[[Sizes], tuple[float, Size]]
_Message = Mapping[int, list[Any]]

_SCALAR: Final = Size(0)
_TELLING: Final = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_", "@in", "@not_strictly_false",
                   "contains", "startsWith", "endsWith", "matches", "in_cidr", "size"}  # fmt: skip
_COUNTING: Final = {"_+_", "_-_", "_*_", "_/_", "_%_", "-_"}  # of two texts or lists, the first is no longer than both


def size(value: object) -> Size:
    match value:
        case str() | bytes():
            return Size(len(value) / _LETTERS)
        case list():
            parts = [size(each).whole for each in value]
        case dict():
            parts = [size(each).whole for pair in value.items() for each in pair]
        case _:
            return _SCALAR
    return Size(len(parts) + sum(parts), max(parts, default=0))


def affordable(checked: bytes, names: Collection[str]) -> Callable[[Mapping[str, object]], bool]:
    """Whether the evaluation with such values costs no more than it may.

    `checked` is a `cel.expr.CheckedExpr` in a `google.protobuf.Any`, both serialized; `names` are the parameters.
    """
    walk = _node(_read(_read(_read(checked)[2][0])[4][0]))
    small = walk(dict.fromkeys(names, Size(_SMALL, _SMALL)))[0] <= DEAREST

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
    texts = [text for field in (6, 7) for text in constant.get(field, ())]
    found = size(texts[0]) if texts else _SCALAR
    return lambda _: (0, found)


def _name(name: _Message) -> _Bound:
    key = name[1][0].decode()
    return lambda sizes: (0, sizes.get(key, _SCALAR))


def _select(select: _Message) -> _Bound:
    operand = _node(_read(select[1][0]))

    def walk(sizes: Sizes) -> tuple[float, Size]:
        cost, (_, part) = operand(sizes)
        return cost + 1, Size(part, part)

    return walk


def _call(call: _Message) -> _Bound:
    function = call[2][0].decode()
    arguments = _nodes([*call.get(1, ()), *call.get(3, ())])
    letters = _instructions(call[3][0]) * _LETTERS if function == "matches" else 0

    def walk(sizes: Sizes) -> tuple[float, Size]:
        costs, given = zip(*(argument(sizes) for argument in arguments), strict=True)
        wholes = [each.whole for each in given]
        part = max(each.part for each in given)
        cost = 1 + sum(costs)
        if function == "_[_]":
            return cost, Size(given[0].part, given[0].part)
        if function == "_?_:_":
            return cost, Size(max(wholes), part)
        cost += sum(wholes)
        if function == "matches":
            text, pattern = wholes
            cost += 100 + text * (letters or pattern * _LETTERS * _LETTERS * _REPEATED)
        elif function == "contains":
            cost += wholes[0] * wholes[1]
        elif function in {"in_cidr", "ipaddress"}:
            cost += _CALLBACK
        if function in _TELLING:
            return cost, _SCALAR
        return cost, Size(sum(wholes) + (function not in _COUNTING), part)

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
        cost, (times, part) = range_(sizes)
        begun, first = start(sizes)
        inner = {**sizes, **dict.fromkeys(names, Size(part, part)), gathered: _SCALAR}
        turn, grown = step(inner)  # a macro only ever adds to what it gathers, so this is what each turn adds
        end = Size(first.whole + times * grown.whole, max(first.part, grown.part))
        ended = {**inner, gathered: end}
        # Each turn copies what was gathered so far.
        return cost + begun + times * (3 + turn + going(inner)[0] + end.whole) + result(ended)[0], result(ended)[1]

    return walk


def _gathered(parts: list[_Bound]) -> _Bound:
    def walk(sizes: Sizes) -> tuple[float, Size]:
        found = [part(sizes) for part in parts]
        wholes = [each.whole for _, each in found]
        return 1 + sum(cost for cost, _ in found), Size(len(wholes) + sum(wholes), max(wholes, default=0))

    return walk


_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|.", re.DOTALL)


def _instructions(node: bytes) -> float:
    """Of the regular expression that is a constant, at most; RE2 takes one step for each of them and each letter."""
    constant = _read(_read(node).get(3, [b""])[0])
    if 6 not in constant:
        return 0
    open_, last = [1], 0
    for token in _TOKEN.finditer(constant[6][0].decode()):
        match token[0][0]:
            case "(":
                open_.append(1)
                continue
            case ")" if len(open_) > 1:
                last = open_.pop()
            case "{" if token[1]:
                last *= max(int(token[1]), int(token[2] or 0), 1) - 1
            case _:
                last = 1
        open_[-1] += last
    return sum(open_)


def _read(raw: bytes) -> _Message:
    """A message of Protocol Buffers: the values of each field, by its number."""
    found: dict[int, list[Any]] = {}
    for field, value in _fields(raw):
        found.setdefault(field, []).append(value)
    return found


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(raw):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(tag & 7) or varint()
        yield tag >> 3, raw[at : at + length]
        at += length

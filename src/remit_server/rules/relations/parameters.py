"""The parameters of conditions: their types, and how a value of JSON becomes one of CEL.

The conversions are OpenFGA's (internal/condition/types), so that a context means the same here and there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, NamedTuple

from cel_expr_python import cel

from remit_server.errors import ConfigurationError

IP_ADDRESS: Final = cel.Type.AbstractType("IPAddress")
_DEEPEST: Final = 32  # containers within each other in one value


class Unfit(ValueError):
    """A value that is none of its parameter's type; the text says what would be one."""


class TypeRef(NamedTuple):
    """The type of a parameter: `int`, or `list` of one other."""

    name: str
    of: tuple[TypeRef, ...] = ()

    @classmethod
    def of_json(cls, value: Any, depth: int = 0) -> TypeRef:
        """From `{"type_name": "TYPE_NAME_LIST", "generic_types": [...]}`. Raises `ConfigurationError`."""
        if not isinstance(value, Mapping) or depth > _DEEPEST:
            raise ConfigurationError("the type of a parameter is an object with `type_name`")
        named = value.get("type_name") or value.get("typeName")
        name = named.removeprefix("TYPE_NAME_").lower() if isinstance(named, str) else ""
        if name not in _CEL and name not in _CONTAINERS:
            raise ConfigurationError(f"`{str(named)[:40]}` is not a type of parameter")
        generic = value.get("generic_types") or value.get("genericTypes") or []
        if not isinstance(generic, list) or len(generic) != (name in _CONTAINERS):
            raise ConfigurationError(f"`{name}` takes {'one type' if name in _CONTAINERS else 'no type'} in brackets")
        return cls(name, tuple(cls.of_json(each, depth + 1) for each in generic))

    def __str__(self) -> str:
        return f"{self.name}<{self.of[0]}>" if self.of else self.name

    def cel(self, *, checked: bool) -> cel.Type:
        """As a type of CEL. An address is a type of its own while an expression is checked, and bytes when it runs."""
        if self.of:
            return _CONTAINERS[self.name](self.of[0].cel(checked=checked))
        return cel.Type.DYN if self.name == "ipaddress" and not checked else _CEL[self.name]

    def converted(self, value: Any) -> Any:
        """A value of JSON as one of this type. Raises `Unfit`."""
        if self.name == "list" and isinstance(value, list):
            return [self.of[0].converted(each) for each in value]
        if self.name == "map" and isinstance(value, dict):
            return {_text(key): self.of[0].converted(each) for key, each in value.items()}
        if self.of:
            raise Unfit("a list" if self.name == "list" else "an object")
        return _CONVERSIONS[self.name](value)


def address(text: str) -> bytes:
    """An IP address, so that two spellings are equal. IPv4 within IPv6 is IPv4. Raises `ValueError`."""
    found = ip_address(text)
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(found).encode()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("a text")
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise Unfit("a text of Unicode") from None
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value


_DECIMAL: Final = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,3})?", re.ASCII)


def _double(value: Any) -> float:
    """A number, or one in a text."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("a number")
    return float(value) if abs(value) < 2**1023 else _infinite()


def _infinite() -> float:
    raise Unfit("a number within the range of a double")


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            number = _double(value)
            if not number.is_integer():
                raise Unfit("a whole number")
            value = int(number)
        if not least <= value <= most:
            raise Unfit(f"a whole number from {least} to {most}")
        return int(value)

    return convert


_DIGITS: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)  # RFC 3339 section 5.6  # fmt: skip


def _timestamp(value: Any) -> datetime:
    """To a microsecond; what is finer is cut off."""
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    try:
        if found:
            return datetime.fromisoformat(f"{found[1]}.{(found[2] or '0')[:6]:0<6}{found[3]}")
    except ValueError:
        pass
    raise Unfit("a timestamp (RFC 3339)")


_PART: Final = re.compile(r"(\d{1,19}(?:\.\d{0,19})?|\.\d{1,19})(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_DURATION: Final = re.compile(rf"([+-]?)(0|(?:{_PART.pattern})+)", re.ASCII)
_MICROSECONDS: Final = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1, "µs": 1, "μs": 1,
                        "ns": 0.001}  # fmt: skip
_LONGEST: Final = timedelta(microseconds=2**63 // 1000)  # 292 years in nanoseconds, as Go counts


def _duration(value: Any) -> timedelta:
    """`1h30m`, `-1.5s`, `100ms`, as Go writes them; to a microsecond."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= 100 else None
    if found:
        parts = _PART.findall(found[2])
        span = sum((_span(float(count) * _MICROSECONDS[unit]) for count, unit in parts), timedelta())
        if span <= _LONGEST:
            return -span if found[1] == "-" else span
    raise Unfit("a duration, such as 1h30m")


def _span(microseconds: float) -> timedelta:
    return timedelta(microseconds=min(microseconds, 2.0**63))


def _ipaddress(value: Any) -> bytes:
    try:
        return address(_text(value))
    except ValueError:
        raise Unfit("an IP address") from None


def _any(value: Any, depth: int = 0) -> Any:
    """Whatever JSON can say; its numbers are doubles, as the ones of Protocol Buffers' Struct."""
    if depth > _DEEPEST:
        raise Unfit(f"nested at most {_DEEPEST} deep")
    match value:
        case str():
            return _text(value)
        case None | bool():
            return value
        case int() | float():
            return _double(value)
        case list():
            return [_any(each, depth + 1) for each in value]
        case dict():
            return {_text(key): _any(each, depth + 1) for key, each in value.items()}
    raise Unfit("a value of JSON")


_CEL: Final[dict[str, cel.Type]] = {
    "any": cel.Type.DYN,
    "bool": cel.Type.BOOL,
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "duration": cel.Type.DURATION,
    "timestamp": cel.Type.TIMESTAMP,
    "ipaddress": IP_ADDRESS,
}
_CONTAINERS: Final[dict[str, Callable[[cel.Type], cel.Type]]] = {
    "list": cel.Type.List,
    "map": lambda of: cel.Type.Map(cel.Type.STRING, of),
}
_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "any": _any,
    "bool": _bool,
    "string": _text,
    "int": _whole(-(2**63), 2**63 - 1),
    "uint": _whole(0, 2**64 - 1),
    "double": _double,
    "duration": _duration,
    "timestamp": _timestamp,
    "ipaddress": _ipaddress,
}

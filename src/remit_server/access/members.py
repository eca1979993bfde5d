"""The members of a request's JSON, read as OpenFGA reads them: null is absent, what is not known is ignored, and what is of
another kind than it should be is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar

from remit_server.access.refusals import InvalidType, PageSizeInvalid
from remit_server.errors import InvalidRequest
from remit_server.wire.form import parse_json
from remit_server.wire.http import Request

T = TypeVar("T")
LARGEST: Final = 1024 * 1024
"""Bytes of a request. A batch with contextual tuples is larger than anything that the rest of the house takes."""


class Form(NamedTuple):
    """What a text looks like. White space is that of OpenFGA's patterns, where it has five characters; NUL is no part of any
    text, because not every database could keep it."""

    pattern: re.Pattern[str]
    said: str
    refusal: type[InvalidRequest] = InvalidRequest


def form(pattern: str, said: str, refusal: type[InvalidRequest] = InvalidRequest) -> Form:
    return Form(re.compile(pattern.replace("~", r"\t\n\f\r \0")), said, refusal)


ID: Final = form("[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}", "a ULID")
TYPE: Final = form("[^:#@~]{1,254}", "1 to 254 characters without white space, `:`, `#` and `@`", InvalidType)
RELATION: Final = form("[^:#@~]{1,50}", "1 to 50 characters without white space, `:`, `#` and `@`")
OBJECT: Final = form("[^~]{2,256}", "2 to 256 characters without white space, as `type:id`")
OBJECT_ID: Final = form(r"[^#:~]{1,256}", "1 to 256 characters without white space, `:` and `#`")
USER: Final = form(
    "[^~]{2,512}", "2 to 512 characters without white space, as `type:id`, `type:*` or `type:id#relation`"
)
NAME: Final = form(r"[a-zA-Z0-9\t\n\f\r ./^_&@-]{3,64}", "3 to 64 letters, digits, white space and ./^_&@-")
CONDITION: Final = form("[^~]{2,256}", "2 to 256 characters without white space")
CORRELATION: Final = form(r"[A-Za-z0-9_-]{1,36}", "1 to 36 letters, digits, `_` and `-`")
TOKEN: Final = form("[A-Za-z0-9_-]{1,5120}={0,2}", "a token that came with a page")


class Members:
    """The members of one object. `name` is what it is called when something is wrong with it."""

    __slots__ = ("_name", "_values")

    def __init__(self, values: Mapping[str, Any], name: str = "") -> None:
        self._values, self._name = values, name

    def __iter__(self) -> Any:
        return iter(self._values)

    def called(self, name: str = "") -> str:
        """What one of them is called, or all of them."""
        if not name:
            return self._name or "the request"
        return f"{self._name}.{name}" if self._name else name

    def text(self, name: str, form: Form, *, needed: bool = True) -> str:
        """A text of this form; where it is not needed, empty for one that is absent or empty."""
        value: str = self._of(name, str, "a text") or ""
        if (value or needed) and not form.pattern.fullmatch(value):
            raise form.refusal(f"{self.called(name)} must be {form.said}.")
        return value

    def words(self, name: str) -> str:
        """Any text; empty where it is absent."""
        return self._of(name, str, "a text") or ""

    def flag(self, name: str) -> bool:
        return self._of(name, bool, "true or false") or False

    def one_of(self, name: str, numbers: frozenset[int]) -> None:
        """A member of an enumeration, by its number; a name is not looked at, as OpenFGA ignores those it does not know."""
        value = self._values.get(name)
        if value is not None and type(value) is not str and not (type(value) is int and value in numbers):
            raise InvalidRequest(f"{self.called(name)} is not one of the values that it may have.")

    def plain(self, name: str) -> dict[str, Any]:
        """An object as it is; empty where it is absent."""
        return self._of(name, dict, "an object") or {}

    def inner(self, name: str) -> Members | None:
        value = self._of(name, dict, "an object")
        return None if value is None else Members(value, self.called(name))

    def need(self, name: str, refusal: type[InvalidRequest] = InvalidRequest) -> Members:
        """An object that must be there."""
        found = self.inner(name)
        if found is None:
            raise refusal(f"{self.called(name)} is missing.")
        return found

    def each(self, name: str, most: int | None = None, refusal: type[InvalidRequest] = InvalidRequest) -> list[Members]:
        """A list of at most so many objects; empty where it is absent."""
        values: list[Any] = self._of(name, list, "a list") or []
        if most is not None and len(values) > most:
            raise refusal(f"{self.called(name)} holds {len(values)}; the most is {most}.")
        found = []
        for place, value in enumerate(values):
            if not isinstance(value, dict):
                raise InvalidRequest(f"{self.called(name)}[{place}] must be an object.")
            found.append(Members(value, f"{self.called(name)}[{place}]"))
        return found

    def size(self, most: int) -> int | None:
        """`page_size`: a number, or one that is written as a text."""
        value = self._values.get("page_size")
        return None if value is None else page_size(value, most)

    def _of(self, name: str, kind: type[T], said: str) -> T | None:
        value = self._values.get(name)
        if value is not None and type(value) is not kind:
            raise InvalidRequest(f"{self.called(name)} must be {said}.")
        return value


def page_size(value: Any, most: int) -> int:
    """Raises `InvalidRequest` for what is no whole number, `PageSizeInvalid` for one that is no size."""
    if type(value) is str and re.fullmatch(r"-?[0-9]{1,9}", value):
        value = int(value)
    if type(value) is not int or abs(value) >= 2**31:
        raise InvalidRequest("page_size must be a whole number.")
    if not 1 <= value <= most:
        raise PageSizeInvalid(f"page_size must be 1 to {most}.")
    return value


async def members(request: Request) -> Members:
    """The body. Raises `InvalidRequest` for what is no JSON object; nothing at all is an empty one."""
    body = b"".join([piece async for piece in request.pieces(LARGEST)])
    return Members(parse_json(body) if body else {})


def store_id(request: Request) -> str:
    return path_id(request, "store_id")


def path_id(request: Request, name: str) -> str:
    """An id in the path. Raises `InvalidRequest` for what cannot be one."""
    return Members(request.params).text(name, ID)

"""Canonical JSON (RFC 8785): one text for one meaning, whoever writes it, so that a digest can name what was approved."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

EXACT = 2**53 - 1
"""The largest whole number that every JSON reader takes as it is written (RFC 7493 section 2.2)."""


def dumps(value: Any) -> bytes:
    """The one text of a JSON value, as UTF-8.

    Raises:
        TypeError: something that JSON has no form for.
        ValueError: a number or a text that readers do not agree on: NaN, infinity, a whole number beyond 2^53 - 1, half of a
            surrogate pair.
    """
    return _text(value).encode()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # escapes what section 3.2.2.2 names, and nothing else
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > EXACT:
            raise ValueError("a whole number beyond 2^53 - 1; write it as a string")
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("the names of members are strings")
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))  # section 3.2.3: by UTF-16 code units
        return "{" + ",".join(f"{_text(name)}:{_text(value[name])}" for name in names) + "}"
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _number(value: float) -> str:
    """As ECMAScript writes a double (ECMA-262, Number::toString), with the names that it uses there."""
    if not math.isfinite(value):
        raise ValueError("NaN and infinity are no JSON")
    if value == 0:
        return "0"
    sign, figures, exponent = Decimal(repr(value)).as_tuple()  # repr has the fewest digits that read back as the same
    written = "".join(map(str, figures))
    n = len(written) + int(exponent)
    s = written.rstrip("0")
    k = len(s)
    if k <= n <= 21:
        text = s.ljust(n, "0")
    elif 0 < n <= 21:
        text = f"{s[:n]}.{s[n:]}"
    elif -6 < n <= 0:
        text = "0." + "0" * -n + s
    else:
        text = s[0] + ("." + s[1:] if k > 1 else "") + f"e{n - 1:+d}"
    return "-" + text if sign else text

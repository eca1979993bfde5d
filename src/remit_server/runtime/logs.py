"""The log: JSON lines, or readable ones at a terminal. It never holds what opens anything.

The log is for operators and may be lost; what must not be lost is an event of the trail.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TextIO

import msgspec
import structlog

log = structlog.get_logger("remit")

HIDDEN: Final = "[hidden]"
_SECRET_NAME = re.compile(
    r"(?i)(?:^|[_-])(?:token|secret|password|passwd|code|cookie|authorization|assertion|ticket|verifier|pepper|jwk|dpop|proof"
    r"|csrf|auth_req_id|request_uri|private_key)(?:$|[_-])"
)
# A JWT; what follows a scheme in a header; a secret parameter in a query or a form; user information in a URL.
_SECRET_TEXT = re.compile(
    r"eyJ[\w-]+\.[\w-]*\.?[\w-]*"
    r"|(?i:\b(?:(?:bearer|dpop|basic)\s+)+)[\w+/=.~-]+"
    r"|(?i:\b(?:access_token|refresh_token|id_token|client_secret|code|state|ticket|password|code_verifier|device_code"
    r"|user_code|auth_req_id|client_assertion|assertion|subject_token|actor_token|request_uri|connect_code)="
    r"(?:(?:bearer|dpop|basic)\s+)*)[^&\s\"']+"
    r"|(?<=://)[^/\s@]+@"
)

# Whatever the pattern above finds has one of these: most values have none and need no closer look.
_SUSPICIOUS = re.compile(r"eyJ|[\s=@]")

_HARMLESS: Final = (int, float, type(None))

_encode = msgspec.json.Encoder(enc_hook=str).encode


@lru_cache(maxsize=1024)
def _names_secret(key: str) -> bool:
    return _SECRET_NAME.search(key) is not None


def redact(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide the values of keys that name secrets, and whatever looks like one inside other values."""
    for key, value in entry.items():
        if not isinstance(value, logging.LogRecord):  # structlog's own, never written
            entry[key] = hidden(key, value)
    return entry


def hidden(key: str, value: Any) -> Any:
    """The value as the log may hold it."""
    if isinstance(value, _HARMLESS):
        return value
    if _names_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return _SECRET_TEXT.sub(HIDDEN, value) if _SUSPICIOUS.search(value) else value
    if isinstance(value, dict):
        return {name: hidden(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [hidden("", item) for item in value]
    return hidden("", str(value))  # an error, a URL, bytes: whatever would be written as text is looked at as text


def _json(_: Any, __: str, entry: MutableMapping[str, Any]) -> str:
    return _encode(entry).decode()


class _Requests:
    """Where the lines of requests go. They are the most frequent by far and hold only words and numbers of ours, so they are
    written without being looked through, unless a person at a terminal reads them."""

    out: TextIO | None = None


def answered(method: str, route: str, status: int, seconds: float, trace: str | None) -> None:
    """The line of a request. `route` is the path as `routes.py` writes it, `trace` hex digits."""
    ms, out = round(seconds * 1000, 1), _Requests.out
    if out is None:
        log.info("request", method=method, route=route, status=status, ms=ms, trace=trace)
        return
    line = {
        "method": method, "route": route, "status": status, "ms": ms, "trace": trace,
        "event": "request", "level": "info", "timestamp": datetime.now(UTC),
    }  # fmt: skip
    out.write(_encode(line).decode() + "\n")
    out.flush()


def configure(level: str = "info", *, out: TextIO | None = None) -> None:
    """Send our log and the libraries' to one place: standard error unless `out` is given."""
    out = out or sys.stderr
    terminal = out.isatty()
    shared: list[Any] = [
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Any = structlog.dev.ConsoleRenderer(colors=terminal) if terminal else _json
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _Requests.out = out if not terminal and level in {"debug", "info"} else None

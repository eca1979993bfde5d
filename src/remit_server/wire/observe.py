"""What the operator sees of a request: a count, a log line, a span. Never its query, its body or its headers."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final

from remit_server.runtime import logs, metrics, traces
from remit_server.runtime.traces import Traces
from remit_server.wire.http import ROUTE, App, Receive, Scope, Send

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics", "/static/{name}"})
"""Counted, but too many to be worth a line each."""
_GONE: Final = 499
"""The client left before the answer began."""


def observed(route: str, app: App, traced: Traces) -> App:
    """The app, watched. `route` is the path as `routes.py` writes it: no id, and so no secret, gets into the log by it."""
    quiet = route in QUIET

    async def watch(scope: Scope, receive: Receive, send: Send) -> None:
        started, status = perf_counter(), _GONE
        method = scope["method"] if scope["method"] in _METHODS else "other"
        scope[ROUTE] = route

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with traced.request(method, route, _traceparent(scope)):
            try:
                await app(scope, receive, noting)
            finally:
                seconds = perf_counter() - started
                metrics.answered(route, method, status, seconds)
                if not quiet:
                    logs.answered(method, route, status, seconds, traces.current())

    return watch


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value, "latin-1")
    return None

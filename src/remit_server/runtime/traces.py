"""One id for all that a request causes: in its log line, in its events, and in its spans where a collector is configured.

The caller's `traceparent` (W3C Trace Context) is taken up; without one a fresh id is made.
"""

from __future__ import annotations

import re
import secrets
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    format_trace_id,
    set_span_in_context,
)  # fmt: skip

from remit_server.errors import ConfigurationError

_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_trace: ContextVar[str | None] = ContextVar("remit_trace", default=None)


def current() -> str | None:
    """The trace id (32 hex digits) of the request that is being answered."""
    return _trace.get()


def parent_of(header: str | None) -> SpanContext | None:
    """The caller's span, from `traceparent`; a malformed header counts as none (W3C Trace Context section 3.2)."""
    found = _PARENT.fullmatch(header) if header else None
    if not found or header is None or header.startswith("ff"):
        return None
    trace, span, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags & 1))
    return context if context.is_valid else None


class Traces:
    """Spans at the edge and around commits. Without a collector only the ids remain, which cost next to nothing."""

    def __init__(self, endpoint: str | None = None) -> None:
        """`endpoint` is the URL of an OTLP collector over HTTP. Raises `ConfigurationError` when the SDK is not installed.

        The exporter has an HTTP client of its own and does not go through `Outbound`: only the operator names this URL, and a
        collector mostly stands on the very networks that `Outbound` refuses.
        """
        self._provider: Any = None
        self._tracer: Tracer | None = None
        if endpoint is None:
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError("otlp_endpoint needs the extra: pip install 'remit[server,otel]'") from error
        self._provider = TracerProvider(resource=Resource.create({"service.name": "remit"}))
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("remit")

    def request(self, method: str, route: str, traceparent: str | None) -> AbstractContextManager[Any]:
        """The span of a request; inside it `current()` is its trace id."""
        parent = parent_of(traceparent)
        if self._tracer is None:
            _trace.set(format_trace_id(parent.trace_id) if parent else secrets.token_hex(16))
            return nullcontext()
        context = set_span_in_context(NonRecordingSpan(parent)) if parent else None
        span = self._tracer.start_as_current_span(
            f"{method} {route}", context=context, kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route},
        )  # fmt: skip
        return _Entered(span)

    def commit(self, steps: int) -> AbstractContextManager[Any]:
        """The span of one unit of writing."""
        if self._tracer is None:
            return nullcontext()
        return self._tracer.start_as_current_span("commit", attributes={"remit.steps": steps})

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()


class _Entered(AbstractContextManager[Any]):
    """A span whose id becomes the current trace while it is open."""

    def __init__(self, span: AbstractContextManager[Any]) -> None:
        self._span = span

    def __enter__(self) -> Any:
        span = self._span.__enter__()
        _trace.set(format_trace_id(span.get_span_context().trace_id))
        return span

    def __exit__(self, *failure: Any) -> bool | None:
        return self._span.__exit__(*failure)

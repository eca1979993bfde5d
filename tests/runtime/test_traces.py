"""A request's trace id reaches its events; a malformed one of the caller is not taken up."""

from __future__ import annotations

import pytest
from tests.fixtures.house import House

from remit_server.runtime.traces import Traces, current, parent_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def test_the_callers_trace_is_in_the_event(house: House) -> None:
    browser = house.browser()
    await browser.get("/login")
    browser.http.headers["traceparent"] = f"00-{TRACE}-{SPAN}-01"
    await house.sign_in("ada", browser)
    (event,) = [event for _, event in await house.store.trail.latest() if event.kind == "user.signed_in"]
    assert event.trace == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        "x" * 5000,
    ],
)
def test_without_a_sound_parent_a_fresh_id_is_made(header: str | None) -> None:
    assert parent_of(header) is None
    traces = Traces()
    with traces.request("GET", "/x", header):
        first = current()
    with traces.request("GET", "/x", header):
        assert current() != first
    assert first is not None
    assert len(first) == 32
    assert first != TRACE


def test_with_a_collector_the_span_continues_the_callers_trace() -> None:
    pytest.importorskip("opentelemetry.sdk")
    traces = Traces("http://127.0.0.1:9/")
    with traces.request("GET", "/x", f"00-{TRACE}-{SPAN}-01") as span:
        assert current() == TRACE
        assert span.parent.span_id == int(SPAN, 16)
        with traces.commit(1) as inner:
            assert inner.parent.span_id == span.get_span_context().span_id
    traces._provider._active_span_processor._span_processors[0].span_exporter.shutdown()
    traces.close()

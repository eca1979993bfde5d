"""Counts for Prometheus. What happened is counted where its event is committed, so the trail and the graphs agree.

With several workers the counts of all of them are added up through files (`PROMETHEUS_MULTIPROC_DIR`, which `remit serve`
sets before its workers start).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from remit_server.records import Event
from remit_server.storage.sql.batch import COUNTS

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
REGISTRY: Final = CollectorRegistry()

_REQUESTS = Counter("remit_requests", "Requests answered.", ("route", "method", "status"), registry=REGISTRY)
_SECONDS = Histogram(
    "remit_request_seconds", "Time to answer.", ("route",), registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)  # fmt: skip
_EVENTS = Counter(
    "remit_events",
    "Events of the trail: tokens issued and refreshed, approvals, exchanges, …",
    ("kind",),
    registry=REGISTRY,
)
WRITING = Gauge(
    "remit_commits_waiting",
    "Units of writing that wait for their commit.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)


class _Batches:
    """Units and transactions since the start: their ratio is the size of a batch."""

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily("remit_commit_units", "Units of writing.", value=COUNTS.units)
        yield CounterMetricFamily("remit_commit_batches", "Transactions that carried them.", value=COUNTS.batches)


REGISTRY.register(_Batches())


@cache
def _requests(route: str, method: str, status: int) -> Counter:
    return _REQUESTS.labels(route, method, str(status))


@cache
def _seconds(route: str) -> Histogram:
    return _SECONDS.labels(route)


@cache
def _events(kind: str) -> Counter:
    return _EVENTS.labels(kind)


def answered(route: str, method: str, status: int, seconds: float) -> None:
    """Count a request. `route` is the path as `routes.py` writes it, so that ids make no new series."""
    _requests(route, method, status).inc()
    _seconds(route).observe(seconds)


def happened(events: Iterable[Event]) -> None:
    """Count events that have been committed."""
    for event in events:
        _events(event.kind).inc()


def exposed() -> bytes:
    """The text that Prometheus reads, of all workers."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    everybody = CollectorRegistry()
    MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
    return generate_latest(everybody)

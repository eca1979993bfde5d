"""Providers that fail are left alone: not by each account for itself, but by all accounts of a connection together.

Each process has a circuit of its own: it costs no write, and a provider that is down hears from a few processes instead
of from thousands of accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remit_server.rules import keeping

TRIES: Final = 3
"""Failures in a row that open a circuit; one is enough when the provider asks for it with Retry-After."""
SHARED: Final = 60
"""Seconds for which one account's Retry-After stops all of them at most: it may be that account's alone, which then obeys it
in full (`ConnectedAccount.retry_at`)."""
PROBE: Final = 20
"""Seconds that one request has to find out whether the provider is back, while the others go on waiting."""


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    until: int = 0


class Circuits:
    """By name of the connection; a closed circuit takes no memory."""

    def __init__(self) -> None:
        self._open: dict[str, _Circuit] = {}

    def wait(self, connection: str, now: int) -> int:
        """Seconds until this provider may be asked again; 0: it may be asked now."""
        circuit = self._open.get(connection)
        return 0 if circuit is None else max(0, circuit.until - now)

    def enter(self, connection: str, now: int) -> None:
        """Somebody asks the provider: of an open circuit's time to try again, this is the one try."""
        circuit = self._open.get(connection)
        if circuit is not None and circuit.failures >= TRIES:
            circuit.until = now + PROBE

    def answered(self, connection: str) -> None:
        """The provider works, whatever it said about this one account."""
        self._open.pop(connection, None)

    def failed(self, connection: str, now: int, retry_after: int) -> None:
        """It gave nothing; `retry_after` in seconds, 0 when it did not say."""
        circuit = self._open.setdefault(connection, _Circuit())
        circuit.failures += 1
        if retry_after:
            circuit.failures = max(circuit.failures, TRIES)
        if circuit.failures >= TRIES:
            circuit.until = now + keeping.pause(circuit.failures - TRIES + 2, min(retry_after, SHARED))

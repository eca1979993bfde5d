"""The registry of grant types: each room brings its own, `app.py` gathers them, the token endpoint looks them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from remit_server.records import Client
from remit_server.wire.form import Form
from remit_server.wire.http import Answer, Request


@dataclass(frozen=True)
class TokenRequest:
    """A request at the token endpoint, after client authentication."""

    request: Request
    form: Form
    client: Client
    jkt: str | None
    """Thumbprint of the key that the request's DPoP proof shows, if it has one."""


class Grant(Protocol):
    """One grant type."""

    type: str
    """The `grant_type` value."""
    name: str
    """The short name in a client's `grants`; the file that holds the grant is called like it."""

    async def __call__(self, asked: TokenRequest) -> Answer: ...

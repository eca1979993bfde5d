"""What may be called through the vault, and a call that is under way."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class ProxyRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """These methods at these paths. What no rule names is refused."""

    paths: tuple[str, ...]
    """Templates below the connection's `api_base`: `*` stands for a piece of one segment without `:`, `**` at the end for
    the rest of the path."""
    methods: tuple[str, ...] = ("GET",)
    """In capital letters. HEAD is allowed where GET is."""
    hosts: tuple[str, ...] = ()
    """Hosts of the connection's `api_hosts`, for which the paths count from the root; empty: the host of `api_base`."""


class ProxiedCall(Struct, frozen=True, kw_only=True):
    """A call that was begun and whose end nobody has written down yet.

    Written before the request leaves and removed together with the event that tells how it ended. A row that nobody
    removes is a call whose server died meanwhile; its event is written from here.
    """

    id: str
    user_id: str
    client_id: str
    account_id: str
    chain: tuple[str, ...] = ()
    address: str | None = None
    about: dict[str, Any] = field(default_factory=dict)
    """What the event will say of the request."""
    started_at: int

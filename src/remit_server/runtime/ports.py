"""What a room may need of another, as protocols; `app.py` passes the real thing in. Rooms never import each other."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from msgspec import Struct

from remit_server.records import Client, Grant, Token, User


class Act(Struct, frozen=True, kw_only=True):
    """What is about to be permitted: the question put to the one door."""

    kind: Literal["token", "consent", "ask", "exchange", "proxy", "connect"]
    client: Client
    user: User | None = None
    grant: Grant | None = None
    """What the user agreed to, where this is done under an agreement: the tokens hang on it."""
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    connection: str | None = None
    call: tuple[str, str, str] | None = None
    """Of a proxied call: its method, the host that it goes to, and its path below the connection's `api_base`."""
    details: tuple[dict[str, Any], ...] = ()
    actors: tuple[dict[str, Any], ...] = ()
    needs: tuple[tuple[str, str], ...] = ()
    """(relation, object) pairs that the user must have, such as ("viewer", "document:7")."""
    approved_by: tuple[str, ...] = ()
    """Ids of people who approved exactly this."""


class Permit(Struct, frozen=True, kw_only=True):
    """Go on. `why` goes into the event; `act` is what was permitted and nothing else may be minted from it."""

    act: Act
    why: tuple[str, ...] = ()


class RequireApproval(Struct, frozen=True, kw_only=True):
    """Somebody must approve first."""

    approvers: tuple[str, ...]
    ttl: int
    why: tuple[str, ...] = ()


class Deny(Struct, frozen=True, kw_only=True):
    """No. `reason` is in words for a person, `why` names rules and policies for the trail."""

    reason: str
    why: tuple[str, ...] = ()


Decision = Permit | RequireApproval | Deny


class Decide(Protocol):
    """The one door (oversight/decide.py): nothing is minted without a `Permit` from it."""

    async def __call__(self, act: Act) -> Decision: ...


class Issued(Struct, frozen=True, kw_only=True):
    """A token string and the record that is to be stored with it, in one unit."""

    value: str
    token: Token

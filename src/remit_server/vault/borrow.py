"""Which account of a person a client may use now, and what to tell it when there is none.

All that this looks at came with one read (`store.lendings.asked`). Only a refusal, which is no hot path, may look further.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from remit_server.errors import AccessDenied, NotConnected, ProtocolError, UpstreamRefused
from remit_server.records import Client, ConnectedAccount, Connection, Grant, Lending, User
from remit_server.rules import exchange, sharing
from remit_server.rules.connection import MOVED, Use, belongs
from remit_server.rules.exchange import Share, Want
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Step
from remit_server.storage.groups.lendings import Asked
from remit_server.vault import connect

SAYS: Final[dict[Want, str]] = {
    "limited": "The user keeps this account for agents of their choice, and this one is not among them; they can allow it "
    "on their accounts page.",
    "away": "The user is not signed in any more and has not allowed this agent to use the account while they are away; they "
    "can allow it on their accounts page, or sign in again.",
}


NOTED: Final = 60
"""Seconds within which a second use of an account by the same client is not noted once more."""


class Borrower(Struct, frozen=True, kw_only=True):
    """Who wants what of whom."""

    client: Client
    user: User
    connection: Connection
    scopes: tuple[str, ...] = ()
    """Those that are asked for; none: all that the client may borrow."""


class Borrowed(Struct, frozen=True, kw_only=True):
    """An account that the client may use now."""

    account: ConnectedAccount
    lending: Lending | None
    away: bool
    share: Share

    def used(self, machines: Machines, client: Client) -> tuple[Step, ...]:
        """What is written with the event of the use, once a minute: a hot exchange writes its event and nothing else. What is
        written loses when the person took the account, or their word, back since it was read."""
        now, store, steps = machines.clock.now(), machines.store, []
        if self.lending and not _lately(self.lending.used_at, now):
            steps.append(store.lendings.use(self.lending, now))
        if not (_lately(self.account.used_at, now) and self.account.used_by == client.id):
            steps.append(store.connected_accounts.touch(self.account.id, now, client.id))
        return tuple(steps)


def _lately(used_at: int | None, now: int) -> bool:
    return used_at is not None and now - used_at < NOTED


async def borrowed(machines: Machines, who: Borrower, asked: Asked, login_hint: str | None) -> Borrowed:
    """Raises `NotConnected` with `reason` and, as far as there is one, the link that mends it; `InvalidScope` for what the
    client may never borrow."""
    offers = asked.offers
    if not sharing.may_borrow(who.connection, who.user):
        offers = [offer for offer in offers if offer.account.user_id == who.user.id]
    offer = exchange.choose(offers, login_hint)
    may = who.client.connections[who.connection.name]
    if offer is None:
        exchange.within(may, who.scopes)
        raise await mendable(machines, who, NotConnected(), "not_connected")
    lasts, now = machines.settings.session_lifetime, machines.clock.now()
    there = exchange.is_there(asked.grant, asked.session_ends, now, lasts=lasts)
    missing = exchange.want(offer, there=there)
    if missing == "away" and await _signed_in_again(machines, who.user, asked.grant, now):
        there, missing = True, None
    if missing is not None:
        page = {"connect_uri": machines.settings.url("/accounts"), "reason": missing}
        raise NotConnected(SAYS[missing], members=page)
    if not belongs(offer.account, who.connection):
        moved = UpstreamRefused(f"The account must be connected again. {MOVED}")
        raise await mendable(machines, who, moved, account=offer.account)
    share = exchange.share(offer.account, may, who.scopes)
    if not share.scopes and offer.account.scopes:
        nothing = NotConnected("The user has granted nothing that this client may borrow: ask them to allow it.")
        raise await mendable(machines, who, nothing, "missing_scopes", account=offer.account)
    return Borrowed(account=offer.account, lending=offer.lending, away=not there, share=share)


def holds(account: ConnectedAccount, use: Use) -> bool:
    """Whether the account had this token when it was read, so that nobody waited for it."""
    return use.access_token in {account.access_token, *(part.access_token for part in account.narrowed)}


async def still(machines: Machines, who: Borrower, subject: str, account: ConnectedAccount) -> None:
    """Look once more after a wait for the provider: in these seconds the person may have taken back their word, and somebody
    may have stopped the agent. `subject` is the hash of the token that stands for the person. Raises as `borrowed`, and
    `AccessDenied`."""
    client = await machines.store.clients.get(who.client.id)
    asked = await machines.store.lendings.asked(subject, who.connection.name, who.client.id)
    if client is None or client.state != "active" or who.connection.name not in client.connections:
        raise AccessDenied("This client was stopped.")
    # A subject token that was used meanwhile, to be rotated, has served its purpose; one that was revoked has not.
    held = asked.held if asked else None
    if held is None or held.token.revoked_at or held.grant_revoked_at or not held.user or held.user.state != "active":
        raise AccessDenied("What stood for the user was revoked.")
    assert asked is not None, "it was read with its token"
    await borrowed(machines, msgspec.structs.replace(who, client=client, user=held.user), asked, account.id)


async def mendable(
    machines: Machines, who: Borrower, error: ProtocolError, reason: str | None = None, *,
    account: ConnectedAccount | None = None,
) -> ProtocolError:  # fmt: skip
    """The error with the way out of it: why, in one word, and a link for this person to this connection. `account` is the one
    that could not be used."""
    error.members |= {"reason": reason or ("reconnect" if isinstance(error, UpstreamRefused) else "not_connected")}
    error.members |= await link(machines, who, account)
    return error


async def link(machines: Machines, who: Borrower, account: ConnectedAccount | None) -> dict[str, str]:
    """A link that proposes this account, if it is the person's own."""
    own = account if account is not None and account.user_id == who.user.id else None
    found = await connect.link(machines, who.user, who.connection.name, who.client, who.scopes, account=own)
    return {"connect_uri": found} if found else {}


async def _signed_in_again(machines: Machines, user: User, grant: Grant | None, now: int) -> bool:
    """Whether the session of the agreement ended because another took over from it, in the same browser."""
    if grant is None or grant.sid is None:
        return False
    sessions = await machines.store.sessions.of_user(user.id)
    return any(grant.sid in session.before and now < session.expires_at for session in sessions)

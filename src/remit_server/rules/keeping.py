"""Keeping an account usable: when to renew it ahead of need, and how long to leave a provider alone that gives nothing."""

from __future__ import annotations

import zlib
from typing import Final, Literal

import msgspec

from remit_server.records import ConnectedAccount, Connection, Narrowed

Kind = Literal["busy", "broken", "refused", "stranger", "unreachable", "silent", "unreadable"]
"""How a provider failed to give a token. `busy`: it asks us to come later. `broken`: it says that it has trouble of its own.
`refused`: it does not like the request. `stranger`: it does not know our registration. `unreachable`: nothing was sent.
`silent`: something was sent, and no answer came. `unreadable`: an answer came that says nothing."""

SAID: Final[dict[Kind, str]] = {
    "busy": "The provider is busy and asked to be left alone for a while.",
    "broken": "The provider reports trouble of its own.",
    "refused": "The provider refuses to renew the access and does not say why.",
    "stranger": "The provider does not accept this server's registration; an administrator must look at the connection.",
    "unreachable": "The provider cannot be reached.",
    "silent": "The provider did not answer.",
    "unreadable": "The provider's answer makes no sense.",
}
"""For people."""

MAYBE_SPENT: Final = frozenset({"broken", "silent", "unreadable"})
"""After these, the provider may have given a new refresh token that never reached us."""
LOST: Final = frozenset({"silent", "unreadable"})
"""After these it is worth asking once more at once: a provider that forgives a repeated refresh token does so for a short
while only."""

SOONEST: Final = 2
"""Seconds to the next attempt after a first failure; each further one doubles them."""
LONGEST: Final = 900
"""Seconds between attempts at most, unless a Retry-After asks for more."""
PATIENT: Final = 3600
"""Seconds for which a Retry-After is obeyed at most."""
LET_BE: Final = 8
"""After so many failures, some 15 minutes, an account is asked for again only when somebody needs it."""
SOON: Final = 14 * 86400
"""Seconds before a grant's end in which its person is told."""
AHEAD: Final = 300
"""Seconds before a token's end in which it is renewed ahead of need; as many again spread the accounts."""


def pause(failures: int, retry_after: int = 0) -> int:
    """Seconds to leave a provider alone after so many failures in a row (from 1)."""
    return max(min(SOONEST << min(failures - 1, 12), LONGEST), min(retry_after, PATIENT))


def failed(account: ConnectedAccount, kind: Kind, now: int, retry_after: int) -> ConnectedAccount:
    """The account after an attempt in vain. What it had stays."""
    failures = account.failures + 1
    return msgspec.structs.replace(
        account, failing_since=account.failing_since or now, failure=SAID[kind], failures=failures,
        retry_at=now + pause(failures, retry_after), unanswered=account.unanswered + (kind in MAYBE_SPENT),
    )  # fmt: skip


def broken(account: ConnectedAccount) -> ConnectedAccount:
    """The account whose provider does not honour what we hold any more: only the person can help."""
    if account.credentials:
        cause = "The provider does not accept the key any more: it was withdrawn there, or has run out."
    elif account.unanswered:
        cause = (
            "The provider's answer to an earlier renewal never arrived, and it does not accept the older key any more."
        )
    else:
        cause = "The provider does not accept the grant any more: it was withdrawn there, or has run out."
    return msgspec.structs.replace(
        account, state="reconnect", cause=cause, failing_since=None, failure=None, failures=0, retry_at=0, unanswered=0
    )


def due(account: ConnectedAccount) -> int | None:
    """When the account should be renewed ahead of need, or its disconnect carried on; None when that waits until somebody
    asks."""
    if account.state == "disconnected":
        return account.retry_at
    if account.state != "ok" or account.refresh_token is None or account.failures > LET_BE:
        return None
    if account.failing_since is not None:
        return account.retry_at
    held = _in_demand(account)
    if held is None or held.expires_at is None:
        return None
    life = max(0, held.expires_at - held.issued_at)
    # Accounts that were connected together do not fall due together.
    spread = zlib.crc32(f"{account.id} {held.issued_at}".encode()) % (min(AHEAD, life // 8) + 1)
    return held.expires_at - min(AHEAD, life // 4) - spread


def ahead(account: ConnectedAccount) -> tuple[str, ...] | None:
    """The scopes to renew an account for that is due (empty: all of it); None when nobody has used what it holds, so that
    the provider need not be asked."""
    held = _in_demand(account)
    if account.refresh_token is None or account.state != "ok":
        return None
    asked = () if held is None or held.asked == account.scopes else held.asked
    if account.unanswered or account.failing_since is not None:
        return asked
    used = held is not None and account.used_at is not None and account.used_at >= held.issued_at
    return asked if used else None


def ends_soon(account: ConnectedAccount, connection: Connection, now: int) -> int | None:
    """When the provider will forget the grant if nobody uses it before; None while that is more than `SOON` away, or not
    known. Nothing renews what nobody uses: a grant that is forgotten on both sides is one less to lose."""
    if account.state != "ok" or account.refresh_token is None or connection.refresh_lifetime is None:
        return None
    renewed = max(account.created_at, account.refreshed_at or 0, *(held.issued_at for held in account.narrowed))
    ends = renewed + connection.refresh_lifetime
    return ends if ends - now <= min(SOON, connection.refresh_lifetime // 4) else None


def _in_demand(account: ConnectedAccount) -> Narrowed | None:
    """The token that was asked for last: for the whole, or for a part."""
    whole = (
        ()
        if account.access_token is None
        else (
            Narrowed(
                asked=account.scopes, scopes=account.scopes, access_token=account.access_token,
                issued_at=account.refreshed_at or account.created_at, expires_at=account.access_expires_at,
            ),
        )
    )  # fmt: skip
    return max((*whole, *account.narrowed), key=lambda held: held.issued_at, default=None)

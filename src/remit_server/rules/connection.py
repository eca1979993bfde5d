"""What to do with a connected account now, and what a provider's answer means for it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from remit_server.records import ConnectedAccount, Connection, Narrowed
from remit_server.records.connection import WELL
from remit_server.records.provider import AnswerPaths
from remit_server.rules import keeping
from remit_server.rules.providers import Identity, at, beside, identity, kept

MARGIN = 60
"""Seconds before its end in which a token is renewed: a task that starts with it should be able to finish."""
MOST_NARROWED = 8
LONGEST_TOKEN = 16_384  # characters; upstream tokens are opaque to us (RFC 6749 section 1.4), but not boundless
_SPLIT = re.compile(r"[\s,]+")


MOVED = "The connection was set up anew for another provider or registration, which is not shown the old keys."


def home_of(connection: Connection) -> str:
    """Our registration at a provider and the hosts that see an account's keys, as one line to compare."""
    seen = (connection.issuer, connection.token_endpoint, connection.api_base)
    hosts = [f"{parts.scheme}://{parts.netloc.lower()}" for parts in map(urlsplit, (url for url in seen if url))]
    return " ".join((connection.client_id, *hosts))


def belongs(account: ConnectedAccount, connection: Connection) -> bool:
    """Whether the account was connected to where the connection leads today. An operator may point a name elsewhere; what
    people entrusted to the one provider is never shown to the next (RFC 9700 section 4.4)."""
    return account.home == home_of(connection)


class Use(Struct, frozen=True, kw_only=True):
    """There is a token to hand out."""

    access_token: str
    scopes: tuple[str, ...]
    expires_at: int | None


class Refresh(Struct, frozen=True, kw_only=True):
    """Ask the provider for a new one first. `scopes`: less than the account allows; empty: all of it."""

    scopes: tuple[str, ...] = ()


class Reconnect(Struct, frozen=True, kw_only=True):
    """Only the person can mend it. `cause` is in words for them."""

    cause: str


class Wait(Struct, frozen=True, kw_only=True):
    """The provider gave nothing lately and is left alone for so many seconds. `why` is in words for people."""

    why: str
    seconds: int


class TooWide(Struct, frozen=True, kw_only=True):
    """The provider gives only tokens that allow more than this client may borrow."""


Plan = Use | Refresh | Reconnect | Wait | TooWide


def plan(
    account: ConnectedAccount,
    wanted: tuple[str, ...],
    *,
    may: frozenset[str],
    now: int,
    last_minute: bool = False,
    narrows: bool = True,
) -> Plan:
    """What to do for a client that wants these scopes and may borrow `may`.

    The token carries exactly what is wanted, if the provider can narrow; never more than the client may borrow.
    `last_minute`: the provider cannot be reached, so a token is good to its end. `narrows`: asking the provider for less
    is worth a try.
    """
    if account.state != "ok":
        return Reconnect(cause=account.cause or "The account was disconnected.")
    whole, all_of_it = _whole(account), not narrows or set(wanted) == set(account.scopes)
    held = whole if all_of_it else _narrowed(account, wanted)
    if held and _fresh(held, now, 0 if last_minute else MARGIN):
        return _use(held, may)
    if account.refresh_token and not last_minute:
        return _renew(account, () if all_of_it else wanted, now)
    if whole and _fresh(whole, now, 0):
        return _use(whole, may)
    if account.refresh_token:
        return _renew(account, (), now)
    return Reconnect(cause="The access has run out, and the provider gave nothing to renew it with.")


def bound(connection: Connection, may: frozenset[str]) -> frozenset[str]:
    """What a token may allow that is lent to a client that may borrow `may`. Wider than that only by the operator's word, and
    never beyond what they listed for the connection."""
    return may.union(connection.scopes) if connection.lend_wider else may


def too_wide(connection: Connection) -> str:
    """Why there is no token, in words for whoever runs the client."""
    name = connection.display_name or connection.name
    if connection.scopes_accumulate:
        why = f"{name} puts all that the user ever allowed there into each token"
    else:
        why = f"{name} gives no token for a part of what the user allowed"
    if connection.lend_wider:
        return f"{why}, and that is more than this connection is for."
    return f"{why}, and that is more than this client may borrow."


def _renew(account: ConnectedAccount, scopes: tuple[str, ...], now: int) -> Refresh | Wait:
    if now < account.retry_at <= now + keeping.PATIENT:  # further away it was written by a wrong clock
        return Wait(why=account.failure or "", seconds=account.retry_at - now)
    return Refresh(scopes=scopes)


def _whole(account: ConnectedAccount) -> Narrowed | None:
    if account.access_token is None:
        return None
    return Narrowed(
        asked=account.scopes, scopes=account.scopes, access_token=account.access_token,
        issued_at=account.refreshed_at or account.created_at, expires_at=account.access_expires_at,
    )  # fmt: skip


def _narrowed(account: ConnectedAccount, wanted: tuple[str, ...]) -> Narrowed | None:
    return next((held for held in account.narrowed if set(held.asked) == set(wanted)), None)


def _fresh(held: Narrowed, now: int, margin: int) -> bool:
    """Short-lived tokens are renewed in the last quarter of their life, not in their last minute."""
    if held.expires_at is None:
        return True
    return held.expires_at - min(margin, (held.expires_at - held.issued_at) // 4) > now


def _use(held: Narrowed, may: frozenset[str]) -> Use | TooWide:
    if not may.issuperset(held.scopes):
        return TooWide()
    return Use(access_token=held.access_token, scopes=held.scopes, expires_at=held.expires_at)


class Issued(Struct, frozen=True, kw_only=True):
    """A provider's token response (RFC 6749 section 5.1)."""

    access_token: str
    refresh_token: str | None
    scopes: tuple[str, ...]
    issued_at: int
    expires_at: int | None
    whose: Identity | None = None
    """Where the provider says it in the same answer."""
    values: dict[str, str] = {}
    """What is kept with the account of the answer."""


class Withdrawn(Struct, frozen=True, kw_only=True):
    """The provider does not honour the grant any more."""

    error: str


class NotNarrowed(Struct, frozen=True, kw_only=True):
    """The provider refuses to give a part of what it granted."""


class Later(Struct, frozen=True, kw_only=True):
    """No answer to act on. `why` is for the log and the trail; `retry_after` is in seconds, 0 when the provider did not say."""

    kind: keeping.Kind
    why: str
    retry_after: int = 0


Outcome = Issued | Withdrawn | NotNarrowed | Later


def read_reply(
    connection: Connection,
    status: int,
    members: Mapping[str, Any],
    *,
    asked: tuple[str, ...],
    now: int,
    retry_after: str | None = None,
    refreshing: bool = False,
) -> Outcome:
    """What a token endpoint's answer means. Some providers put their errors into a 200, hence members before status."""
    if status == 429 or status >= 500:
        kind: keeping.Kind = "busy" if status == 429 else "broken"
        return Later(kind=kind, why=f"the provider answered {status}", retry_after=_seconds(retry_after, now))
    paths = (connection.refresh_answer if refreshing else None) or connection.answer
    token, refresh = _token(at(members, paths.access_token)), _token(at(members, paths.refresh_token))
    error = _error(members.get("error")) or (_error(at(members, paths.error)) if token is None else None)
    if error is not None and error in {"invalid_grant", *connection.refresh_errors}:
        return Withdrawn(error=error)
    if error == "invalid_scope":
        return NotNarrowed()
    well = status in {200, 201} and error is None and (paths.ok is None or at(members, paths.ok) is True)
    if token is None or not well:
        said = error or "without a token that can be used"
        return Later(kind=_kind(status, error), why=f"the provider answered {status} {said[:60]}")
    scopes = scopes_of(connection, at(members, paths.scope))
    lookup = connection.account
    return Issued(
        access_token=token,
        refresh_token=None if connection.refresh == "none" else refresh,
        # Without the member the scopes are those that were asked for (RFC 6749 section 5.1).
        scopes=asked if scopes is None else scopes,
        issued_at=now,
        expires_at=None if connection.never_expires else _end(connection, paths, members, token, now),
        whose=identity(lookup, members) if lookup and lookup.source == "answer" else None,
        values=kept(connection, "answer", members),
    )


def _end(connection: Connection, paths: AnswerPaths, members: Mapping[str, Any], token: str, now: int) -> int | None:
    """When an access token ends. One that is over when it comes would be renewed for ever: 0 is how some say that they do not
    know, and a moment that has passed says no more."""
    if seconds := _number(at(members, paths.expires_in)):
        return now + seconds
    end = _moment(at(members, paths.expires_at)) if paths.expires_at else None
    if end is None and connection.jwt_lifetime:
        end = _exp(token)
    if end is not None and end > now:
        return end
    return now + connection.lifetime if connection.lifetime else None


def _moment(value: Any) -> int | None:
    """Seconds since 1970, also from RFC 3339; None for what has no offset, since then nobody knows when it is."""
    if isinstance(value, str) and not value.isdigit():
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(value[:64])
            return int(moment.timestamp()) if moment.tzinfo else None
    return _number(value)


class _Claims(Struct):
    exp: int | float | None = None


def _exp(token: str) -> int | None:
    """`exp` of a JWT (RFC 7519 section 4.1.4), unverified: the token is the provider's, and all that hangs on it is when we ask
    for the next one."""
    with suppress(ValueError, RecursionError):
        _, part, _ = token.split(".")
        claims = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=_Claims)
        return _number(claims.exp)
    return None


def scopes_of(connection: Connection, said: Any) -> tuple[str, ...] | None:
    """The scopes of a provider's answer that can be lent, whatever it puts between them; None when it does not say. Those
    that it adds on its own stay, so that nobody borrows more than they may."""
    if isinstance(said, list):  # not RFC 6749 section 3.3, but written by some
        said = " ".join(item for item in said if isinstance(item, str))
    if not isinstance(said, str):
        return None
    pieces = said.split(connection.scope_separator) if connection.scope_separator.strip(" ,") else [said]
    spelled = (scope.removeprefix(connection.scope_prefix) for piece in pieces for scope in _SPLIT.split(piece))
    found = dict.fromkeys(scope for scope in spelled if scope)
    return tuple(scope for scope in found if scope not in beside(connection))


def renewed(account: ConnectedAccount, issued: Issued, asked: tuple[str, ...]) -> ConnectedAccount:
    """The account with what a refresh brought; `asked` as in `Refresh.scopes`. A provider that sends no new refresh token
    means the old one to stay (RFC 6749 section 6)."""
    refresh = issued.refresh_token or account.refresh_token
    if not asked:
        return msgspec.structs.replace(
            account, access_token=issued.access_token, access_expires_at=issued.expires_at, refresh_token=refresh,
            scopes=issued.scopes or account.scopes, refreshed_at=issued.issued_at, **WELL,
        )  # fmt: skip
    part = Narrowed(
        asked=asked, scopes=issued.scopes, access_token=issued.access_token, issued_at=issued.issued_at,
        expires_at=issued.expires_at,
    )  # fmt: skip
    others = [held for held in account.narrowed if set(held.asked) != set(asked) and _fresh(held, issued.issued_at, 0)]
    return msgspec.structs.replace(
        account, refresh_token=refresh, narrowed=(part, *others[: MOST_NARROWED - 1]), **WELL
    )


def _error(value: Any) -> str | None:
    """The name of an error; some write a whole object."""
    if value is None or value is False or value == "":
        return None
    return value if isinstance(value, str) and value.isprintable() else "an error without a name"


def _token(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_TOKEN and value.isprintable() else None


def _number(value: Any) -> int | None:
    """Seconds, also of providers that write them as text; None for what is not there or makes no sense."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    return (
        int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**10 else None
    )


def _kind(status: int, error: str | None) -> keeping.Kind:
    if error in {"invalid_client", "unauthorized_client"} or (status == 401 and error is None):
        return "stranger"
    return "unreadable" if error is None and 200 <= status < 300 else "refused"


def _seconds(retry_after: str | None, now: int) -> int:
    """Retry-After (RFC 9110 section 10.2.3): seconds, or a date; 0 when it is neither, or over."""
    if (seconds := _number(retry_after)) is None and retry_after is not None:
        with suppress(ValueError, OverflowError):
            seconds = int(parsedate_to_datetime(retry_after[:64]).timestamp()) - now
    return max(0, min(seconds or 0, keeping.PATIENT))

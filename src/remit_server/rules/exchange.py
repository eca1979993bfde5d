"""Token exchange for a connected account: who may ask, on whose behalf, for which account and scopes (RFC 8693)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from remit_server.errors import InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget, UnauthorizedClient
from remit_server.records import Client, ConnectedAccount, Grant, Offer, Token
from remit_server.records.connection import ORGANISATION

REFRESH = "urn:ietf:params:oauth:token-type:refresh_token"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
FEDERATED = "http://auth0.com/oauth/token-type/federated-connection-access-token"
URN: Final = "urn:remit:connection:"
"""What a connection's name is put behind where any target may be named (RFC 8693 section 2.1)."""
SUBJECTS = {REFRESH: "refresh", ACCESS: "access"}
"""What a subject token may be -> kind of token."""


def subject_kind(subject_token_type: str) -> str:
    """`refresh` or `access`. Raises `InvalidRequest`."""
    kind = SUBJECTS.get(subject_token_type)
    if kind is None:
        raise InvalidRequest(f"The subject_token_type must be one of {', '.join(SUBJECTS)}.")
    return kind


def issued_type(requested: str | None, *, default: str) -> str:
    """The type of what is handed out. Raises `InvalidRequest` for one that is not handed out here."""
    if requested not in {None, FEDERATED, ACCESS}:
        raise InvalidRequest(f"The requested_token_type must be {FEDERATED} or {ACCESS}.")
    return requested or default


def judge(token: Token, client: Client, *, jkt: str | None) -> str:
    """The id of the person whose account may be borrowed. Raises `InvalidGrant` or `UnauthorizedClient`.

    A refresh token stands for its person in the hands of the client that it was issued to. An access token does so in the
    hands of the API that it was issued for, which is proven by that API's own client; anybody else who holds one found it
    somewhere. A token that is bound to a key needs a proof by this key (RFC 9449 section 5).
    """
    if not client.confidential:
        raise UnauthorizedClient("Only a client that can keep a secret may borrow an account.")
    if token.kind == "refresh" and token.client_id != client.id:
        raise InvalidGrant(detail="the subject token was issued to another client")
    if token.kind == "access" and (client.kind not in {"api", "mcp"} or client.api is None):
        raise UnauthorizedClient(
            "An access token is exchanged by the API that it was issued for; use the refresh token."
        )
    if token.kind == "access" and client.api not in token.audiences:
        raise InvalidGrant("The subject token was issued for another API.")
    if token.jkt is not None and token.jkt != jkt:
        raise InvalidGrant("The subject token is bound to a key: prove it with a DPoP header.")
    if token.user_id is None:
        raise InvalidGrant("The subject token stands for no person.")
    return token.user_id


def connection_name(connection: str | None, audiences: Sequence[str], resources: Sequence[str]) -> str:
    """The one connection that is meant: by the parameter `connection`, or as the target of RFC 8693 section 2.1.

    There `audience` and `resource` are values that both sides understand, and the same parameters name APIs. So a connection
    has a URI of its own, `urn:remit:connection:<name>`, and a bare name in them is never one. Raises `InvalidRequest`, or
    `InvalidTarget` when two targets are named, since one token for both cannot be had.
    """
    named = [*audiences, *resources]
    if any(not target.startswith(URN) for target in named):
        raise InvalidTarget(f"An audience or resource must be {URN}<name>.")
    meant = {*([connection] if connection else []), *(target.removeprefix(URN) for target in named)}
    if not meant:
        raise InvalidRequest(
            f"Which account? Name its connection: audience={URN}<name>, or the parameter 'connection'."
        )
    if len(meant) > 1:
        raise InvalidTarget("Only one connection can be borrowed from at a time.")
    return meant.pop()


def is_there(grant: Grant | None, session_ends: int | None, now: int, *, lasts: int) -> bool:
    """Whether the person is there: the sign-in session in which they agreed lives. An agreement of a device's code or an
    approval hangs on no session of a browser; there the person counts as present as long as a session `lasts` (seconds)."""
    if grant is None:
        return False
    if grant.sid is None:
        return now < grant.created_at + lasts
    return session_ends is not None and now < session_ends


def choose(offers: Sequence[Offer], login_hint: str | None) -> Offer | None:
    """The account that is meant, whether it may be used or not.

    A hint names one: by our id, by the provider's user id, or by the name that the provider shows; ids outrank names, which
    are the account holder's to choose. Without a hint it is the person's default among those that the agent may use. Their
    own outrank the organisation's. A default that is broken stays the default: another mailbox is not the one that is meant.
    """
    found = [offer for offer in offers if offer.account.state != "disconnected"]
    if login_hint is not None:
        by_id = [offer for offer in found if login_hint in {offer.account.id, offer.account.upstream_id}]
        found = by_id or [offer for offer in found if login_hint == offer.account.label]
    found = [offer for offer in found if _open(offer)] or found
    return min(found, key=_rank, default=None)


def _open(offer: Offer) -> bool:
    return offer.lending is not None or not offer.account.limited


def _rank(offer: Offer) -> tuple[bool, int, str]:
    account = offer.account
    return account.user_id == ORGANISATION, -account.chosen, account.id


Want = Literal["limited", "away"]


def want(offer: Offer, *, there: bool) -> Want | None:
    """The word of the person that is missing for the use of an account, None when it may be used."""
    if not _open(offer):
        return "limited"
    if not there and not (offer.lending and offer.lending.away):
        return "away"
    return None


class Share(Struct, frozen=True):
    """What of an account a client gets. `missing` was asked for and not granted by the person."""

    scopes: tuple[str, ...]
    missing: tuple[str, ...] = ()


def within(may: tuple[str, ...], asked: tuple[str, ...]) -> None:
    """Raises `InvalidScope` for what the client may never borrow here."""
    beyond = [scope for scope in asked if scope not in may]
    if beyond:
        raise InvalidScope(f"This client may not borrow the scope {beyond[0]!r}.")


def share(account: ConnectedAccount, may: tuple[str, ...], asked: tuple[str, ...]) -> Share:
    """The scopes to hand out: what the person granted, as far as the client may borrow it, as far as it asks. Raises
    `InvalidScope`."""
    within(may, asked)
    wanted = asked or may
    granted = tuple(scope for scope in account.scopes if scope in wanted)
    return Share(granted, tuple(scope for scope in asked if scope not in account.scopes))

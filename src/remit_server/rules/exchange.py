"""Token exchange for a connected account: who may ask, on whose behalf, for which account and scopes (RFC 8693)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from remit_server.errors import InvalidGrant, InvalidRequest, InvalidScope, UnauthorizedClient
from remit_server.records import Client, ConnectedAccount, Token

REFRESH = "urn:ietf:params:oauth:token-type:refresh_token"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
FEDERATED = "http://auth0.com/oauth/token-type/federated-connection-access-token"
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
    if token.kind == "access" and (client.kind != "api" or client.api is None):
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


def choose(accounts: Sequence[ConnectedAccount], login_hint: str | None) -> ConnectedAccount | None:
    """The account that is meant: the one of the hint (the provider's user id, or the name it shows); without a hint the
    first that works, else the first."""
    present = [account for account in accounts if account.state != "disconnected"]
    if login_hint is not None:
        present = [a for a in present if login_hint == a.upstream_id] or [a for a in present if login_hint == a.label]
    return next((account for account in present if account.state == "ok"), present[0] if present else None)


class Share(Struct, frozen=True):
    """What of an account a client gets. `missing` was asked for and not granted by the person."""

    scopes: tuple[str, ...]
    missing: tuple[str, ...] = ()


def share(account: ConnectedAccount, may: tuple[str, ...], asked: tuple[str, ...]) -> Share:
    """The scopes to hand out: what the person granted, as far as the client may borrow it, as far as it asks.

    Raises `InvalidScope` for what the client may never borrow here.
    """
    beyond = [scope for scope in asked if scope not in may]
    if beyond:
        raise InvalidScope(f"This client may not borrow the scope {beyond[0]!r}.")
    wanted = asked or may
    granted = tuple(scope for scope in account.scopes if scope in wanted)
    return Share(granted, tuple(scope for scope in asked if scope not in account.scopes))

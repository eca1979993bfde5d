"""The connect flow's decisions: what may be asked, where the person is sent, and whether it is they who come back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from msgspec import Struct

from remit_server.errors import InvalidRequest, NotFound
from remit_server.records import Client, ConnectAttempt, ConnectedAccount, Connection, User
from remit_server.records.connection import ASKED, SENT
from remit_server.rules import redirects
from remit_server.rules.connection import belongs
from remit_server.rules.providers import beside

LIFETIME = 600
"""Seconds from the link to the end of the flow."""
RESERVED = frozenset(
    {
        "authorization_details", "client_id", "client_secret", "code", "code_challenge", "code_challenge_method",
        "dpop_jkt", "iss", "nonce", "optional_scope", "redirect_uri", "request", "request_uri", "response_mode", "response_type",
        "scope", "state", "user_scope",
    }
)  # fmt: skip
"""Parameters that are ours to set: what is asked for is what the person reads on the start page."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43,128}")


class Wish(Struct, frozen=True, kw_only=True):
    """A well-formed `connect` request (My Account API)."""

    connection: str
    redirect_uri: str
    challenge: str
    state: str | None = None
    scopes: tuple[str, ...] = ()
    authorization_params: dict[str, str] = {}


def invalid(*problems: tuple[str, str]) -> InvalidRequest:
    """The error for a body, with what is wrong with which field."""
    errors = [{"field": name, "detail": detail} for name, detail in problems]
    return InvalidRequest("The body is not acceptable.", members={"validation_errors": errors})


def wish(body: Mapping[str, Any], client: Client) -> Wish:
    """What a `connect` body asks. Raises `InvalidRequest` with `validation_errors`."""
    wrong: list[tuple[str, str]] = []

    def text(name: str, longest: int, *, needed: bool = True) -> str:
        value = body.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str) or not 1 <= len(value) <= longest or "\x00" in value:
            wrong.append((name, f"must be a string of 1 to {longest} characters"))
            return ""
        return value

    found = Wish(
        connection=text("connection", 128), redirect_uri=text("redirect_uri", 2048), challenge=text("code_challenge", 128),
        state=text("state", 4096, needed=False) or None, scopes=_scopes(body.get("scopes"), wrong),
        authorization_params=_params(body.get("authorization_params"), wrong),
    )  # fmt: skip
    if not wrong and not _CHALLENGE.fullmatch(found.challenge):
        wrong.append(("code_challenge", "must be an S256 challenge of 43 to 128 characters"))
    if body.get("code_challenge_method") != "S256":
        wrong.append(("code_challenge_method", "must be S256"))
    if not wrong and not any(redirects.matches(found.redirect_uri, known) for known in client.redirect_uris):
        wrong.append(("redirect_uri", "is not registered for this client"))
    if wrong:
        raise invalid(*wrong)
    return found


def _scopes(value: Any, wrong: list[tuple[str, str]]) -> tuple[str, ...]:
    if value is None:
        return ()
    good = isinstance(value, list) and len(value) <= 100
    if not good or not all(isinstance(s, str) and 0 < len(s) <= 512 and s.isascii() and s.isprintable() for s in value):
        wrong.append(("scopes", "must be a list of at most 100 scopes"))
        return ()
    return tuple(dict.fromkeys(value))


def _params(value: Any, wrong: list[tuple[str, str]]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > 20:
        wrong.append(("authorization_params", "must be an object of at most 20 members"))
        return {}
    found = {}
    for name, item in value.items():
        # In JSON a client may write `"max_age": 0`; in a URL everything is text.
        text = str(item).lower() if isinstance(item, bool) else str(item) if isinstance(item, int) else item
        if name.lower() in RESERVED:  # some providers do not mind capitals
            wrong.append(("authorization_params", f"may not set {name}"))
        elif not isinstance(text, str) or len(text) > 1024 or "\x00" in text or not name.isprintable():
            wrong.append(("authorization_params", f"{name[:60]!r} must be a string of at most 1024 characters"))
        else:
            found[name] = text
    return {} if wrong else found


def usable(connection: Connection | None, client: Client | None) -> Connection:
    """The connection, if accounts can be connected through it, for this client. Raises `NotFound`: whether it exists
    is not for everybody to know. Without a client, the person came by themselves."""
    if connection is None or "connected_accounts" not in connection.use:
        raise NotFound
    if client is not None and connection.name not in client.connections:
        raise NotFound
    return connection


def scopes_to_ask(connection: Connection, client: Client | None, asked: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked for: what the client names, or all that it may borrow. Raises `InvalidRequest`."""
    open_ = client.connections.get(connection.name, ()) if client else connection.scopes
    allowed = [scope for scope in open_ if scope in connection.scopes]
    beyond = [scope for scope in asked if scope not in allowed]
    if beyond:
        raise invalid(("scopes", f"this client may not ask for {beyond[0]!r}"))
    return tuple(dict.fromkeys(asked or allowed))


def on_top(connection: Connection, asked: tuple[str, ...], account: ConnectedAccount | None) -> tuple[str, ...]:
    """What the provider is asked for: that, on top of what the account has, so that one agent's wish does not take away what
    another was given."""
    granted = account.scopes if account else ()
    return tuple(dict.fromkeys((*asked, *(scope for scope in granted if scope in connection.scopes))))


def renews(there: Iterable[ConnectedAccount], fresh: ConnectedAccount, meant: str | None) -> ConnectedAccount | None:
    """The account that a provider's answer renews, None when it brought another one. `meant` is the person's own word.

    Who the provider says it is outranks it: a person who signs in there as somebody else connects that account, and the one
    that they meant stays as it is. Otherwise an agent that may use the one would find the other in its place.
    """
    alive = [account for account in there if account.state != "disconnected"]
    word = next((account for account in alive if account.id == meant), None)
    if fresh.upstream_id is None:
        return word
    same = next((account for account in alive if account.upstream_id == fresh.upstream_id), None)
    return same or (word if word and word.upstream_id is None else None)


def open_to(attempt: ConnectAttempt | None, user: User, now: int) -> ConnectAttempt:
    """The flow of a link, for the person whose agent asked for it. Raises `NotFound`, the same for every reason: a link in
    the wrong hands tells nothing.

    Without this check an attacker sends somebody their own link and ends up with that person's account connected to
    themselves, or the other way round.
    """
    if attempt is None or attempt.user_id != user.id or attempt.expires_at <= now or attempt.step not in {ASKED, SENT}:
        raise NotFound(detail="no such connect flow for this person")
    if attempt.shared and not user.administrator:
        raise NotFound(detail="the person does not administer any more")
    return attempt


def came_back(
    attempt: ConnectAttempt | None, connection: Connection | None, path: str, user: User, *, iss: str | None, now: int
) -> tuple[ConnectAttempt, Connection]:
    """The flow that a provider's answer belongs to. Raises `NotFound` or `InvalidRequest`.

    The answer must come to the address of the connection that the person was sent to, and an issuer that it names must be
    that connection's (RFC 9207): a code of one provider never reaches another (RFC 9700 section 4.4).
    """
    found = open_to(attempt, user, now)
    if found.step != SENT or connection is None or found.connection != connection.name or connection.name != path:
        raise InvalidRequest("This answer belongs to another request.", detail="mix-up: wrong address for this state")
    if connection.issuer is not None and iss is not None and iss != connection.issuer:
        raise InvalidRequest("This answer is from another provider.", detail="mix-up: wrong iss")
    return found, connection


def callback(issuer_url: str, connection: str) -> str:
    """The redirect URI of a connection: each has its own (RFC 9700 section 4.4.2)."""
    return f"{issuer_url}/connect/callback/{quote(connection, safe='')}"


def hinted(connection: Connection, account: ConnectedAccount | None) -> dict[str, str]:
    """The parameter that tells the provider which account the person means: to no other provider than the account's own. A label
    with a space in it is a name that nobody signs in with."""
    label = account.label if account and belongs(account, connection) else None
    return {connection.login_hint: label} if connection.login_hint and label and " " not in label else {}


def authorization_url(
    connection: Connection, attempt: ConnectAttempt, *, redirect_uri: str, state: str, challenge: str,
    account: ConnectedAccount | None = None,
) -> str:  # fmt: skip
    """Where the person is sent. What they chose (`account`) outranks the client's parameters, the operator's outrank both, and
    ours all."""
    parts = urlsplit(connection.authorization_endpoint)
    scopes = connection.scope_separator.join(dict.fromkeys((*attempt.scopes, *beside(connection))))
    own = {
        "response_type": "code", "client_id": connection.client_id, "redirect_uri": redirect_uri, "state": state,
        connection.scope_parameter: scopes,
    }  # fmt: skip
    if connection.pkce == "S256":
        own |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    params = dict(parse_qsl(parts.query, keep_blank_values=True)) | attempt.authorization_params
    params |= hinted(connection, account)
    params |= connection.authorization_params | {name: value for name, value in own.items() if value}
    return urlunsplit(parts._replace(query=urlencode(params)))


def return_url(redirect_uri: str, **params: str | None) -> str:
    """The client's redirect URI with these parameters; what it had stays."""
    parts = urlsplit(redirect_uri)
    added = urlencode({name: value for name, value in params.items() if value is not None})
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))

"""Who may have which token: codes, families of refresh tokens, access tokens.

Every method runs without awaiting, so in one event loop each is atomic: of two racing redemptions one wins.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

SCOPES = {
    "calendar.read": "See the events in your calendar",
    "calendar.write": "Add events to your calendar",
    "chat.write": "Post messages in chat as you",
}

_CODE_SECONDS = 60


class OAuthError(Exception):
    """An error of RFC 6749 section 5.2 or RFC 6750 section 3.1: its code, HTTP status and a sentence."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who uses Meridian. Passwords are in clear, because these people are made up."""

    id: str
    email: str
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """An application that was registered with Meridian by hand."""

    id: str
    secret: str = field(repr=False)
    name: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint hands out; ``expires_in`` in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(slots=True)
class _Family:
    """One consent and everything that was issued from it (RFC 9700 section 4.14.2)."""

    client_id: str
    account: Account
    scopes: tuple[str, ...]
    live: bool = True


@dataclass(slots=True)
class _Code:
    family: _Family
    redirect_uri: str
    challenge: str
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class _Refresh:
    family: _Family
    used_at: float | None = None


@dataclass(slots=True)
class _Access:
    family: _Family
    scopes: tuple[str, ...]
    expires_at: float


class Authority:
    """Meridian's authorization server, without HTTP.

    Args:
        accounts: the people who can sign in.
        clients: the applications that may ask.
        access_seconds: life of an access token.
        rotates: whether a refresh token is good for one use only.
        grace_seconds: how long a spent refresh token is answered once more, for a caller whose reply was lost.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        clients: Iterable[Client],
        *,
        access_seconds: int = 300,
        rotates: bool = True,
        grace_seconds: float = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.accounts = {account.email: account for account in accounts}
        self.clients = {client.id: client for client in clients}
        self.access_seconds = access_seconds
        self.rotates = rotates
        self.grace_seconds = grace_seconds
        self.clock = clock
        self._codes: dict[str, _Code] = {}
        self._refresh: dict[str, _Refresh] = {}
        self._access: dict[str, _Access] = {}

    def sign_in(self, email: str, password: str) -> Account | None:
        """Return the account when the password is its own."""
        account = self.accounts.get(email.strip().lower())
        expected = account.password if account else secrets.token_urlsafe()
        return account if hmac.compare_digest(password.encode(), expected.encode()) else None

    def client(self, client_id: str, secret: str) -> Client:
        """Return the client that knows this secret.

        Raises:
            OAuthError: ``invalid_client``.
        """
        client = self.clients.get(client_id)
        expected = client.secret if client else secrets.token_urlsafe()
        if not hmac.compare_digest(secret.encode(), expected.encode()) or client is None:
            raise OAuthError("invalid_client", "unknown client, or the wrong secret", 401)
        return client

    def grant(
        self, client: Client, account: Account, scopes: tuple[str, ...], redirect_uri: str, challenge: str
    ) -> str:
        """Record the account's consent and return an authorization code, good for one minute and one use."""
        code = secrets.token_urlsafe(32)
        family = _Family(client.id, account, scopes)
        self._codes[code] = _Code(family, redirect_uri, challenge, self.clock() + _CODE_SECONDS)
        return code

    def redeem(self, client: Client, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """Exchange a code (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

        Raises:
            OAuthError: ``invalid_grant``; a second use also ends what the first one issued (RFC 6749 section 4.1.2).
        """
        held = self._codes.get(code)
        if held is None or held.family.client_id != client.id:
            raise OAuthError("invalid_grant", "unknown code")
        if held.used:
            held.family.live = False
            raise OAuthError("invalid_grant", "the code was used before")
        held.used = True
        if self.clock() >= held.expires_at:
            raise OAuthError("invalid_grant", "the code has expired")
        if redirect_uri != held.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not the one that the code was issued for")
        if not hmac.compare_digest(s256(verifier), held.challenge):
            raise OAuthError("invalid_grant", "code_verifier does not match the challenge")
        return self._issue(held.family, held.family.scopes)

    def rotate(self, client: Client, refresh_token: str, scopes: tuple[str, ...] | None = None) -> Tokens:
        """Exchange a refresh token for a new pair; the old one is spent where refresh tokens rotate.

        Args:
            client: who asks.
            refresh_token: the newest of its family.
            scopes: a subset for the access token alone; ``None`` keeps all.

        Raises:
            OAuthError: ``invalid_grant``, and on reuse the whole family ends (RFC 9700 section 4.14.2);
                ``invalid_scope``, which spends nothing.
        """
        held = self._refresh.get(refresh_token)
        if held is None or held.family.client_id != client.id or not held.family.live:
            raise OAuthError("invalid_grant", "unknown or revoked refresh token")
        if held.used_at is not None and self.clock() >= held.used_at + self.grace_seconds:
            held.family.live = False
            raise OAuthError("invalid_grant", "the refresh token was used before; access has been withdrawn")
        if scopes is not None and not set(scopes) <= set(held.family.scopes):
            raise OAuthError("invalid_scope", "more than was granted")
        if self.rotates and held.used_at is None:
            held.used_at = self.clock()
        return self._issue(held.family, held.family.scopes if scopes is None else scopes)

    def revoke(self, client: Client, token: str) -> None:
        """Revoke a token of this client; others are passed over in silence (RFC 7009 section 2.2)."""
        if (refresh := self._refresh.get(token)) and refresh.family.client_id == client.id:
            refresh.family.live = False
        elif (access := self._access.get(token)) and access.family.client_id == client.id:
            del self._access[token]

    def bearer(self, token: str, scope: str | None) -> Account:
        """Return whose access token this is, given that it carries ``scope``.

        Raises:
            OAuthError: ``invalid_token`` (401) or ``insufficient_scope`` (403), RFC 6750 section 3.1.
        """
        held = self._access.get(token)
        if held is None or not held.family.live or self.clock() >= held.expires_at:
            raise OAuthError("invalid_token", "unknown, expired or revoked access token", 401)
        if scope is not None and scope not in held.scopes:
            raise OAuthError("insufficient_scope", f"this needs {scope}", 403)
        return held.family.account

    def expire_access(self, account_id: str | None = None) -> int:
        """Age every access token (of one account) past its life; return how many."""
        aged = [held for held in self._access.values() if account_id in {None, held.family.account.id}]
        for held in aged:
            held.expires_at = 0
        return len(aged)

    def withdraw(self, account_id: str | None = None) -> int:
        """End every consent (of one account), as its owner would in the settings; return how many."""
        families = {
            id(held.family): held.family
            for held in self._refresh.values()
            if held.family.live and account_id in {None, held.family.account.id}
        }
        for family in families.values():
            family.live = False
        return len(families)

    def _issue(self, family: _Family, scopes: tuple[str, ...]) -> Tokens:
        access, refresh = "mda_" + secrets.token_urlsafe(32), "mdr_" + secrets.token_urlsafe(32)
        self._access[access] = _Access(family, scopes, self.clock() + self.access_seconds)
        self._refresh[refresh] = _Refresh(family)
        return Tokens(access, refresh, self.access_seconds, scopes)


def s256(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

"""The authorization server as one client sees it: authenticated requests, and answers that were looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import jose
from .clock import Clock
from .credential import Credential
from .dpop import ProofKey
from .errors import Misconfigured, NotAllowed, RemitError, SignInRequired, StepUpRequired, Unavailable, plain
from .issuer import Issuer
from .tokens import Token
from .transport import Reply, Transport

_LEEWAY = 10
_NOT_ALLOWED = frozenset(
    {"access_denied", "consent_required", "forbidden", "invalid_scope", "invalid_target", "unauthorized_client"}
)
_LATER = frozenset({"slow_down", "temporarily_unavailable", "too_many_requests", "server_error"})
_SIGN_IN = frozenset({"invalid_grant", "login_required", "interaction_required", "invalid_token"})


@dataclass(frozen=True)
class OAuthRefusal:
    """A well-formed OAuth error (RFC 6749 section 5.2). A value, since callers branch on it."""

    error: str
    members: Mapping[str, Any]
    retry_after: int | None = None

    def as_error(self) -> RemitError:
        """What the refusal means where nothing more particular is known."""
        said = plain(str(self.members.get("error_description", "")))
        message = f"{plain(self.error, 80)}: {said}" if said else plain(self.error, 80)
        if self.error == "insufficient_user_authentication":
            acr = self.members.get("acr_values")
            return StepUpRequired(acr=acr if isinstance(acr, str) else None)
        if self.error in _SIGN_IN:
            return SignInRequired(message)
        if self.error in _NOT_ALLOWED:
            policy = self.members.get("policy")
            return NotAllowed(message, policy=policy if isinstance(policy, str) else None)
        if self.error in _LATER:
            return Unavailable(message, retry_after=self.retry_after)
        return Misconfigured(message, oauth_error=self.error)


Answer = Mapping[str, Any] | OAuthRefusal


class Server:
    """Sends what the verbs ask for; knows the client's name, its credential, and nothing about users."""

    def __init__(
        self, issuer: Issuer, transport: Transport, *, client_id: str, credential: Credential, clock: Clock
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.credential = credential
        self.clock = clock
        self.transport = transport

    async def post(
        self, endpoint: str, form: Mapping[str, str | None], *, key: ProofKey | None = None, wait: int = 0
    ) -> Answer:
        """Post a form to a discovered endpoint, as this client, with a DPoP proof when there is a key.

        A server that asks for a nonce gets the request once more (RFC 9449 section 8). One that can may hold its answer for
        ``wait`` seconds until there is news (RFC 7240 section 4.3).

        Raises:
            Unavailable: there was no answer in OAuth's form.
            Misconfigured: the server has no such endpoint.
        """
        return await self.post_to(await self.issuer.endpoint(endpoint), form, key=key, wait=wait)

    async def post_to(
        self, url: str, form: Mapping[str, str | None], *, key: ProofKey | None = None, wait: int = 0
    ) -> Answer:
        """The same, to one of the issuer's own pages."""
        filled = {name: value for name, value in form.items() if value is not None}
        reply = await self._post_form(url, filled, key, wait)
        if key is not None and (reply.json() or {}).get("error") == "use_dpop_nonce" and "dpop-nonce" in reply.headers:
            reply = await self._post_form(url, filled, key, wait)
        return self._judge(reply)

    async def ask(self, url: str, question: Mapping[str, Any]) -> Answer:
        """Post JSON as this client to one of the server's own APIs."""
        headers, members = self.credential.present(self.client_id, self.issuer.identifier, self.clock.now())
        return self._judge(await self.transport.send("POST", url, headers=headers, body={**question, **members}))

    def token(self, answer: Mapping[str, Any], key: ProofKey | None, scopes: Iterable[str] = ()) -> Token:
        """The access token in a successful answer.

        Raises:
            Unavailable: there is none, or it is not bound to the key although it was asked for with one. A Bearer token
                taken in its place would be a downgrade (RFC 9449 section 5).
        """
        value, kind, lifetime = (answer.get(name) for name in ("access_token", "token_type", "expires_in"))
        wanted = "bearer" if key is None else "dpop"
        if not isinstance(value, str) or not value or not isinstance(kind, str) or kind.lower() != wanted:
            raise Unavailable(f"the token endpoint gave no {wanted} token")
        stated = answer.get("scope")
        return Token(
            value,
            scopes=stated.split() if isinstance(stated, str) else scopes,
            expires_at=int(self.clock.now()) + lifetime if isinstance(lifetime, int) else None,
            key=key,
            clock=self.clock,
        )

    async def access(self, token: str) -> dict[str, Any]:
        """The claims of our issuer's access token. Its audience is for the caller to judge.

        Raises:
            jose.BadToken: it does not hold.
            Unavailable: the issuer's keys cannot be had.
        """
        head = jose.header(token)
        jose.typed(head, "at+jwt")  # RFC 9068 section 4: neither an ID token nor a logout token passes for one
        return await self._claims(token, head)

    async def identity(self, id_token: str) -> dict[str, Any]:
        """The claims of an ID token that our issuer made for this client (OpenID Connect Core section 3.1.3.7).

        Raises:
            jose.BadToken: it does not hold.
            Unavailable: the issuer's keys cannot be had.
        """
        head = jose.header(id_token)
        if str(head.get("typ", "JWT")).upper() != "JWT":
            raise jose.BadToken("not an ID token")
        claims = await self._claims(id_token, head)
        if claims.get("aud") not in (self.client_id, [self.client_id]):
            raise jose.BadToken("for another client")
        return claims

    async def _claims(self, token: str, head: Mapping[str, Any]) -> dict[str, Any]:
        claims = jose.verified(token, await self.issuer.key(head.get("kid")))
        now = self.clock.now()
        expires = claims.get("exp")
        if claims.get("iss") != self.issuer.identifier:
            raise jose.BadToken("from another issuer")
        if not isinstance(expires, int | float) or expires <= now - _LEEWAY:
            raise jose.BadToken("expired")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise jose.BadToken("names no subject")
        return claims

    async def _post_form(self, url: str, form: Mapping[str, str], key: ProofKey | None, wait: int) -> Reply:
        # The assertion and the proof are made anew each time: a server sees each of their ids once.
        headers, credentials = self.credential.present(self.client_id, self.issuer.identifier, self.clock.now())
        if wait:
            headers["Prefer"] = f"wait={wait}"
        if key is not None:
            headers["DPoP"] = key.proof("POST", url, now=self.clock.now())
        reply = await self.transport.send("POST", url, headers=headers, form={**form, **credentials})
        if key is not None:
            key.remember(url, reply.headers.get("dpop-nonce"))
        return reply

    def _judge(self, reply: Reply) -> Answer:
        found = reply.json()
        retry_after = reply.retry_after(self.clock.now())
        if reply.status in {200, 201} and found is not None:
            return found
        error = (found or {}).get("error")
        if 400 <= reply.status < 500 and isinstance(error, str) and found is not None:
            return OAuthRefusal(error, found, retry_after)
        raise Unavailable(f"the authorization server answered HTTP {reply.status}", retry_after=retry_after)

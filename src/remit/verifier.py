"""The API's side: let nobody pass but a caller with a token of this issuer, for this API, and with its key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from . import dpop, jose
from .caller import Caller, actors, frozen
from .clock import SYSTEM, Clock
from .credential import ClientSecret, PrivateKey
from .errors import AuthenticationRequired
from .issuer import Issuer
from .replay import MemoryReplayStore, ReplayStore, Seen
from .server import Server
from .spending import AtTheIssuer, Offline, Spending
from .tokens import Token
from .transport import Transport


class Verifier:
    """Verifies RFC 9068 access tokens and DPoP proofs. Make one per API and call it once per request.

    Args:
        issuer: the one issuer that is trusted, byte for byte.
        audience: this API's identifier, byte for byte. A token for any other is refused.
        algorithms: what is accepted, at most RS256, PS256, ES256 and EdDSA. Each key is used with its own kind only.
        leeway: seconds by which clocks may differ.
        proof_window: seconds for which a DPoP proof is good.
        store: remembers proofs and, offline, spent approvals; by default in memory, hence for a single process.
        client_id: this API's own client at the issuer, with ``credential``. With it approvals are used up there; without, the
            verifier is offline, and ``once`` says what that means.
        credential: its secret, or a ``PrivateKey``.
        resource_metadata: URL of this API's RFC 9728 document, named in challenges.
        http: an ``httpx2.AsyncClient`` of your own; it stays yours to close.
        clock: for tests.

    Raises:
        Misconfigured: the issuer is no https URL (or http on loopback).
        ValueError: an algorithm is not on the list above, the audience is empty, or one of ``client_id`` and ``credential`` is
            missing.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        algorithms: Sequence[str] = jose.ALGORITHMS,
        leeway: int = 10,
        proof_window: int = 60,
        store: ReplayStore | None = None,
        client_id: str | None = None,
        credential: str | PrivateKey | None = None,
        resource_metadata: str | None = None,
        http: httpx2.AsyncClient | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        if not audience or not algorithms or not set(algorithms) <= set(jose.ALGORITHMS):
            raise ValueError(f"a verifier needs an audience, and algorithms among {', '.join(jose.ALGORITHMS)}")
        self.audience = audience
        self.resource_metadata = resource_metadata
        self._transport = Transport(http)
        self._issuer = Issuer(issuer, self._transport, clock)
        self._algorithms = tuple(algorithms)
        self._leeway = leeway
        self._window = proof_window
        self._store = store or MemoryReplayStore()
        self._clock = clock
        if (client_id is None) != (credential is None):
            raise ValueError("client_id and credential go together: without both, approvals are spent offline")
        self._spending: Spending
        if client_id is not None and credential is not None:
            proof = ClientSecret(credential) if isinstance(credential, str) else credential
            server = Server(self._issuer, self._transport, client_id=client_id, credential=proof, clock=clock)
            self._spending = AtTheIssuer(server)
        else:
            self._spending = Offline(self._store, leeway=leeway, clock=clock)

    @property
    def once(self) -> str:
        """How far it reaches that an approval is used up: in words, for a log or a page of the operator's."""
        return self._spending.words

    @property
    def issuer(self) -> str:
        """The trusted issuer."""
        return self._issuer.identifier

    async def __call__(self, authorization: str | None, *, method: str, url: str, dpop: Sequence[str] = ()) -> Caller:
        """Verify one request.

        Args:
            authorization: the ``Authorization`` field; None when there is none.
            method: the HTTP method.
            url: the URL that the client called, scheme and host included, as seen from outside any proxy.
            dpop: every ``DPoP`` field of the request. More than one is refused, so pass them all.

        Raises:
            AuthenticationRequired: 401; ``str(error)`` has the cause for the log.
            Unavailable: the issuer's keys, or the replay store, cannot be had; answer 503.
        """
        if not authorization:
            raise self._refusal("no access token", code="")
        scheme, _, value = authorization.partition(" ")
        kind = {"bearer": "Bearer", "dpop": "DPoP"}.get(scheme.lower())
        if kind is None or not value or not value.isascii() or " " in value:
            raise self._refusal("not a Bearer or DPoP token", code="")
        try:
            claims = await self._token(value)
            thumbprint = _binding(claims, kind)
            chain = actors(claims)
        except (jose.BadToken, ValueError) as cause:
            raise self._refusal(str(cause), scheme=kind) from None
        if thumbprint is not None:
            await self._proof(dpop, method=method, url=url, access_token=value, thumbprint=thumbprint)
        return Caller(
            sub=claims["sub"],
            agent=chain[0],
            actors=chain,
            scopes=frozenset(str(claims.get("scope", "")).split()),
            details=tuple(claims.get("authorization_details", ())),
            claims=frozen(claims),
            token=Token(value, scopes=str(claims.get("scope", "")).split(), expires_at=int(claims["exp"])),
            _spending=self._spending,
            _resource_metadata=self.resource_metadata,
            _audience=self.audience,
        )

    async def aclose(self) -> None:
        """Close the connections to the issuer."""
        await self._transport.aclose()

    def __repr__(self) -> str:
        return f"Verifier({self.issuer!r}, {self.audience!r})"

    async def _token(self, token: str) -> dict[str, Any]:
        """The order of checks: kind, algorithm, key, signature, then what the claims say."""
        head = jose.header(token)
        jose.typed(head, "at+jwt")
        if head.get("alg") not in self._algorithms:
            raise jose.BadToken("algorithm not accepted")
        claims = jose.verified(token, await self._issuer.key(head.get("kid")))
        self._judge(claims)
        return claims

    def _judge(self, claims: Mapping[str, Any]) -> None:
        """RFC 9068 section 4, with every claim that section 2.2 requires."""
        now = self._clock.now()
        audience, details = claims.get("aud"), claims.get("authorization_details", [])
        if claims.get("iss") != self._issuer.identifier:
            raise jose.BadToken("from another issuer")
        if audience != self.audience and not (isinstance(audience, list) and self.audience in audience):
            raise jose.BadToken("for another audience")
        for name in ("sub", "client_id", "jti"):
            if not isinstance(claims.get(name), str) or not claims[name]:
                raise jose.BadToken(f"no {name}")
        if not _moment(claims.get("exp")) or claims["exp"] <= now - self._leeway:
            raise jose.BadToken("expired")
        if not _moment(claims.get("iat")) or claims["iat"] > now + self._leeway:
            raise jose.BadToken("issued in the future")
        if "nbf" in claims and (not _moment(claims["nbf"]) or claims["nbf"] > now + self._leeway):
            raise jose.BadToken("not yet valid")
        if not isinstance(claims.get("scope", ""), str):
            raise jose.BadToken("malformed scope")
        if not isinstance(details, list) or not all(
            isinstance(d, dict) and isinstance(d.get("type"), str) for d in details
        ):
            raise jose.BadToken("malformed authorization_details")

    async def _proof(self, proofs: Sequence[str], *, method: str, url: str, access_token: str, thumbprint: str) -> None:
        now = self._clock.now()
        try:
            proof = dpop.check_proof(
                proofs,
                method=method,
                url=url,
                access_token=access_token,
                thumbprint=thumbprint,
                now=now,
                window=self._window,
            )
            name = hashlib.sha256(f"{proof.thumbprint}\n{proof.jti}".encode()).hexdigest()
            await self._store.take(f"proof:{name}", until=proof.issued_at + self._window + 1, now=int(now))
        except jose.BadToken as cause:
            raise self._refusal(str(cause), code="invalid_dpop_proof", scheme="DPoP") from None
        except Seen:
            raise self._refusal("the proof was used before", code="invalid_dpop_proof", scheme="DPoP") from None

    def _refusal(self, cause: str, *, code: str = "invalid_token", scheme: str = "Bearer") -> AuthenticationRequired:
        return AuthenticationRequired(
            cause,
            code=code,
            scheme=scheme,
            algorithms=self._algorithms,
            resource_metadata=self.resource_metadata,
        )


def _binding(claims: Mapping[str, Any], scheme: str) -> str | None:
    """The key thumbprint in ``cnf``. A binding of another kind cannot be checked here, so it is refused."""
    # RFC 9449 section 7.2: a bound token is never good as Bearer, nor an unbound one as DPoP.
    if ("cnf" in claims) != (scheme == "DPoP"):
        raise jose.BadToken("bound to a key and not sent as DPoP, or the other way round")
    if "cnf" not in claims:
        return None
    cnf = claims["cnf"]
    if not isinstance(cnf, dict) or set(cnf) != {"jkt"} or not isinstance(cnf["jkt"], str):
        raise jose.BadToken("bound in a way that cannot be checked")
    return str(cnf["jkt"])


def _moment(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

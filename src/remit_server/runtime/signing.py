"""Our signing keys, and the one place that signs.

Signing is by hand over `cryptography`, because it is the hottest thing the server does and the header never changes; a
property test holds every result against joserfc. Verifying is never by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from remit_server.records import Event, SigningKey
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import base64url, new_id
from remit_server.storage.contract import Lost
from remit_server.storage.store import Store

ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
_KEEP_RETIRED: Final = 86400
"""How long a retired key stays in the JWKS: longer than anything that it signed."""

_PUBLIC: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
"""The public members of a JWK of each type (RFC 7518 sections 6.2.1 and 6.3.1, RFC 8037 section 2)."""

_encode = msgspec.json.Encoder().encode


class Signer:
    """A private key, ready to sign. `kid` and `alg` are public."""

    def __init__(self, key: SigningKey) -> None:
        self.kid, self.alg = key.kid, key.alg
        self._headers: dict[str, bytes] = {}
        self._sign = _signature(_private(key.jwk), key.alg)

    def sign(self, typ: str, claims: Mapping[str, Any]) -> str:
        """A compact JWS (RFC 7515) with `typ`, `alg` and `kid` in its header."""
        header = self._headers.get(typ)
        if header is None:
            header = base64url(_encode({"alg": self.alg, "kid": self.kid, "typ": typ})).encode()
            self._headers[typ] = header
        signed = header + b"." + base64url(_encode(claims)).encode()
        return signed.decode() + "." + base64url(self._sign(signed))


def _private(jwk: Mapping[str, Any]) -> Any:
    if jwk["kty"] != "RSA":
        return JWKRegistry.import_key(dict(jwk)).private_key
    n, e, d, p, q, dp, dq, qi = (
        int.from_bytes(urlsafe_b64decode(jwk[name].encode())) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi")
    )
    numbers = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n))
    # It is ours, and whoever could alter it would have to break its seal: proving its primes anew would only slow the start.
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _public(key: SigningKey) -> dict[str, Any]:
    """What the world may see of a key (RFC 7517 section 4): the members are named, so no other can slip out."""
    return {**{name: key.jwk[name] for name in _PUBLIC[key.jwk["kty"]]}, "kid": key.kid, "alg": key.alg, "use": "sig"}


def _signature(private: Any, alg: str) -> Callable[[bytes], bytes]:
    match private, alg:
        case rsa.RSAPrivateKey(), "RS256":
            pkcs1 = padding.PKCS1v15()
            return lambda signed: private.sign(signed, pkcs1, hashes.SHA256())
        case rsa.RSAPrivateKey(), "PS256":
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
            return lambda signed: private.sign(signed, pss, hashes.SHA256())
        case ec.EllipticCurvePrivateKey(), "ES256":
            ecdsa = ec.ECDSA(hashes.SHA256())

            def sign_es256(signed: bytes) -> bytes:
                r, s = decode_dss_signature(private.sign(signed, ecdsa))
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")  # RFC 7518 section 3.4

            return sign_es256
        case ed25519.Ed25519PrivateKey(), "EdDSA":
            return private.sign
    raise ValueError(f"this key cannot sign {alg}")


def new_signing_key(alg: str, now: int, *, state: str = "current") -> SigningKey:
    """A fresh key pair: RSA 2048, P-256 or Ed25519."""
    key = _generate(alg)
    kid = key.thumbprint()  # RFC 7638
    jwk = {**key.as_dict(private=True), "kid": kid, "alg": alg, "use": "sig"}
    return SigningKey(kid=kid, alg=alg, jwk=jwk, state=state, created_at=now)  # type: ignore[arg-type]


def _generate(alg: str) -> RSAKey | ECKey | OKPKey:
    match alg:
        case "RS256" | "PS256":
            return RSAKey.generate_key(2048)
        case "ES256":
            return ECKey.generate_key("P-256")
        case "EdDSA":
            return OKPKey.generate_key("Ed25519")
    raise ValueError(f"{alg} is not an algorithm that we sign with")


class KeyRing:
    """The current key of each algorithm, and the public halves of all that a verifier may still meet."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._current: dict[str, Signer] = {}
        self._public: list[tuple[int | None, dict[str, Any]]] = []
        self._stale = True
        store.engine.listen(self._hear)

    def _hear(self, topic: str) -> None:
        if topic == "*" or topic.startswith("signing_keys:"):
            self._stale = True

    async def load(self) -> None:
        """Read the keys; make those that are missing (the very first start)."""
        self._stale = False  # before reading: a wake that comes meanwhile counts
        try:
            await self._read()
        except BaseException:
            self._stale = True
            raise

    async def _read(self) -> None:
        now = self._clock.now()
        keys = await self._store.signing_keys.all()
        for alg in ALGORITHMS:
            if not any(key.alg == alg and key.state == "current" for key in keys):
                await self._create(new_signing_key(alg, now))
                keys = await self._store.signing_keys.all()
        current: dict[str, SigningKey] = {}
        for key in sorted(keys, key=lambda key: (key.created_at, key.kid)):
            if key.state == "current":
                current[key.alg] = key
        self._current = {
            alg: old if (old := self._current.get(alg)) and old.kid == key.kid else Signer(key)
            for alg, key in current.items()
        }
        self._public = [(key.retired_at, _public(key)) for key in keys]

    async def _create(self, key: SigningKey) -> None:
        event = Event(id=new_id(), at=key.created_at, kind="key.created", subject=key.kid, about={"alg": key.alg})
        await self._store.commit(self._store.signing_keys.add(key), events=(event,), wakes=(f"signing_keys:{key.kid}",))

    async def signer(self, alg: str) -> Signer:
        if self._stale:
            await self.load()
        return self._current[alg]

    async def jwks(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517 section 5): current, coming and lately retired keys, public halves only."""
        if self._stale:
            await self.load()
        since = self._clock.now() - _KEEP_RETIRED
        return {"keys": [jwk for retired_at, jwk in self._public if retired_at is None or retired_at > since]}

    async def rotate_older_than(self, seconds: int) -> None:
        """Rotate every current key that was made longer ago than this; 0 rotates none."""
        now = self._clock.now()
        for key in await self._store.signing_keys.all():
            if seconds and key.state == "current" and key.created_at + seconds <= now:
                await self.rotate(key.alg)

    async def rotate(self, alg: str) -> str:
        """Retire the current key of an algorithm and start a new one; both stay published. The new `kid`."""
        now = self._clock.now()
        fresh = new_signing_key(alg, now)
        steps = [
            self._store.signing_keys.move(key.kid, was="current", state="retired", retired_at=now)
            for key in await self._store.signing_keys.all()
            if key.alg == alg and key.state == "current"
        ]
        event = Event(id=new_id(), at=now, kind="key.rotated", subject=fresh.kid, about={"alg": alg})
        try:
            await self._store.commit(
                *steps, self._store.signing_keys.add(fresh), events=(event,), wakes=(f"signing_keys:{fresh.kid}",)
            )
        except Lost:  # another node rotated in this moment: its key is as fresh as ours would have been
            self._stale = True
            return (await self.signer(alg)).kid
        return fresh.kid

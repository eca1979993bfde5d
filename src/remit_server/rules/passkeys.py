"""Passkeys (WebAuthn Level 3): what a browser is asked for, and whether its answer proves what it should.

Nothing here knows what a challenge is for. Whoever asks chooses the bytes, random ones or the digest of what a person is to
approve, and holds the answer against the same bytes; that they count once is the caller's to see to.

Who made an authenticator is not asked: no attestation is wanted, so none is judged.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from webauthn import base64url_to_bytes, verify_authentication_response, verify_registration_response
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import bytes_to_base64url, parse_attestation_object, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.registration.verify_registration_response import VerifiedRegistration

from remit_server.records import Passkey
from remit_server.rules.visible import hides

ALGORITHMS: Final = (
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
TIMEOUT: Final = 300_000
"""Milliseconds (section 15.1): people look for their phone."""
MOST: Final = 20
"""Passkeys of one person: all of them go into each request of a second step."""
LONGEST_NAME: Final = 60
_LARGEST: Final = 20_000
"""Characters of an answer: a credential id has 1,023 bytes at most, an RSA key some hundreds."""
_TRANSPORTS: Final = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


@dataclass(frozen=True)
class Party:
    """The relying party: us, as browsers know us."""

    id: str
    """The host name, to which passkeys are bound for ever."""
    origin: str
    """Scheme, host and port, as a browser writes them."""


def party_of(issuer: str) -> Party | None:
    """The issuer as a relying party; None when its host is a number, for which browsers have no passkeys (section 5.1.3)."""
    url = urlsplit(issuer)
    host = url.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        usual = {"https": 443, "http": 80}.get(url.scheme)
        port = "" if url.port in {None, usual} else f":{url.port}"
        return Party(host, f"{url.scheme}://{host}{port}")
    return None


def creation(
    party: Party,
    challenge: bytes,
    *,
    organisation: str,
    handle: bytes,
    account: str,
    called: str,
    have: Sequence[Passkey],
) -> dict[str, Any]:
    """Options to make a passkey (PublicKeyCredentialCreationOptionsJSON). An authenticator that holds one of those that
    the person has refuses to make a second."""
    return {
        "rp": {"id": party.id, "name": organisation},
        "user": {"id": bytes_to_base64url(handle), "name": account, "displayName": called},
        "challenge": bytes_to_base64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": int(alg)} for alg in ALGORITHMS],
        "timeout": TIMEOUT,
        "excludeCredentials": _described(have),
        "authenticatorSelection": {
            "residentKey": "preferred", "requireResidentKey": False, "userVerification": "required",
        },
        "attestation": "none",
    }  # fmt: skip


def request(party: Party, challenge: bytes, *, have: Sequence[Passkey] = ()) -> dict[str, Any]:
    """Options to use a passkey (PublicKeyCredentialRequestOptionsJSON): one of these, or whichever the person picks."""
    return {
        "rpId": party.id,
        "challenge": bytes_to_base64url(challenge),
        "timeout": TIMEOUT,
        "allowCredentials": _described(have),
        "userVerification": "required",
    }


def _described(passkeys: Sequence[Passkey]) -> list[dict[str, Any]]:
    return [
        {"type": "public-key", "id": bytes_to_base64url(each.credential), "transports": list(each.transports)}
        for each in passkeys
    ]


@dataclass(frozen=True)
class Answered:
    """What a browser brought back: read, not believed."""

    credential: dict[str, Any]
    id: str
    """Of the passkey that it claims to be of (`Passkey.id`)."""
    challenge: bytes
    """The one that it claims to answer."""
    framed: bool
    """It was asked for in a frame of another site."""


def read(text: str) -> Answered | None:
    """An answer as `toJSON()` gives it; None for what is no answer."""
    if len(text) > _LARGEST:
        return None
    try:
        credential = json.loads(text)
        signed = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        return Answered(
            credential, named(base64url_to_bytes(credential["rawId"])), signed.challenge, bool(signed.cross_origin)
        )
    except Exception:  # noqa: BLE001 - parsers of JSON, base64 and CBOR fail in as many ways as garbage has
        return None


def named(credential_id: bytes) -> str:
    """How a passkey is found (`Passkey.id`)."""
    return hashlib.sha256(credential_id).hexdigest()


def registered(
    party: Party, answer: Answered, challenge: bytes, *, user_id: str, name: str, handle: bytes, now: int
) -> Passkey | None:
    """The new passkey; None when the answer is not one to this challenge, or its person was not verified."""
    verified = _verified_registration(party, answer, challenge)
    if verified is None or len(verified.credential_id) > 1023:  # section 7.1 step 25
        return None
    transports = answer.credential["response"].get("transports")
    return Passkey(
        id=named(verified.credential_id), user_id=user_id, name=name, credential=verified.credential_id,
        public_key=verified.credential_public_key, handle=handle,
        transports=tuple(sorted(_TRANSPORTS.intersection(_texts(transports)))),
        synced=verified.credential_device_type == "multi_device", backed_up=verified.credential_backed_up,
        sign_count=verified.sign_count, created_at=now,
    )  # fmt: skip


def _verified_registration(party: Party, answer: Answered, challenge: bytes) -> VerifiedRegistration | None:
    if answer.framed:
        return None
    try:
        attested = parse_attestation_object(base64url_to_bytes(answer.credential["response"]["attestationObject"]))
        # Asked for none, browsers leave at most the key's signature over itself (section 5.1.3).
        if attested.fmt not in {"none", "packed"} or attested.att_stmt.x5c:
            return None
        return verify_registration_response(
            credential=answer.credential, expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, require_user_verification=True, supported_pub_key_algs=list(ALGORITHMS),
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - as above
        return None


@dataclass(frozen=True)
class Asserted:
    """The person holds the key, and the authenticator has verified them. It counts when `count` is written, once."""

    count: int
    backed_up: bool


@dataclass(frozen=True)
class Refused:
    """`why` is for the trail: a signature that does not hold; another person's name on the key; a key that was said never to
    leave its device, or always to, and changed its mind; a count that went back, as a copy's does."""

    why: Literal["proof", "person", "device", "count"]


def asserted(
    party: Party, answer: Answered, challenge: bytes, passkey: Passkey, *, unasked: bool = False
) -> Asserted | Refused:
    """Whether the holder of a passkey answered this challenge, here and now (section 7.2).

    `unasked`: nobody had said who the person is, so the answer must.
    """
    verified = _verified_assertion(party, answer, challenge, passkey)
    if verified is None:
        return Refused("proof")
    given = answer.credential["response"].get("userHandle")
    handle = base64url_to_bytes(given) if isinstance(given, str) else None  # it was read by the verifier, so it can be
    if (unasked and not handle) or (handle and not hmac.compare_digest(handle, passkey.handle)):
        return Refused("person")
    if (verified.credential_device_type == "multi_device") != passkey.synced:
        return Refused("device")
    count = verified.new_sign_count
    if (count or passkey.sign_count) and count <= passkey.sign_count:
        return Refused("count")
    return Asserted(count, verified.credential_backed_up)


def _verified_assertion(
    party: Party, answer: Answered, challenge: bytes, passkey: Passkey
) -> VerifiedAuthentication | None:
    if answer.framed or answer.id != passkey.id:
        return None
    try:
        return verify_authentication_response(
            credential=answer.credential, expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, credential_public_key=passkey.public_key,
            credential_current_sign_count=0,  # judged above, as what it is
            require_user_verification=True,
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - as above
        return None


def amr(passkey: Passkey) -> tuple[str, ...]:
    """RFC 8176: a key that stays in its device or one that travels, somebody present, and two factors: the key, and what
    opened it. What holds the key is the authenticator's own word, since no attestation backs it."""
    return "swk" if passkey.synced else "hwk", "user", "mfa"


def name_of(typed: str) -> str | None:
    """A name as it is kept; None for one that is empty, too long, or not all to be seen."""
    name = " ".join(typed.split())
    return name if name and len(name) <= LONGEST_NAME and not hides(name) else None


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []

"""Proof of an approval: when it takes one, what a passkey signs for it, and whether what was kept of it still proves it.

A passkey signs a challenge. Ours is no random value but the hash of one sentence, "to approval A, for details D, the answer is
approve", with a nonce that was not known before it was asked. So the signature speaks of this act and of no other.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_authenticator_data,
    parse_client_data_json,
    verify_signature,
)

from remit_server.records import Passkey, SecondFactor
from remit_server.records.evidence import Evidence, Signed
from remit_server.rules.details import canonical
from remit_server.rules.passkeys import Answered, Party

Way = Literal["passkey", "code"]
Accepted = Literal["passkey", "passkey_or_code"]
APPROVE: Final = "approve"


def challenge(approval: str, digest: str, nonce: str, remember: Mapping[str, Any] | None = None) -> bytes:
    """What a passkey signs: SHA-256 over the canonical JSON (RFC 8785) of which request, what of it, the answer, the nonce, and
    the allowance that is given with the answer, if there is one."""
    said = {"answer": APPROVE, "approval": approval, "digest": digest, "nonce": nonce}
    return hashlib.sha256(canonical(said if remember is None else {**said, "remember": dict(remember)})).digest()


def ways(accepted: Accepted, party: Party | None, have: Sequence[Passkey], app: SecondFactor | None) -> tuple[Way, ...]:
    """How this person can prove themselves now. A code never stands in for a passkey that they have: whoever fishes for codes would
    choose it for them."""
    if have and party:
        return ("passkey",)
    return ("code",) if app and accepted == "passkey_or_code" and not have else ()


def kept(
    party: Party,
    answer: Answered,
    passkey: Passkey,
    *,
    approval: str,
    digest: str,
    nonce: str,
    remember: Mapping[str, Any] | None = None,
) -> Signed:
    """What is kept of an answer that was found to hold."""
    response = answer.credential["response"]
    return Signed(
        approval=approval, digest=digest, nonce=nonce, answer=APPROVE,
        remember=None if remember is None else dict(remember), rp_id=party.id, origin=party.origin,
        credential=passkey.credential, public_key=passkey.public_key, algorithm=algorithm(passkey.public_key),
        authenticator_data=base64url_to_bytes(response["authenticatorData"]),
        client_data=base64url_to_bytes(response["clientDataJSON"]), signature=base64url_to_bytes(response["signature"]),
    )  # fmt: skip


def algorithm(public_key: bytes) -> int:
    """The COSE algorithm of a key."""
    return int(decode_credential_public_key(public_key).alg)


def fingerprint(evidence: Evidence) -> str:
    """SHA-256, base64url: by it the trail names evidence, which it does not hold."""
    return bytes_to_base64url(hashlib.sha256(msgspec.json.encode(evidence, order="deterministic")).digest())


def key_fingerprint(public_key: bytes) -> str:
    """The same of a passkey's public half, which the trail names when it is added."""
    return bytes_to_base64url(hashlib.sha256(public_key).digest())


def faults(evidence: Signed) -> list[str]:
    """What of this evidence does not hold, in words; empty when all of it does (WebAuthn Level 3 section 7.2, steps 10 to 20)."""
    try:
        client = parse_client_data_json(evidence.client_data)
        device = parse_authenticator_data(evidence.authenticator_data)
    except Exception:  # noqa: BLE001 - parsers of JSON and CBOR fail in as many ways as garbage has
        return ["it cannot be read"]
    expected = challenge(evidence.approval, evidence.digest, evidence.nonce, evidence.remember)
    judged = {
        "it is no use of a passkey": client.type == "webauthn.get",
        "it is an answer to something else": evidence.answer == APPROVE
        and hmac.compare_digest(client.challenge, expected),
        "it was given to another origin": client.origin == evidence.origin and not client.cross_origin,
        "it is of a passkey for another host": device.rp_id_hash == hashlib.sha256(evidence.rp_id.encode()).digest(),
        "nobody was present": device.flags.up,
        "the person was not verified": device.flags.uv,
        "its signature is not one of its key": _is_signed(evidence),
    }
    return [fault for fault, holds in judged.items() if not holds]


def _is_signed(evidence: Signed) -> bool:
    try:
        key = decode_credential_public_key(evidence.public_key)
        verify_signature(
            public_key=decoded_public_key_to_cryptography(key), signature_alg=key.alg, signature=evidence.signature,
            data=evidence.authenticator_data + hashlib.sha256(evidence.client_data).digest(),
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - as above, and of keys
        return False
    return int(key.alg) == evidence.algorithm

"""What is kept of a proof, so that who approved what can be shown later, without us."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Signed(Struct, frozen=True, kw_only=True, tag_field="way", tag="passkey"):
    """A passkey's signature over an approval (WebAuthn Level 3 section 7.2), and all that verifying it takes."""

    approval: str
    digest: str
    """Names what was approved, edits included."""
    nonce: str
    answer: str
    remember: dict[str, Any] | None = None
    """The allowance that was given with the answer. These five are what the challenge is the hash of."""
    rp_id: str
    origin: str
    credential: bytes
    public_key: bytes
    """A COSE key (RFC 9052 section 7), as the authenticator registered it."""
    algorithm: int
    """Its COSE algorithm (RFC 9053): -7 is ES256, -8 EdDSA, -257 RS256."""
    authenticator_data: bytes
    client_data: bytes
    """The JSON that the browser signed, byte for byte."""
    signature: bytes


class CodeShown(Struct, frozen=True, kw_only=True, tag_field="way", tag="code"):
    """A code of the person's authenticator app (RFC 6238) was right. Only our word says so: its secret is shared with us."""

    approval: str
    digest: str
    step: int
    """The time step whose code it was."""


Evidence = Signed | CodeShown

"""A passkey: a key pair whose private half never leaves the person's authenticator (WebAuthn Level 3)."""

from __future__ import annotations

from msgspec import Struct


class Passkey(Struct, frozen=True, kw_only=True):
    """One of a person's, as its authenticator registered it."""

    id: str
    """SHA-256 of the credential id, hex: the authenticator names the credential, and this finds it."""
    user_id: str
    name: str
    """What the person calls it, to tell it from their others."""
    credential: bytes
    """The credential id, up to 1,023 bytes."""
    public_key: bytes
    """A COSE key (RFC 9052 section 7)."""
    handle: bytes
    """The `user.id` that the authenticator keeps beside the key; says nothing about the person to who finds it there."""
    transports: tuple[str, ...] = ()
    """How browsers may reach the authenticator, in its own words: internal, hybrid, usb, …"""
    synced: bool = False
    """May be copied to the person's other devices (flag BE, which never changes)."""
    backed_up: bool = False
    """Is copied (flag BS of the newest signature)."""
    sign_count: int = 0
    """The authenticator's own count of signatures, the newest; 0 where it does not count."""
    created_at: int = 0
    used_at: int | None = None

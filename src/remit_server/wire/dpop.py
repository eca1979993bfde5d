"""The DPoP header in, and server nonces (RFC 9449)."""

from __future__ import annotations

from remit_server.errors import InvalidDpopProof, UseDpopNonce
from remit_server.rules import dpop
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.http import Request

NONCE_SECONDS = 120


def fresh_nonce(machines: Machines, *, back: int = 0) -> str:
    """The nonce of this span of time, the same on every node; nothing is stored."""
    return machines.peppers.mac("dpop nonce", str(machines.clock.now() // NONCE_SECONDS - back))[:32]


async def proven_key(request: Request, machines: Machines, *, access_token: str | None = None) -> str | None:
    """The thumbprint of the key that a valid proof shows, or None without a proof.

    `access_token`, at a resource, must be the one that the proof names in `ath`. A proof works once: its `jti` is burned.
    """
    headers = request.headers("dpop")
    if not headers:
        return None
    if len(headers) > 1:
        raise InvalidDpopProof("There must be exactly one DPoP header (RFC 9449 section 4.3).")
    settings, now = machines.settings, machines.clock.now()
    proof = dpop.judge(
        headers[0], method=request.method, url=settings.url(request.raw_path or request.path), now=now, window=settings.dpop_window,
        access_token=access_token,
    )  # fmt: skip
    if proof.nonce is not None or settings.dpop_nonces:
        accepted = {fresh_nonce(machines), fresh_nonce(machines, back=1)}
        if proof.nonce not in accepted:
            raise UseDpopNonce(headers={"DPoP-Nonce": fresh_nonce(machines)})
    until = now + 2 * settings.dpop_window
    try:
        await machines.store.commit(machines.store.once.burn(hashed(f"dpop|{proof.jkt}|{proof.jti}"), until))
    except Lost as error:
        raise InvalidDpopProof("This DPoP proof was used before.") from error
    return proof.jkt

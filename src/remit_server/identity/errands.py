"""What a browser is on its way to do, kept while its person signs in and agrees.

An errand is named by a secret in the URL (`resume`) and bound to the browser that began it, so that a link with somebody
else's errand in it leads nowhere (RFC 9700 section 4.7 on such swaps).
"""

from __future__ import annotations

import hmac
from typing import Any, Literal

import msgspec

from remit_server.errors import InvalidRequest
from remit_server.records import Interaction
from remit_server.rules.authorization import Asked
from remit_server.runtime.ids import hashed, new_secret
from remit_server.runtime.machines import Machines
from remit_server.wire.visitor import Visitor

Kind = Literal["authorize", "sign_in", "sign_out", "upstream", "second_factor", "enrol"]


async def begin(
    machines: Machines, who: Visitor, kind: Kind, request: dict[str, Any], *, client_id: str | None = None
) -> str:
    """Store a new errand of this browser; the secret that it is resumed by."""
    # An errand is a row that nobody had to prove anything for.
    machines.throttle.check(f"errand|{who.network}", per_minute=300, burst=600)
    resume, now = new_secret(), machines.clock.now()
    errand = Interaction(
        hash=hashed(resume), kind=kind, client_id=client_id, browser=who.browser_hash, request=request, created_at=now,
        expires_at=now + machines.settings.interaction_lifetime,
    )  # fmt: skip
    await machines.store.commit(machines.store.interactions.add(errand))
    return resume


async def find(machines: Machines, who: Visitor, resume: str) -> Interaction:
    """The errand that this browser is on. Raises `InvalidRequest`, in words for the person, when it cannot go on."""
    errand = await machines.store.interactions.get(hashed(resume))
    if errand is None or not hmac.compare_digest(errand.browser, who.browser_hash):
        raise InvalidRequest(
            "This page was opened in another browser, or its cookies are gone. Go back to the app and start again.",
            detail="no such errand of this browser",
        )
    if errand.done_at is not None:
        raise InvalidRequest("This was answered already. If the app still waits, go back to it and start again.")
    if errand.expires_at <= machines.clock.now():
        raise InvalidRequest("This took too long, so nothing was done. Go back to the app and start again.")
    return errand


def asked_in(errand: Interaction) -> Asked | None:
    """The authorization request that an errand is about, if it is about one."""
    return msgspec.convert(errand.request, Asked) if errand.kind == "authorize" else None

"""Signing out: the browser's session ends, and the clients that were told of it are told of its end.

What was agreed to stays: an agent that works while the person is away goes on doing so, until the person or the organisation
takes that back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlencode

from remit_server.errors import TemporarilyUnavailable
from remit_server.records import Client, Session
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.http import cookie
from remit_server.wire.visitor import Visitor, session_cookie

DONE = "/logout/done"
"""Our own page, for whoever came from nowhere or asks for nothing else."""
PAUSES = (0, 2, 10)
"""Seconds before each try to tell a client."""


async def sign_out(machines: Machines, who: Visitor) -> tuple[str, str]:
    """End the browser's session, if it has one; the cookie that forgets it."""
    session, settings = who.session, machines.settings
    if session is not None:
        event = machines.event("user.signed_out", user=session.user_id, subject=session.sid, address=who.address)
        with suppress(Lost):  # it ended in another tab
            await machines.store.commit(
                machines.store.sessions.end(session.sid, machines.clock.now()),
                events=(event,),
                wakes=(f"inbox:{session.user_id}",),  # an inbox that is open elsewhere in this browser goes dark
            )
            await _tell_clients(machines, session)
    return cookie(session_cookie(settings), "", secure=settings.secure, max_age=0)


async def _tell_clients(machines: Machines, session: Session) -> None:
    """Every client that got something in this session, or in one that it took over from (Back-Channel Logout 1.0 section 2.3)."""
    sids = (session.sid, *session.before)
    found = {(grant.client_id, grant.sid) for grant in await machines.store.grants.of_user(session.user_id)}
    for client_id, sid in sorted((client_id, sid) for client_id, sid in found if sid in sids):
        client = await machines.store.clients.get(client_id)
        if client is not None and client.state == "active" and client.backchannel_logout_uri:
            machines.background.start(_tell(machines, client, session.user_id, sid))


async def _tell(machines: Machines, client: Client, user_id: str, sid: str | None) -> None:
    why = await _sent(machines, client, user_id, sid)
    kind = "logout.failed" if why else "logout.sent"
    event = machines.event(kind, user=user_id, client=client.id, subject=sid, why=why)
    await machines.store.commit(events=(event,))


async def _sent(machines: Machines, client: Client, user_id: str, sid: str | None) -> str | None:
    """Send a logout token until it is taken; why it was not, in the end."""
    assert client.backchannel_logout_uri is not None, "only clients that have one are told"
    why = None
    for pause in PAUSES:
        await asyncio.sleep(pause)
        body = urlencode({"logout_token": await machines.mint.logout_token(client, user_id, sid)}).encode()
        try:
            reply = await machines.outbound.send(
                "POST", client.backchannel_logout_uri, body=body,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )  # fmt: skip
        except TemporarilyUnavailable as error:
            why = error.detail or error.code
            continue
        if reply.status in {200, 204}:
            return None
        why = f"it answered {reply.status}"
        if reply.status == 400:  # it understood, and will not understand better the next time (section 2.8)
            break
    return why

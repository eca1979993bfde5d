"""A token for the vault's proxy, in exchange for what stands for the person (RFC 8693).

It opens nothing by itself: of each call it is asked what the organisation allows and what the person lends. So nobody is asked
for consent here, as nobody is when an account is borrowed.
"""

from __future__ import annotations

from remit_server.errors import InvalidGrant, InvalidScope, InvalidTarget
from remit_server.rules import exchange, scopes
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.runtime.verify import Dead
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer
from remit_server.wire.tokens import Answered, described, hand_out, permitted


async def issue(machines: Machines, asked: TokenRequest, grant_name: str) -> Answer:
    """The same who-may as for borrowing. Raises `InvalidGrant`, `UnauthorizedClient`, `InvalidTarget`, `InvalidScope`."""
    form, client, vault = asked.form, asked.client, machines.settings.url("/vault/")
    kind = exchange.subject_kind(form.need("subject_token_type"))
    exchange.issued_type(form.get("requested_token_type"), default=exchange.ACCESS)
    live = await machines.verify(form.need("subject_token"), kind=kind)
    if isinstance(live, Dead):
        raise InvalidGrant("The subject token is unknown, expired, revoked or spent.", detail=live.why)
    token, user = live.token, live.user
    exchange.judge(token, client, jkt=asked.jkt)
    grant = await machines.store.grants.get(token.grant_id) if token.grant_id else None
    if user is None or grant is None:
        raise InvalidGrant(detail="the person or the agreement is gone")
    open_ = scopes.of_vault(client)
    if not open_:
        raise InvalidTarget("This client may use no connection.")
    wanted = scopes.parse(form.get("scope")) or open_
    if not set(wanted) <= set(open_):
        raise InvalidScope(f"For the vault there is only the scope {' '.join(open_)}.")
    own = token.client_id == client.id
    act = Act(
        kind="exchange", client=client, user=user, grant=grant, audiences=(vault,), scopes=wanted,
        actors=token.actors if own else ({"sub": client.id}, {"sub": token.client_id}, *token.actors),
    )  # fmt: skip
    access = await machines.mint.access_token(
        await permitted(machines, act), jkt=asked.jkt, sid=token.sid,
        not_after=token.expires_at if token.kind == "access" else None,
    )  # fmt: skip
    answered = Answered(access=access, issued_token_type=exchange.ACCESS)
    event = machines.event(
        "token.issued", user=user.id, client=client.id, subject=grant.id, address=asked.request.address, by=token.jti,
        **described(answered, grant_name),
    )  # fmt: skip
    return await hand_out(machines, answered, event)

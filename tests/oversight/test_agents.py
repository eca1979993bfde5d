"""The stop button: what a suspended agent had asked is dead, and stays dead when it is resumed."""

from __future__ import annotations

import pytest
from tests.fixtures.house import Clock, House

from remit_server.errors import Conflict, NotFound
from remit_server.oversight import agents
from remit_server.records import Approval
from remit_server.storage.contract import Lost


async def asked(house: House, id_: str, client: str, state: str) -> None:
    now = house.clock.now()
    approval = Approval(
        id=id_, kind="ciba", client_id=client, handle=f"handle {id_}", user_id="auth0|ada", created_at=now,
        expires_at=now + 300, state=state,  # type: ignore[arg-type]
    )  # fmt: skip
    await house.store.commit(house.store.approvals.add(approval))


async def state_of(house: House, id_: str) -> str:
    approval = await house.store.approvals.get(id_)
    assert approval is not None
    return approval.state


async def test_whatever_it_had_asked_is_denied_for_good(any_house: House) -> None:
    house = any_house
    for id_, client, state in (
        ("open", "agent", "pending"),
        ("answered", "agent", "approved"),
        ("used", "agent", "taken"),
        ("other", "web", "pending"),
    ):
        await asked(house, id_, client, state)
    await agents.suspend(house.store, house.clock, "agent")
    await agents.resume(house.store, house.clock, "agent")
    states = {id_: await state_of(house, id_) for id_ in ("open", "answered", "used", "other")}
    assert states == {"open": "denied", "answered": "denied", "used": "taken", "other": "pending"}
    with pytest.raises(Lost):
        await house.store.commit(house.store.approvals.take("answered", house.clock.now()))


async def test_only_an_active_agent_is_suspended_and_only_a_suspended_one_resumed(house: House) -> None:
    with pytest.raises(Conflict):
        await agents.resume(house.store, house.clock, "agent")
    await agents.suspend(house.store, house.clock, "agent")
    with pytest.raises(Conflict):
        await agents.suspend(house.store, house.clock, "agent")
    with pytest.raises(NotFound):
        await agents.suspend(house.store, Clock(), "nobody")
    events = [event for _, event in await house.store.trail.latest() if event.kind.startswith("client.sus")]
    assert [event.subject for event in events] == ["agent"]

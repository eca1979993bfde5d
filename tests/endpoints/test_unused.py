"""What nobody uses any more goes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fixtures.house import START, House, built, sqlite
from tests.ledger import proves

from remit_server.identity.unused import forget_unused
from remit_server.records import Client, Grant, Token

DAY = 86_400


def visitor(id_: str, **more: int) -> Client:
    return Client(id=id_, name="Visitor", dynamic=True, created_at=START, **more)


def agreement(id_: str, client: str) -> Grant:
    return Grant(id=id_, client_id=client, user_id="auth0|ada", created_at=START)


def token(grant: str, client: str) -> Token:
    return Token(
        hash=f"{grant} {client}",
        kind="refresh",
        jti="j",
        client_id=client,
        grant_id=grant,
        expires_at=START + 900 * DAY,
    )


@proves("registration.unused-go")
async def test_a_self_registered_client_that_nobody_uses_goes(any_house: House) -> None:
    house, clients = any_house, any_house.store.clients
    names = ("dyn_idle", "dyn_agreed", "dyn_held", "dyn_fresh")
    await house.store.commit(
        *(clients.put(visitor(name, updated_at=START + DAY if name == "dyn_fresh" else 0)) for name in names),
        clients.put(replace(visitor("ours"), dynamic=False)),
        house.store.grants.add(agreement("g1", "dyn_agreed")),
        house.store.tokens.add(token("g2", "dyn_held")),
    )
    house.clock.forward(30 * DAY - 1)
    assert (await forget_unused(house.machines))["clients"] == 0
    house.clock.forward(1)
    assert (await forget_unused(house.machines))["clients"] == 1
    assert await clients.get("dyn_idle") is None
    assert all([await clients.get(name) for name in ("ours", "web", *names[1:])])
    (event,) = await house.events("client.removed")
    assert (event.subject, event.about) == ("dyn_idle", {"dynamic": True, "why": "unused"})


async def test_many_go_page_by_page(house: House) -> None:
    await house.store.commit(*(house.store.clients.put(visitor(f"dyn_{n}")) for n in range(450)))
    house.clock.forward(30 * DAY)
    assert (await forget_unused(house.machines))["clients"] == 450


async def test_an_operator_may_keep_them(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), visitor("dyn_idle"), unused_client_lifetime=0) as house:
        house.clock.forward(3650 * DAY)
        assert (await forget_unused(house.machines))["clients"] == 0


async def test_an_agreement_goes_when_it_is_old_and_no_token_is_left(any_house: House) -> None:
    house, grants = any_house, any_house.store.grants
    await house.store.commit(
        *(grants.add(agreement(id_, "web")) for id_ in ("old", "held")), house.store.tokens.add(token("held", "web"))
    )
    house.clock.forward(365 * DAY - 1)
    assert (await forget_unused(house.machines))["grants"] == 0
    house.clock.forward(1)
    assert (await forget_unused(house.machines))["grants"] == 1
    assert [grant.id for grant in await grants.of_user("auth0|ada")] == ["held"]


@pytest.mark.parametrize("longest", [30 * DAY, 90 * DAY])
async def test_an_approval_may_be_fetched_as_late_as_it_lives(tmp_path: Path, longest: int) -> None:
    async with built(sqlite(tmp_path), agreement_lifetime=DAY, longest_approval=longest) as house:
        await house.store.commit(house.store.grants.add(agreement("approved", "agent")))
        house.clock.forward(longest)
        assert (await forget_unused(house.machines))["grants"] == 0

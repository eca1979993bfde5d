"""An administrator of the configuration who has no way in locks nobody out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fixtures.house import House
from tests.ledger import proves

from remit_server.errors import Conflict
from remit_server.management import doctor, set_up
from remit_server.management.manifest.apply import Applier
from remit_server.management.manifest.read import read
from remit_server.records import Passkey, User

GRACE = "grace@example.com"
PASSWORD = "a password of Grace"
Written = Callable[[str], Path]


@pytest.fixture
def applier(house: House) -> Applier:
    m = house.machines
    return Applier(m.store, m.clock, m.passwords, m.peppers)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A configuration with Grace, who administers, and what is said of her."""

    def write(said: str = "") -> Path:
        path = tmp_path / "remit.yaml"
        path.write_text(f"version: 1\nusers: [{{email: {GRACE}, name: Grace, administrator: true{said}}}]\n")
        return path

    return write


async def said(house: House) -> list[tuple[str, str]]:
    return [(each.level, each.what) for each in await doctor._administrators(house.store)]


async def made(house: House, ticket: str, email: str = GRACE) -> User:
    return await set_up.create(
        house.machines, ticket, name="Grace H.", email=email, password=PASSWORD, address="127.0.0.1"
    )


@proves("setup.nobody-locked-out")
async def test_the_link_serves_until_an_administrator_has_a_way_in(
    house: House, applier: Applier, written: Written
) -> None:
    await applier.apply(read(written()))
    ticket = await set_up.offer(house.store, house.clock)
    assert ticket is not None
    assert await set_up.holds(house.machines, ticket)
    assert await said(house) == [
        ("weak", f"{GRACE} administers, but has no password, no passkey and no other way to sign in")
    ]
    user = await made(house, ticket)
    assert [each.id for each in await house.store.users.all() if each.administrator] == [user.id], "the same person"
    assert await set_up.offer(house.store, house.clock) is None
    assert not await set_up.holds(house.machines, ticket)
    assert await said(house) == []
    assert not (await applier.plan(read(written()))).changes, "the configuration leaves the password alone"


async def test_a_password_of_the_configuration_ends_the_link(house: House, applier: Applier, written: Written) -> None:
    await applier.apply(read(written()))
    ticket = await set_up.offer(house.store, house.clock)
    assert ticket is not None
    await applier.apply(read(written(f", password: {PASSWORD}")))
    assert not await set_up.holds(house.machines, ticket)


@pytest.mark.parametrize("way", ["password", "upstream", "passkey"])
async def test_what_is_a_way_in(house: House, way: str) -> None:
    store, grace = house.store, User(id="remit|grace", email=GRACE, administrator=True)
    assert not await set_up.can_sign_in(store, grace)
    match way:
        case "password":
            grace = replace(grace, password="$argon2id$")
        case "upstream":
            grace = replace(grace, upstream=("google", "1"))
        case _:
            await store.commit(
                store.passkeys.add(
                    Passkey(id="1", user_id=grace.id, name="Key", credential=b"1", public_key=b"1", handle=b"1")
                )
            )
    assert await set_up.can_sign_in(store, grace)
    assert not await set_up.can_sign_in(store, replace(grace, state="blocked"))


@pytest.mark.parametrize("state", ["ordinary", "blocked", "with a way in"])
async def test_the_link_takes_over_nobody_else(house: House, applier: Applier, written: Written, state: str) -> None:
    await applier.apply(read(written()))
    grace = await house.store.users.by_email(GRACE)
    assert grace is not None
    other = {
        "ordinary": replace(grace, administrator=False),
        "blocked": replace(grace, state="blocked"),
        "with a way in": replace(grace, upstream=("google", "1")),
    }[state]
    await house.store.commit(house.store.users.put(other))
    ticket = await set_up.offer(house.store, house.clock)
    assert ticket is not None
    with pytest.raises(Conflict):
        await made(house, ticket)


async def test_the_doctor_says_when_nobody_can_administer_any_more(house: House) -> None:
    ticket = await set_up.offer(house.store, house.clock)
    assert ticket is not None
    grace = await made(house, ticket)
    await house.store.commit(house.store.users.put(replace(grace, state="blocked")))
    assert await said(house) == [("wrong", "no administrator can sign in")]

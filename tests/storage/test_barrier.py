"""Sealed rows open only in their own place, under their own key, unchanged."""

from __future__ import annotations

import itertools

import pytest
from tests.ledger import proves
from tests.storage.conftest import MASTER, NOW, Open
from tests.storage.samples import LATER, account

from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.records import ConnectAttempt, Connection, SecondFactor, SigningKey
from remit_server.storage.barrier import Barrier, Master, place_of
from remit_server.storage.contract import Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.open import open_store
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select, Table, Update
from remit_server.storage.store import Store

ADA, EVE = account(user_id="auth0|ada"), account(user_id="auth0|eve", access_token="eve's", refresh_token="eve's")


async def body(store: Store, table: Table, key: str) -> bytes:
    row = await store.engine.one(
        Select(table, where=f"{table.name}.{table.key[0]} = :{table.key[0]}"), {table.key[0]: key}
    )
    assert row is not None
    return bytes(row["body"])


def overwrite(table: Table, key: str, body: bytes) -> Step:
    change = Update(table, set="body = :body", where=f"{table.name}.{table.key[0]} = :{table.key[0]}")
    return Step(change, {table.key[0]: key, "body": body})


@pytest.fixture
async def two(store: Store) -> Store:
    await store.commit(store.connected_accounts.add(ADA), store.connected_accounts.add(EVE))
    return store


async def test_nothing_secret_is_readable_in_the_database(two: Store) -> None:
    await two.commit(two.connections.put(Connection(name="calendar", provider="oauth2", client_secret="upstream-hush")))
    await two.commit(two.signing_keys.add(SigningKey(kid="k", alg="ES256", jwk={"d": "upstream-hush"})))
    await two.commit(two.secrets.add("pepper", b"upstream-hush"))
    await two.commit(
        two.second_factors.add(SecondFactor(user_id="auth0|ada", secret="upstream-hush", confirmed_at=1, last_step=1))
    )
    for table in t.SEALED:
        for row in await two.engine.many(Select(table), {}):
            assert b"upstream-" not in row["body"]


async def test_every_group_with_a_barrier_is_listed_as_sealed(store: Store) -> None:
    """`reseal` walks this list."""

    def rows_of(thing: object) -> list[Rows]:  # type: ignore[type-arg]
        return [value for value in vars(thing).values() if isinstance(value, Rows)]

    found = {
        rows.table
        for group in vars(store).values()
        if hasattr(group, "__dict__")
        for rows in rows_of(group)
        if rows._barrier
    }
    assert found == set(t.SEALED)


@proves("sealing.place")
async def test_two_users_rows_swapped_open_for_neither(two: Store) -> None:
    adas, eves = await body(two, t.CONNECTED_ACCOUNTS, ADA.id), await body(two, t.CONNECTED_ACCOUNTS, EVE.id)
    assert await two.connected_accounts.get(ADA.id, ADA.user_id)
    await two.commit(overwrite(t.CONNECTED_ACCOUNTS, ADA.id, eves), overwrite(t.CONNECTED_ACCOUNTS, EVE.id, adas))
    for one in (ADA, EVE):
        with pytest.raises(IntegrityError, match="moved"):
            await two.connected_accounts.get(one.id, one.user_id)
        with pytest.raises(IntegrityError, match="moved"):
            await two.connected_accounts.connected(one.user_id, one.connection)


@proves("sealing.place")
async def test_an_account_relabelled_as_another_connections_does_not_open(two: Store) -> None:
    relabel = Update(t.CONNECTED_ACCOUNTS, set="connection = :connection", where="connected_accounts.id = :id")
    await two.commit(Step(relabel, {"id": ADA.id, "connection": "eves-own"}))
    with pytest.raises(IntegrityError, match="moved"):
        await two.connected_accounts.connected(ADA.user_id, "eves-own")


async def test_a_row_given_to_another_user_does_not_open(two: Store) -> None:
    give = Update(t.CONNECTED_ACCOUNTS, set="user_id = :user_id", where="connected_accounts.id = :id")
    await two.commit(Step(give, {"id": ADA.id, "user_id": "auth0|eve"}))
    with pytest.raises(IntegrityError, match="moved"):
        await two.connected_accounts.get(ADA.id, "auth0|eve")


@proves("sealing.place")
async def test_a_row_swapped_between_tables_does_not_open(store: Store) -> None:
    await store.commit(
        store.secrets.add("same", b"value"), store.connections.put(Connection(name="same", provider="p"))
    )
    await store.commit(overwrite(t.CONNECTIONS, "same", await body(store, t.SECRETS, "same")))
    with pytest.raises(IntegrityError, match="moved"):
        await store.connections.all()


async def test_every_flipped_bit_is_noticed(two: Store) -> None:
    sealed = await body(two, t.CONNECTED_ACCOUNTS, ADA.id)
    where = place_of(t.CONNECTED_ACCOUNTS, {"id": ADA.id, "user_id": ADA.user_id, "connection": ADA.connection})
    assert two.barrier.open(sealed, where)
    for i, bit in itertools.product(range(len(sealed)), range(8)):
        changed = bytearray(sealed)
        changed[i] ^= 1 << bit
        with pytest.raises(IntegrityError):
            two.barrier.open(bytes(changed), where)


async def test_a_shortened_row_is_noticed(two: Store) -> None:
    sealed = await body(two, t.CONNECTED_ACCOUNTS, ADA.id)
    where = place_of(t.CONNECTED_ACCOUNTS, {"id": ADA.id, "user_id": ADA.user_id, "connection": ADA.connection})
    for length in range(len(sealed)):
        with pytest.raises(IntegrityError):
            two.barrier.open(sealed[:length], where)


async def test_a_row_sealed_by_a_strange_key_is_refused(two: Store) -> None:
    key_id, key = Barrier.new_key()
    where = place_of(t.CONNECTED_ACCOUNTS, {"id": ADA.id, "user_id": ADA.user_id, "connection": ADA.connection})
    await two.commit(overwrite(t.CONNECTED_ACCOUNTS, ADA.id, Barrier({key_id: key}, key_id).seal(b"{}", where)))
    with pytest.raises(IntegrityError, match="not in the keyring"):
        await two.connected_accounts.get(ADA.id, "auth0|ada")


async def test_one_plaintext_never_seals_alike(two: Store) -> None:
    assert two.barrier.seal(b"x", b"here") != two.barrier.seal(b"x", b"here")


async def test_a_connect_flow_opens_for_its_own_person_only(store: Store) -> None:
    begun = ConnectAttempt(
        ticket="t", user_id="u", client_id="c", connection="n", redirect_uri="r", auth_session="s", expires_at=LATER
    )
    await store.commit(store.connect_attempts.add(begun))
    assert b"auth_session" not in await body(store, t.CONNECT_ATTEMPTS, "t")


def test_no_two_places_are_spelled_alike() -> None:
    def at(user: str, id_: str) -> bytes:
        return place_of(t.CONNECTED_ACCOUNTS, {"user_id": user, "connection": "", "id": id_})

    assert at("auth0|a", "b") != at("auth0", "a|b")
    assert at("a|1:b", "c") != at("a", "b|1:c")


async def test_another_master_does_not_open_the_database(open_: Open, database_url: str) -> None:
    await open_()
    with pytest.raises(IntegrityError, match="master"):
        await open_store(database_url, Master(bytes(32)), NOW)


def test_a_master_has_32_bytes_and_does_not_show_them() -> None:
    with pytest.raises(ConfigurationError):
        Master(b"short")
    assert "\\x" not in repr(MASTER)
    assert MASTER.key.hex() not in MASTER.id


async def test_a_wrapped_key_opens_under_its_own_id_only() -> None:
    wrapped = await MASTER.wrap(bytes(32), "a1")
    assert await MASTER.unwrap(wrapped, "a1") == bytes(32)
    for wrong, key_id in ((wrapped, "a2"), (b"\x02" + wrapped[1:], "a1"), (wrapped[:-1], "a1")):
        with pytest.raises(IntegrityError):
            await MASTER.unwrap(wrong, key_id)

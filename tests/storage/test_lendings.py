"""Lendings, and the one read of an exchange, on both databases."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.storage.conftest import NOW
from tests.storage.samples import LATER, account, grant, token, user

from remit_server.records import Lending, Session
from remit_server.records.connection import ORGANISATION
from remit_server.storage.contract import Lost
from remit_server.storage.store import Store

ADA, BOB = "auth0|ada", "auth0|bob"


def lending(account_id: str = "ca_1", user_id: str = ADA, client_id: str = "c_1", *, away: bool = False) -> Lending:
    return Lending(account_id=account_id, user_id=user_id, client_id=client_id, away=away, created_at=NOW)


async def test_what_is_lent_is_found_changed_used_and_taken_back(store: Store) -> None:
    lendings = store.lendings
    first, other = lending(away=True), lending("ca_2", client_id="c_2")
    await store.commit(lendings.put(first), lendings.put(other), lendings.put(lending("ca_1", BOB)))
    assert await lendings.get("ca_1", ADA, "c_1") == first
    assert await lendings.get("ca_1", ADA, "c_2") is None
    assert list(await lendings.of_user(ADA)) == [first, other]
    assert [each.user_id for each in await lendings.of_client("c_1")] == [ADA, BOB]

    await store.commit(lendings.use(first, NOW + 5))
    used = await lendings.get("ca_1", ADA, "c_1")
    assert used == replace(first, used_at=NOW + 5)
    await store.commit(lendings.put(replace(used, away=False)))
    assert await lendings.get("ca_1", ADA, "c_1") == replace(first, used_at=NOW + 5, away=False)

    await store.commit(lendings.end("ca_1", ADA, "c_1"))
    for late in (lendings.end("ca_1", ADA, "c_1"), lendings.use(first, NOW)):
        with pytest.raises(Lost):
            await store.commit(late)
    assert await lendings.get("ca_1", BOB, "c_1") is not None, "somebody else's stays"


@pytest.mark.parametrize("whose", ["account", "user", "client"])
async def test_all_of_an_account_a_person_or_an_agent_end_at_once(store: Store, whose: str) -> None:
    lendings = store.lendings
    gone = [lending("ca_1", ADA, "c_1")]
    gone += {
        "account": [lending("ca_1", BOB, "c_2")], "user": [lending("ca_2", ADA, "c_2")],
        "client": [lending("ca_2", BOB, "c_1")],
    }[whose]  # fmt: skip
    stays = lending("ca_9", "auth0|eve", "c_9")
    await store.commit(*map(lendings.put, [*gone, stays]))
    ends = {
        "account": lendings.end_of_account("ca_1"), "user": lendings.end_of_user(ADA),
        "client": lendings.end_of_client("c_1"),
    }  # fmt: skip
    await store.commit(ends[whose], ends[whose])
    for one in gone:
        assert await lendings.get(one.account_id, one.user_id, one.client_id) is None
    assert await lendings.get("ca_9", "auth0|eve", "c_9") == stays


async def test_one_read_brings_the_token_the_agreement_the_session_and_every_account(store: Store) -> None:
    agreed = grant(sid="s_1")
    subject = token(grant_id=agreed.id, user_id=ADA)
    session = Session(hash="h", sid="s_1", user_id=ADA, auth_time=NOW, created_at=NOW, expires_at=LATER)
    mine, limited, shared = account(), account(limited=True), account(user_id=ORGANISATION)
    lent = lending(limited.id, away=True)
    of_others = (account(user_id=BOB), account(connection="mail"))
    await store.commit(
        store.users.add(user(ADA)), store.grants.add(agreed), store.tokens.add(subject), store.sessions.add(session),
        *map(store.connected_accounts.add, (mine, limited, shared, *of_others)),
        store.lendings.put(lent), store.lendings.put(lending(mine.id, BOB)), store.lendings.put(lending(mine.id, ADA, "c_2")),
    )  # fmt: skip

    asked = await store.lendings.asked(subject.hash, "calendar", "c_1")
    assert asked is not None
    assert asked.held == await store.tokens.held(subject.hash)
    assert (asked.grant, asked.session_ends) == (agreed, LATER)
    offers = {offer.account.id: offer for offer in asked.offers}
    assert list(offers) == [mine.id, limited.id, shared.id]
    assert offers[limited.id].account == limited
    assert [offer.lending for offer in offers.values()] == [None, lent, None]

    await store.commit(store.sessions.end("s_1", NOW + 1))
    again = await store.lendings.asked(subject.hash, "calendar", "c_1")
    assert again is not None
    assert again.session_ends == NOW + 1
    nothing = await store.lendings.asked(subject.hash, "elsewhere", "c_1")
    assert nothing is not None
    assert (nothing.held.token, list(nothing.offers)) == (subject, [])
    assert await store.lendings.asked("unknown", "calendar", "c_1") is None
    assert await store.lendings.asked(subject.hash, "\ud800", "c_1") is None


async def test_a_token_of_no_person_finds_the_token(store: Store) -> None:
    subject = token(grant_id=None, user_id=None)
    await store.commit(store.tokens.add(subject))
    asked = await store.lendings.asked(subject.hash, "calendar", "c_1")
    assert asked is not None
    assert (asked.held.token, asked.held.user, asked.grant, asked.session_ends) == (subject, None, None, None)

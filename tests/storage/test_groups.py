"""Every method of every group, on both databases: what it writes, and when it loses."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.storage.conftest import NOW
from tests.storage.samples import LATER, account, approval, client, code, event, grant, pushed, token, user

from remit_server.records import (
    Actor,
    Api,
    ConnectAttempt,
    Connection,
    DetailType,
    Interaction,
    Message,
    Organisation,
    Passkey,
    Policy,
    SecondFactor,
    Session,
    SigningKey,
)
from remit_server.storage.contract import Lost, Step
from remit_server.storage.store import Store


async def loses(store: Store, *steps: Step) -> bool:
    try:
        await store.commit(*steps)
    except Lost:
        return True
    return False


async def test_directories(store: Store) -> None:
    records = [
        (store.organisation, Organisation(name="Northwind"), "organisation"),
        (store.clients, client("c_1", apis={"https://api.example": ("read",)}), "c_1"),
        (
            store.apis,
            Api(identifier="https://api.example", name="Broker", scopes={"trade": "Trade"}),
            "https://api.example",
        ),
        (store.detail_types, DetailType(type="trade", document={"a": [1, None]}), "trade"),
        (store.policies, Policy(name="p.cedar", text="permit(principal, action, resource);"), "p.cedar"),
        (store.connections, Connection(name="calendar", provider="oauth2", client_secret="hush"), "calendar"),
    ]
    for directory, record, key in records:
        assert await directory.get(key) is None
        await store.commit(directory.add(record))  # type: ignore[attr-defined]
        assert await directory.get(key) == record
        assert await directory.all() == [record]
        assert await loses(store, directory.add(record))  # type: ignore[attr-defined]
        await store.commit(directory.remove(key))
        assert await directory.get(key) is None
        assert await loses(store, directory.remove(key))


async def test_a_clients_state_is_its_column(store: Store) -> None:
    await store.commit(store.clients.put(client(state="suspended")))
    found = await store.clients.get("c_1")
    assert found is not None
    assert found.state == "suspended"


async def test_users(store: Store) -> None:
    ada = user(email="Ada@Example.com", upstream=("okta", "00u1"))
    await store.commit(store.users.add(ada))
    assert await store.users.get("auth0|ada") == ada
    assert await store.users.by_email("aDa@example.COM") == ada
    assert await store.users.by_upstream("okta", "00u1") == ada
    assert await store.users.by_upstream("okta", "other") is None
    for other in (user(), user("auth0|b", email="ADA@example.com"), user("auth0|c", upstream=("okta", "00u1"))):
        assert await loses(store, store.users.add(other))
    await store.commit(store.users.put(user(state="blocked")))
    assert await store.users.by_email("ada@example.com") is None
    await store.commit(store.users.add(user("auth0|bo")), store.users.add(user("auth0|cy")))
    assert [one.id for one in await store.users.all()] == ["auth0|ada", "auth0|bo", "auth0|cy"]


async def test_sessions(store: Store) -> None:
    ada = user("u")
    sessions = [Session(hash=f"h{i}", sid=f"s{i}", user_id="u", auth_time=i, expires_at=LATER) for i in range(3)]
    await store.commit(*(store.sessions.add(one) for one in sessions))
    assert await store.sessions.get("h1") == (await store.sessions.by_sid("s1"), None) == (sessions[1], None)
    await store.commit(store.users.add(ada))
    assert await store.sessions.get("h1") == (sessions[1], ada)
    assert [one.sid for one in await store.sessions.of_user("u")] == ["s2", "s1", "s0"]
    await store.commit(store.sessions.end("s1", NOW))
    assert await loses(store, store.sessions.end("s1", NOW))
    ended = await store.sessions.get("h1")
    assert ended is not None
    assert ended.session.ended_at == NOW
    await store.commit(store.sessions.end_all("u", NOW))
    assert await store.sessions.of_user("u") == []
    await store.commit(store.sessions.end_all("u", NOW))


async def test_second_factors(store: Store) -> None:
    factor = SecondFactor(user_id="auth0|ada", secret="JBSWY3DP", confirmed_at=NOW, last_step=7)
    assert await store.second_factors.get("auth0|ada") is None
    assert await loses(store, store.second_factors.spend("auth0|ada", 8))
    await store.commit(store.second_factors.add(factor))
    assert await store.second_factors.get("auth0|ada") == factor
    assert await loses(store, store.second_factors.add(factor))
    assert await loses(store, store.second_factors.spend("auth0|ada", 7))
    await store.commit(store.second_factors.spend("auth0|ada", 9))
    for spent in (8, 9):
        assert await loses(store, store.second_factors.spend("auth0|ada", spent))
        assert await loses(store, store.second_factors.remove("auth0|ada", spent))
    found = await store.second_factors.get("auth0|ada")
    assert found is not None
    assert (found.secret, found.last_step) == ("JBSWY3DP", 9)
    await store.commit(store.second_factors.remove("auth0|ada", 10))
    assert await store.second_factors.get("auth0|ada") is None
    await store.commit(store.second_factors.add(factor))
    await store.commit(store.second_factors.forget("auth0|ada"))
    assert await loses(store, store.second_factors.forget("auth0|ada"))


async def test_passkeys(store: Store) -> None:
    first = Passkey(
        id="p1", user_id="auth0|ada", name="Phone", credential=b"\x00\xff", public_key=b"key", handle=b"h" * 32,
        transports=("internal", "hybrid"), synced=True, sign_count=0, created_at=NOW,
    )  # fmt: skip
    second = replace(first, id="p2", name="Key", credential=b"2", sign_count=7, synced=False, created_at=NOW + 1)
    group = store.passkeys
    assert await group.get("p1") is None
    await store.commit(group.add(second), group.add(first), group.add(replace(first, id="p3", user_id="auth0|bob")))
    assert await group.get("p1") == first
    assert await group.of_user("auth0|ada") == [first, second]
    assert await loses(store, group.add(replace(first, user_id="auth0|bob")))

    for count in (0, 6, 7):
        assert await loses(store, group.use("p2", count, backed_up=False, now=NOW))
    await store.commit(
        group.use("p2", 8, backed_up=False, now=NOW + 2), group.use("p1", 0, backed_up=True, now=NOW + 2)
    )
    assert await group.get("p2") == replace(second, sign_count=8, used_at=NOW + 2)
    assert await group.get("p1") == replace(first, backed_up=True, used_at=NOW + 2)
    await store.commit(group.use("p1", 1, backed_up=False, now=NOW + 3))
    assert await loses(store, group.use("p1", 0, backed_up=False, now=NOW + 3))
    assert await loses(store, group.use("none", 9, backed_up=False, now=NOW))

    await store.commit(group.rename("p1", "auth0|ada", "Tablet"))
    assert [one.name for one in await group.of_user("auth0|ada")] == ["Tablet", "Key"]
    for step in (
        group.rename("p1", "auth0|bob", "Mine"),
        group.remove("p1", "auth0|bob"),
        group.remove("p9", "auth0|ada"),
    ):
        assert await loses(store, step)
    await store.commit(group.remove("p1", "auth0|ada"))
    await store.commit(group.forget("auth0|ada"), group.forget("auth0|ada"))
    assert await group.of_user("auth0|ada") == []
    assert len(await group.of_user("auth0|bob")) == 1


async def test_interactions(store: Store) -> None:
    fresh = Interaction(hash="i", kind="authorize", request={"scope": "openid"}, expires_at=LATER)
    await store.commit(
        store.interactions.add(fresh), store.interactions.add(Interaction(hash="old", kind="sign_in", expires_at=NOW))
    )
    assert await store.interactions.get("i") == fresh
    assert await loses(store, store.interactions.finish("old", NOW))
    await store.commit(store.interactions.finish("i", NOW))
    assert await loses(store, store.interactions.finish("i", NOW))


async def test_grants(store: Store) -> None:
    grants = [grant(created_at=NOW + i, sid="s", details=({"type": "trade"},)) for i in range(3)]
    await store.commit(
        *(store.grants.add(one) for one in grants), store.grants.add(grant(client_id="c_2", sid="other"))
    )
    assert await store.grants.get(grants[0].id) == grants[0]
    assert list(await store.grants.live("auth0|ada", "c_1")) == grants[::-1]
    await store.commit(store.grants.revoke(grants[1].id, NOW, "asked"))
    assert await loses(store, store.grants.revoke(grants[1].id, NOW, "again"))
    assert list(await store.grants.live("auth0|ada", "c_1")) == [grants[2], grants[0]]
    await store.commit(store.grants.revoke_session("s", NOW, "signed out"))
    assert [one.client_id for one in await store.grants.of_user("auth0|ada")] == ["c_2"]
    revoked = await store.grants.get(grants[0].id)
    assert revoked is not None
    assert (revoked.revoked_at, revoked.revoked_why) == (NOW, "signed out")


async def test_codes_and_pushed_requests(store: Store) -> None:
    ada, agreed = user(), grant()
    fresh, late = code(grant_id=agreed.id), code(expires_at=NOW)
    asked, stale = pushed(parameters={"scope": "openid"}), pushed(expires_at=NOW)
    await store.commit(store.users.add(ada), store.grants.add(agreed), store.codes.add(fresh), store.codes.add(late))
    await store.commit(store.pushed_requests.add(asked), store.pushed_requests.add(stale))
    assert await store.codes.get(fresh.hash) == (fresh, agreed, ada)
    assert await store.pushed_requests.get(asked.hash) == asked
    assert await loses(store, store.codes.take(late.hash, NOW))
    assert await loses(store, store.pushed_requests.take(stale.hash, NOW))
    await store.commit(store.codes.take(fresh.hash, NOW), store.pushed_requests.take(asked.hash, NOW))
    assert await loses(store, store.codes.take(fresh.hash, NOW))
    assert await loses(store, store.pushed_requests.take(asked.hash, NOW))
    spent = await store.codes.get(fresh.hash)
    assert spent is not None
    assert spent.code.used_at == NOW


async def test_tokens(store: Store) -> None:
    ada, family = user(), grant()
    first, other, gone = token(grant_id=family.id, user_id=ada.id), token(), token(expires_at=NOW)
    await store.commit(
        store.users.add(ada), store.grants.add(family), *(store.tokens.add(one) for one in (first, other, gone))
    )
    held = await store.tokens.held(first.hash)
    assert held is not None
    assert held == (first, None, ada)
    assert await store.tokens.renewable(first.hash) == (first, family, ada)
    assert await loses(store, store.tokens.rotate(gone.hash, "x", NOW))
    assert await loses(store, store.tokens.answer_again(first.hash, "x", NOW, NOW - 10))
    await store.commit(store.tokens.rotate(first.hash, "second", NOW))
    assert await loses(store, store.tokens.rotate(first.hash, "x", NOW))
    assert await loses(store, store.tokens.answer_again(first.hash, "x", NOW + 11, NOW + 1))
    await store.commit(store.tokens.answer_again(first.hash, "third", NOW + 1, NOW - 9))
    assert await loses(store, store.tokens.answer_again(first.hash, "x", NOW + 1, NOW - 9))
    assert await loses(store, store.tokens.revoke_unused(first.hash, NOW))
    await store.commit(store.tokens.revoke_unused(other.hash, NOW))
    assert await loses(store, store.tokens.rotate(other.hash, "x", NOW))
    await store.commit(store.tokens.revoke(other.hash, NOW), store.grants.revoke(family.id, NOW + 2, "reuse"))
    held = await store.tokens.held(first.hash)
    assert held is not None
    assert (held.token.successor, held.token.retried_at, held.grant_revoked_at) == ("third", NOW + 1, NOW + 2)


async def test_once(store: Store) -> None:
    await store.commit(store.once.burn("jti", LATER))
    assert await loses(store, store.once.burn("jti", LATER))
    assert await store.once.attempts("ada", NOW) == 0
    for _ in range(3):
        await store.commit(*store.once.attempt("ada", NOW, 60))
    assert await store.once.attempts("ada", NOW + 59) == 3
    assert await store.once.attempts("ada", NOW + 60) == 0
    await store.commit(*store.once.attempt("ada", NOW + 60, 60))
    assert await store.once.attempts("ada", NOW + 61) == 1


class TestApprovals:
    async def test_answering(self, store: Store) -> None:
        asked = approval(user_code="uc", details=({"type": "trade", "amount": "1.00"},))
        await store.commit(store.approvals.add(asked))
        assert await store.approvals.get(asked.id) == asked
        assert await store.approvals.by_handle(asked.handle) == asked
        assert await store.approvals.by_user_code("uc") == asked
        assert list(await store.approvals.of_user("auth0|ada")) == [asked]
        assert await loses(store, store.approvals.take(asked.id, NOW))
        assert await loses(store, store.approvals.decide(asked, "approved", "auth0|eve", NOW))
        assert await loses(store, store.approvals.decide(asked, "approved", "auth0|ada", LATER))
        await store.commit(store.approvals.decide(asked, "approved", "auth0|ada", NOW, reason="fine", grant_id="g"))
        assert await loses(store, store.approvals.decide(asked, "denied", "auth0|ada", NOW))
        assert await loses(store, store.approvals.expire(asked.id, LATER))
        await store.commit(store.approvals.take(asked.id, LATER + 5))
        assert await loses(store, store.approvals.take(asked.id, NOW))
        done = await store.approvals.get(asked.id)
        assert done is not None
        assert (done.state, done.reason, done.grant_id, done.version) == ("taken", "fine", "g", 2)
        assert done.details == asked.details

    async def test_asking_back(self, store: Store) -> None:
        asked = approval(mode="ping")
        await store.commit(store.approvals.add(asked))
        first = replace(asked, thread=(Message(by="person", at=NOW, text="why?"),))
        assert await loses(store, store.approvals.reply(first, NOW))
        assert await loses(store, store.approvals.question(first, "auth0|eve", NOW))
        assert await loses(store, store.approvals.question(first, "auth0|ada", LATER))
        await store.commit(store.approvals.question(first, "auth0|ada", NOW))
        assert await loses(store, store.approvals.question(first, "auth0|ada", NOW))
        waits = await store.approvals.get(asked.id)
        assert waits is not None
        assert (waits.state, waits.version, waits.thread, waits.notify_at) == ("info_requested", 1, first.thread, NOW)
        second = replace(waits, thread=(*waits.thread, Message(by="agent", at=NOW, text="so")))
        assert await loses(store, store.approvals.reply(replace(second, version=0), NOW))
        assert await loses(store, store.approvals.reply(second, LATER))
        await store.commit(store.approvals.reply(second, NOW))
        goes_on = await store.approvals.get(asked.id)
        assert goes_on is not None
        assert (goes_on.state, goes_on.version, goes_on.thread, goes_on.notify_at) == (
            "pending",
            2,
            second.thread,
            None,
        )

    async def test_who_has_told_of_the_question_does_not_end_the_telling_of_the_answer(self, store: Store) -> None:
        asked = approval(mode="ping")
        approvals = store.approvals
        await store.commit(approvals.add(asked))
        await store.commit(approvals.question(asked, "auth0|ada", NOW))
        await store.commit(approvals.tell(asked.id, NOW, 30))
        of_question = await approvals.get(asked.id)
        assert of_question is not None
        await store.commit(approvals.decide(of_question, "denied", "auth0|ada", NOW + 1))
        assert await loses(store, approvals.told(of_question, None))
        await store.commit(approvals.tell(asked.id, NOW + 2, 30))
        of_answer = await approvals.get(asked.id)
        assert of_answer is not None
        assert of_answer.notify_tries == of_question.notify_tries == 1
        assert await loses(store, approvals.told(of_question, None))
        await store.commit(approvals.told(of_answer, None))

    async def test_what_was_closed_meanwhile_is_not_packed(self, store: Store) -> None:
        asked = approval(mode="push")
        approvals = store.approvals
        await store.commit(approvals.add(asked))
        await store.commit(approvals.decide(asked, "approved", "auth0|ada", NOW, grant_id="g_push"))
        read = await approvals.get(asked.id)
        assert read is not None
        await store.commit(approvals.close_of("c_1", "auth0|ada", NOW, "stopped"))
        assert await loses(store, approvals.pack(replace(read, parcel={"access_token": "x"}, use_until=LATER), NOW))
        closed = await approvals.get(asked.id)
        assert closed is not None
        assert (closed.state, closed.parcel) == ("denied", None)

    async def test_spending(self, store: Store) -> None:
        asked = approval()
        await store.commit(store.approvals.add(asked))
        approved = replace(asked, approved=({"type": "a"}, {"type": "b"}), approved_digest="d")
        await store.commit(store.approvals.decide(approved, "approved", "auth0|ada", NOW, grant_id="g_spent"))
        assert await loses(store, store.approvals.spend(asked.id, 0, "broker", NOW))
        await store.commit(store.approvals.take(asked.id, NOW, use_until=LATER))
        await store.commit(store.approvals.spend(asked.id, 1, "broker", NOW))
        assert await loses(store, store.approvals.spend(asked.id, 1, "broker", NOW + 1))
        await store.commit(store.approvals.spend(asked.id, 0, "bank", NOW + 2))
        done = await store.approvals.by_grant("g_spent")
        assert done is not None
        assert (done.spent, done.spent_at, done.spent_by, done.use_until) == (3, NOW + 2, "bank", LATER)
        assert done.approved == approved.approved
        assert list(await store.approvals.approved("c_1", "auth0|ada", 1)) == [done]

    async def test_what_was_taken_back_is_not_spent(self, store: Store) -> None:
        asked = approval()
        await store.commit(store.grants.add(grant(id="g_stopped")))
        await store.commit(store.approvals.add(asked))
        approved = replace(asked, approved=({"type": "a"},), approved_digest="d")
        await store.commit(store.approvals.decide(approved, "approved", "auth0|ada", NOW, grant_id="g_stopped"))
        await store.commit(store.approvals.take(asked.id, NOW, use_until=LATER))
        await store.commit(store.grants.revoke("g_stopped", NOW, "stopped"))
        assert await loses(store, store.approvals.spend(asked.id, 0, "broker", NOW))

    async def test_closing_what_one_client_has_asked_one_person(self, store: Store) -> None:
        open_, others, hers = approval(), approval(client_id="c_2"), approval(user_id="auth0|eve")
        for each in (open_, others, hers):
            await store.commit(store.approvals.add(each))
        await store.commit(store.approvals.close_of("c_1", "auth0|ada", NOW, "enough"))
        closed = await store.approvals.get(open_.id)
        assert closed is not None
        assert (closed.state, closed.reason, closed.decided_by) == ("denied", "enough", "auth0|ada")
        assert await store.approvals.get(others.id) == others
        assert await store.approvals.get(hers.id) == hers

    async def test_a_version_that_was_not_seen_is_not_answered(self, store: Store) -> None:
        asked = approval(user_id=None, kind="device")
        await store.commit(store.approvals.add(asked))
        await store.commit(store.approvals.claim(asked, "auth0|ada", NOW))
        assert await loses(store, store.approvals.claim(asked, "auth0|eve", NOW))
        assert await loses(store, store.approvals.decide(asked, "approved", "auth0|ada", NOW))
        claimed = await store.approvals.get(asked.id)
        assert claimed is not None
        await store.commit(store.approvals.decide(claimed, "denied", "auth0|ada", NOW))

    async def test_polling(self, store: Store) -> None:
        asked = approval()
        await store.commit(store.approvals.add(asked))
        await store.commit(store.approvals.poll(asked, NOW, interval=10, slow_downs=1))
        assert await loses(store, store.approvals.poll(asked, NOW, interval=10, slow_downs=1))
        polled = await store.approvals.get(asked.id)
        assert polled is not None
        assert (polled.polled_at, polled.interval, polled.slow_downs) == (NOW, 10, 1)

    async def test_expiry(self, store: Store) -> None:
        asked = approval()
        await store.commit(store.approvals.add(asked))
        assert await loses(store, store.approvals.expire(asked.id, LATER - 1))
        assert await store.approvals.overdue(LATER - 1) == []
        assert list(await store.approvals.overdue(LATER)) == [asked]
        await store.commit(store.approvals.expire(asked.id, LATER))
        assert await store.approvals.overdue(LATER) == []


async def test_connected_accounts(store: Store) -> None:
    mine = account()
    await store.commit(store.connected_accounts.add(mine), store.connected_accounts.add(account(connection="chat")))
    assert await store.connected_accounts.get(mine.id, "auth0|ada") == mine
    assert await store.connected_accounts.get(mine.id, "auth0|eve") is None
    assert len(await store.connected_accounts.of_user("auth0|ada")) == 2
    assert list(await store.connected_accounts.connected("auth0|ada", "calendar")) == [replace(mine, default=True)]
    await store.commit(store.connected_accounts.lease(mine, "node-1", NOW, 30))
    assert await loses(store, store.connected_accounts.lease(mine, "node-2", NOW + 29, 30))
    await store.commit(store.connected_accounts.lease(mine, "node-2", NOW + 30, 30))
    await store.commit(store.connected_accounts.save(account(id=mine.id, access_token="new")))
    assert await loses(store, store.connected_accounts.save(mine))
    assert await loses(store, store.connected_accounts.lease(mine, "node-1", NOW + 90, 30))
    await store.commit(store.connected_accounts.touch(mine.id, NOW, "c_9"))
    saved = await store.connected_accounts.get(mine.id, "auth0|ada")
    assert saved is not None
    assert (saved.access_token, saved.version, saved.lease_until, saved.used_by) == ("new", 1, 0, "c_9")
    assert await loses(store, store.connected_accounts.remove(mine.id, "auth0|eve"))
    await store.commit(store.connected_accounts.remove(mine.id, "auth0|ada"))
    assert await store.connected_accounts.get(mine.id, "auth0|ada") is None


async def test_one_account_of_each_connection_is_the_default(store: Store) -> None:
    accounts = store.connected_accounts
    first, second, third = account(), account(), account()
    await store.commit(*(accounts.add(each) for each in (first, second, third, account(connection="chat"))))

    async def default() -> str:
        (found,) = [each.id for each in await accounts.connected("auth0|ada", "calendar") if each.default]
        return found

    assert await default() == first.id, "nobody chose: the oldest"
    assert sum(each.default for each in await accounts.of_user("auth0|ada")) == 2, "one for each connection"
    for chosen in (third, second):
        await store.commit(accounts.choose(chosen, await accounts.connected("auth0|ada", "calendar")))
        assert await default() == chosen.id
    assert await loses(store, accounts.choose(replace(second, user_id="auth0|eve"), [second]))
    await store.commit(accounts.save(replace(second, state="disconnected", default=True)))
    assert await default() == third.id, "the choice before"
    await store.commit(accounts.remove(third.id, "auth0|ada"))
    assert await default() == first.id
    alone = await accounts.get(second.id, "auth0|ada")
    assert alone is not None
    assert not alone.default, "what is worked out is not stored"


async def test_limiting_an_account_does_not_disturb_its_refresh(store: Store) -> None:
    mine = account()
    await store.commit(store.connected_accounts.add(mine))
    for limited in (True, False):
        await store.commit(store.connected_accounts.limit(mine, limited=limited))
        found = await store.connected_accounts.get(mine.id, "auth0|ada")
        assert found is not None
        assert (found.limited, found.version) == (limited, 0)
    assert await loses(store, store.connected_accounts.limit(replace(mine, user_id="auth0|eve"), limited=True))


async def test_connect_attempts(store: Store) -> None:
    begun = ConnectAttempt(
        ticket="t", user_id="u", client_id="c", connection="calendar", redirect_uri="https://a.example", auth_session="as",
        expires_at=LATER,
    )  # fmt: skip
    await store.commit(store.connect_attempts.add(begun))
    assert await store.connect_attempts.get("t") == await store.connect_attempts.by_session("as") == begun
    sent = ConnectAttempt(
        **{**{f: getattr(begun, f) for f in begun.__struct_fields__}, "upstream_state": "us", "step": 1}
    )
    assert await loses(store, store.connect_attempts.advance(sent, LATER))
    await store.commit(store.connect_attempts.advance(sent, NOW))
    assert await loses(store, store.connect_attempts.advance(sent, NOW))
    assert await store.connect_attempts.by_state("us") == sent


async def test_keys(store: Store) -> None:
    key = SigningKey(kid="k1", alg="ES256", jwk={"kty": "EC", "d": "secret"}, created_at=NOW)
    await store.commit(store.signing_keys.add(key), store.secrets.add("pepper", b"\0\1"))
    assert list(await store.signing_keys.all()) == [key]
    assert await loses(store, store.signing_keys.move("k1", was="next", state="current"))
    await store.commit(store.signing_keys.move("k1", was="current", state="retired", retired_at=NOW))
    (moved,) = await store.signing_keys.all()
    assert (moved.state, moved.retired_at, moved.jwk) == ("retired", NOW, key.jwk)
    assert await store.secrets.get("pepper") == b"\0\1"
    assert await store.secrets.get("salt") is None
    assert await loses(store, store.secrets.add("pepper", b"other"))


async def test_the_trail_is_read_by_who_and_what(store: Store) -> None:
    mine = event(subject="a_1")
    other = event("approval.asked", actor=Actor(user="auth0|bo", client="c_2"), subject="a_1", about={"amount": 1})
    await store.commit(events=(mine, other))
    assert await store.trail.latest() == [(2, other), (1, mine)]
    assert await store.trail.latest(before=2, limit=1) == [(1, mine)]
    assert await store.trail.of_user("auth0|bo") == [(2, other)]
    assert await store.trail.of_client("c_1") == [(1, mine)]
    assert await store.trail.about("a_1") == [(1, mine), (2, other)]
    assert await store.trail.about("a_2") == []


async def test_an_event_outside_the_vocabulary_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        event("token.stolen")


async def test_leases(store: Store) -> None:
    assert await store.leases.take("sweep", "node-1", NOW, 30)
    assert not await store.leases.take("sweep", "node-2", NOW + 29, 30)
    assert await store.leases.take("sweep", "node-1", NOW + 29, 30)
    assert not await store.leases.take("sweep", "node-2", NOW + 30, 30)
    await store.leases.leave("sweep", "node-2")
    assert not await store.leases.take("sweep", "node-2", NOW + 30, 30)
    await store.leases.leave("sweep", "node-1")
    assert await store.leases.take("sweep", "node-1", NOW, 30)
    await store.commit(store.leases.keep("sweep", "node-1", NOW + 29, 30))
    assert not await store.leases.take("sweep", "node-2", NOW + 58, 30)
    assert await loses(store, store.leases.keep("sweep", "node-2", NOW + 58, 30))
    assert await loses(store, store.leases.keep("sweep", "node-1", NOW + 59, 30)), "its time is up, even if nobody came"
    await store.leases.leave("sweep", "node-1")
    taken = await asyncio.gather(*(store.leases.take("sweep", f"node-{i}", NOW, 30) for i in range(10)))
    assert sum(taken) == 1

"""List-objects, list-users, expand, batches: whole, or marked where a limit cut them; streamed as far as it is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.endpoints.relations.conftest import DOCS
from tests.fixtures.databases import NewDatabase
from tests.fixtures.house import House, built
from tests.fixtures.openfga import Fga, key, registered, speaking
from tests.ledger import proves

from remit_server.rules.relations.facts import Held
from remit_server.rules.relations.list_objects import Listed
from remit_server.storage.contract import Busy

OBJECTS = {"type": "doc", "relation": "viewer", "user": "user:ann"}
USERS = {"object": {"type": "doc", "id": "1"}, "relation": "viewer", "user_filters": [{"type": "user"}]}
MANY = 25
NUMBERED = [f"doc:{n:02}" for n in range(MANY)]


async def documents(fga: Fga) -> None:
    await fga.write("user:ann member group:g", *(f"group:g#member viewer {one}" for one in NUMBERED))


@pytest.fixture
async def short(new_database: NewDatabase) -> AsyncIterator[Fga]:
    """Where an answer lists ten."""
    async with built(new_database("sqlite"), relation_results=10) as house:
        await registered(house)
        fga = await speaking(house)
        async with fga.http:
            await fga.begin()
            await fga.define(DOCS)
            yield fga


async def listed(fga: Fga, verb: str, of: str, **body: Any) -> list[list[Any]]:
    """Page after page, each but the last marked as a part."""
    found: list[list[Any]] = []
    token: dict[str, str] = {}
    while True:
        said = await fga.good(verb, **body, **token)
        found.append(said[of])
        if "continuation_token" not in said:
            assert said.keys() == {of}
            return found
        assert said["partial"] is True
        token = {"continuation_token": said["continuation_token"]}


@proves("relations.never-silently-short")
async def test_objects_beyond_the_limit_are_announced_and_come(short: Fga) -> None:
    await documents(short)
    assert await listed(short, "list-objects", "objects", **OBJECTS) == [NUMBERED[:10], NUMBERED[10:20], NUMBERED[20:]]
    pages = await listed(short, "list-objects", "objects", **OBJECTS, page_size=5)
    assert pages == [NUMBERED[at : at + 5] for at in range(0, MANY, 5)]
    assert (await short.ask("list-objects", **OBJECTS, page_size=11))[1]["code"] == "page_size_invalid"
    status, lines = await short.streamed(**OBJECTS)
    assert (status, sorted(line["result"]["object"] for line in lines)) == (200, NUMBERED)


@proves("relations.never-silently-short")
async def test_users_beyond_the_limit_are_announced_and_come(short: Fga) -> None:
    names = [f"u{n:02}" for n in range(15)]
    await short.write("user:* viewer doc:1", *(f"user:{name} viewer doc:1" for name in names))
    pages = await listed(short, "list-users", "users", **USERS)
    wanted = [{"wildcard": {"type": "user"}}, *({"object": {"type": "user", "id": name}} for name in names)]
    assert pages == [wanted[:10], wanted[10:]]


async def test_a_token_of_another_listing_is_refused(short: Fga) -> None:
    await documents(short)
    token = (await short.good("list-objects", **OBJECTS))["continuation_token"]
    for verb, body in (("list-users", USERS), ("read", {})):
        status, said = await short.ask(verb, **body, continuation_token=token)
        assert (status, said["code"]) == (400, "invalid_continuation_token")


async def test_what_is_listed_is_of_this_moment(fga: Fga) -> None:
    await documents(fga)
    assert (await fga.good("list-objects", **OBJECTS))["objects"] == NUMBERED
    await fga.write("user:ann blocked doc:03")
    left = [one for one in NUMBERED if one != "doc:03"]
    assert (await fga.good("list-objects", **OBJECTS))["objects"] == left
    assert sorted(line["result"]["object"] for line in (await fga.streamed(**OBJECTS))[1]) == left
    contextual = {"contextual_tuples": {"tuple_keys": [key("user:ann blocked doc:04"), key("user:ann viewer doc:z")]}}
    expected = [one for one in left if one != "doc:04"] + ["doc:z"]
    assert (await fga.good("list-objects", **OBJECTS, **contextual))["objects"] == expected


@proves("relations.never-silently-short")
async def test_a_stream_that_fails_ends_in_an_error(fga: Fga, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error before the first object is the answer; after it, the last line."""

    def failing(found: list[str], error: Exception) -> Any:
        def reasoning(_model: Any, _asker: Any, _type: str, _relation: str, tell: Any) -> Any:
            tell(found)
            yield ()
            raise error

        return reasoning

    where = "remit_server.access.endpoints.streamed_list_objects.list_objects"
    monkeypatch.setattr(where, failing([], ValueError("a bug")))
    status, lines = await fga.streamed(**OBJECTS)
    assert (status, lines[0]["code"]) == (500, "internal_error")
    monkeypatch.setattr(where, failing(["doc:1"], ValueError("a bug")))
    status, (first, last) = await fga.streamed(**OBJECTS)
    assert (status, first) == (200, {"result": {"object": "doc:1"}})
    assert last["error"]["code"] == 13
    assert "a bug" not in str(last)
    monkeypatch.setattr(where, failing(["doc:1"], Busy("others")))
    assert (await fga.streamed(**OBJECTS))[1][-1]["error"]["code"] == 13


@proves("access.one-revision")
async def test_a_stream_tells_nothing_that_was_true_at_no_moment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """doc:1 is on the left, and in the moment in which it comes to the right it is on the left no more."""
    await registered(house)
    fga = await speaking(house)
    async with fga.http:
        await fga.begin()
        await fga.define(BOTH)
        await fga.write("user:ann left doc:1", "user:ann left doc:2", "user:ann right doc:2")
        read, moves = house.store.relations.facts, 1

        async def meddled(store_id: str, needs: Any) -> Any:
            nonlocal moves
            found = await read(store_id, needs)
            if moves:
                moves -= 1
                away, there = key("user:ann left doc:1"), key("user:ann right doc:1")
                await fga.good("write", writes={"tuple_keys": [there]}, deletes={"tuple_keys": [away]})
            return found

        def one_after_the_other(_model: Any, _asker: Any, _type: str, _relation: str, tell: Any) -> Any:
            seen = [Held("user:ann", relation, "doc") for relation in ("left", "right")]
            left = (yield [seen[0]])[seen[0]]
            right = (yield [seen[1]])[seen[1]]
            both = {fact[0] for fact in left} & {fact[0] for fact in right}
            tell(both)
            yield [Held("user:ann", "nothing", "doc")]
            return Listed(sorted(both))

        monkeypatch.setattr(house.store.relations, "facts", meddled)
        where = "remit_server.access.endpoints.streamed_list_objects.list_objects"
        monkeypatch.setattr(where, one_after_the_other)
        told = await fga.streamed(type="doc", relation="both", user="user:ann")
        assert (told, moves) == ((200, [{"result": {"object": "doc:2"}}]), 0)


BOTH = """model
  schema 1.1
type user
type doc
  relations
    define left: [user]
    define right: [user]
    define both: left and right
"""


class Reader:
    """Reads a streamed answer piece by piece, over ASGI, and hangs up when it has enough."""

    def __init__(self, fga: Fga, house: House) -> None:
        body = json.dumps({**OBJECTS, "authorization_model_id": fga.model}).encode()
        headers = [(b"authorization", fga.http.headers["authorization"].encode()), (b"host", b"127.0.0.1:8080")]
        path = f"/stores/{fga.store}/streamed-list-objects"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
                 "headers": headers, "client": ("127.0.0.1", 1), "scheme": "http", "root_path": ""}  # fmt: skip
        self.left, self.pieces = asyncio.Event(), asyncio.Queue[bytes]()
        self.may_send = asyncio.Semaphore(0)
        self._body = [{"type": "http.request", "body": body, "more_body": False}]
        self.served = asyncio.ensure_future(house.app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        if self._body:
            return self._body.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            await self.may_send.acquire()
            self.pieces.put_nowait(message["body"])


async def test_a_stream_comes_as_it_is_found_and_stops_when_nobody_reads(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registered(house)
    fga = await speaking(house)
    async with fga.http:
        await fga.begin()
        await fga.define(DOCS)
    more, ended = asyncio.Event(), asyncio.Event()

    async def answer(_engine: Any, _opened: Any, begin: Any, stands: Any) -> Any:
        reasoning = begin()[0]
        next(reasoning)
        stands()
        try:
            await more.wait()  # as if the next level took for ever
        finally:
            ended.set()

    def endless(_model: Any, _asker: Any, _type: str, _relation: str, tell: Any) -> Any:
        tell(["doc:1"])
        yield ()

    monkeypatch.setattr("remit_server.access.endpoints.streamed_list_objects.list_objects", endless)
    monkeypatch.setattr("remit_server.access.engine.Engine.answer", answer)
    reader = Reader(fga, house)
    reader.may_send.release()
    assert await asyncio.wait_for(reader.pieces.get(), 5) == b'{"result":{"object":"doc:1"}}\n'
    assert not ended.is_set()
    reader.left.set()
    await asyncio.wait_for(reader.served, 5)
    await asyncio.wait_for(ended.wait(), 5)


# Beside the lists


async def test_a_batch_answers_each_by_itself_in_its_order(fga: Fga) -> None:
    await fga.write("user:ann viewer doc:1")
    conditioned = {**key("user:cy viewer doc:1"), "condition": {"name": "fresh"}}
    await fga.good("write", writes={"tuple_keys": [conditioned]})
    brought = {"contextual_tuples": {"tuple_keys": [key("user:eve viewer doc:1")]}}
    wrong = {"contextual_tuples": {"tuple_keys": [key("group:g viewer doc:1")]}}
    checks = [
        {"tuple_key": key("user:cy viewer doc:1"), "correlation_id": "lacks-age"},
        {"tuple_key": key("user:ann viewer doc:1"), "correlation_id": "yes"},
        {"tuple_key": key("user:eve viewer doc:1"), "correlation_id": "no"},
        {"tuple_key": key("user:eve viewer doc:1"), "correlation_id": "brought", **brought},
        {"tuple_key": key("user:cy viewer doc:1"), "correlation_id": "young", "context": {"age": 3}},
        {"tuple_key": key("user:cy viewer doc:1"), "correlation_id": "old", "context": {"age": 30}},
        {"tuple_key": key("user:ann fly doc:1"), "correlation_id": "no-relation"},
        {"tuple_key": key("user:ann viewer doc:1"), "correlation_id": "no-tuple", **wrong},
    ]
    result = (await fga.good("batch-check", checks=checks))["result"]
    assert list(result) == [check["correlation_id"] for check in checks]
    assert {name: one.get("allowed", one.get("error", {}).get("input_error")) for name, one in result.items()} == {
        "lacks-age": "validation_error", "yes": True, "no": False, "brought": True, "young": True, "old": False,
        "no-relation": "validation_error", "no-tuple": "invalid_tuple",
    }  # fmt: skip


async def test_expand_shows_one_step(fga: Fga) -> None:
    await fga.write("user:ann viewer doc:1", "group:g#member viewer doc:1", "user:bob blocked doc:1")
    contextual = {"contextual_tuples": {"tuple_keys": [key("user:zoe viewer doc:1")]}}
    tree = (await fga.good("expand", tuple_key={"object": "doc:1", "relation": "viewer"}, **contextual))["tree"]
    name = "doc:1#viewer"
    assert tree == {
        "root": {
            "name": name,
            "difference": {
                "base": {"name": name, "leaf": {"users": {"users": ["group:g#member", "user:ann", "user:zoe"]}}},
                "subtract": {"name": name, "leaf": {"computed": {"userset": "doc:1#blocked"}}},
            },
        }
    }

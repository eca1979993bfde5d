"""Reading and writing tuples, and the log of what was changed: page by page, in order, nothing twice and nothing missed."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from tests.fixtures.house import House
from tests.fixtures.openfga import Fga, key


def said(change: dict[str, Any]) -> str:
    of = change["tuple_key"]
    return f"{change['operation'].removeprefix('TUPLE_OPERATION_')} {of['user']} {of['relation']} {of['object']}"


async def changes(fga: Fga, **params: Any) -> tuple[list[str], str]:
    status, body = await fga.call("GET", "changes", **params)
    assert status == 200, body
    return [said(change) for change in body["changes"]], body["continuation_token"]


@pytest.fixture
async def changed(fga: Fga) -> Fga:
    await fga.write("user:ann viewer doc:1", "user:bob member group:g")
    await fga.good("write", deletes={"tuple_keys": [key("user:ann viewer doc:1")]})
    conditioned = {**key("user:cy viewer doc:2"), "condition": {"name": "fresh", "context": {"age": 3}}}
    await fga.good("write", writes={"tuple_keys": [conditioned]})
    return fga


async def test_changes_go_on_where_the_reader_left_off(changed: Fga) -> None:
    first, token = await changes(changed, page_size=3)
    assert first == ["WRITE user:ann viewer doc:1", "WRITE user:bob member group:g", "DELETE user:ann viewer doc:1"]
    second, token = await changes(changed, page_size=3, continuation_token=token)
    assert second == ["WRITE user:cy viewer doc:2"]
    assert await changes(changed, continuation_token=token) == ([], token)
    await changed.write("user:dee viewer doc:2")
    assert (await changes(changed, continuation_token=token))[0] == ["WRITE user:dee viewer doc:2"]
    body = (await changed.call("GET", "changes"))[1]["changes"]
    assert body[3]["tuple_key"]["condition"] == {"name": "fresh", "context": {"age": 3}}
    assert body[0]["tuple_key"]["condition"] is None


async def test_changes_of_a_type(changed: Fga) -> None:
    assert (await changes(changed, type="group"))[0] == ["WRITE user:bob member group:g"]
    found, token = await changes(changed, type="doc", page_size=1)
    assert found == ["WRITE user:ann viewer doc:1"]
    rest, _ = await changes(changed, type="doc", continuation_token=token)
    assert rest == ["DELETE user:ann viewer doc:1", "WRITE user:cy viewer doc:2"]
    status, body = await changed.call("GET", "changes", type="group", continuation_token=token)
    assert (status, body["code"]) == (400, "query_string_type_continuation_token_mismatch")


async def test_changes_since_a_moment(changed: Fga, any_house: House) -> None:
    any_house.clock.forward(60)
    await changed.write("user:late viewer doc:2")
    late = ["WRITE user:late viewer doc:2"]
    assert (await changes(changed, start_time="2026-11-22T14:00:01Z"))[0] == late
    assert (await changes(changed, start_time="2026-11-22T15:01:00+01:00"))[0] == late
    assert len((await changes(changed, start_time="2026-11-22T14:00:00Z"))[0]) == 5
    any_house.clock.forward(60)
    assert await changes(changed, start_time="2026-11-22T14:02:00Z") == ([], "")
    # Where both are given, the token knows better.
    _, token = await changes(changed)
    assert (await changes(changed, start_time="2026-11-22T14:00:00Z", continuation_token=token))[0] == []


@pytest.mark.parametrize(
    "token", ["WyJjaGFuZ2VzIiwiMSJd", "WyJjaGFuZ2VzIiwiLTEiLCIwIiwiIl0=", "W10=", "WzFd", "bnVsbA=="]
)
async def test_a_token_that_nobody_was_given(changed: Fga, token: str) -> None:
    status, body = await changed.call("GET", "changes", continuation_token=token)
    assert (status, body["code"]) == (400, "invalid_continuation_token")


async def test_read_goes_page_by_page(fga: Fga) -> None:
    wanted = [f"user:u{n:02} viewer doc:1" for n in range(7)]
    await fga.write(*wanted, "user:u03 viewer doc:2", "user:u03 blocked doc:2")

    async def read(**body: Any) -> list[list[str]]:
        pages, token = [], ""
        while True:
            body |= {"continuation_token": token} if token else {}
            answer = (await fga.call("POST", "read", {"page_size": 3, **body}))[1]
            keys = [one["key"] for one in answer["tuples"]]
            pages.append([f"{of['user']} {of['relation']} {of['object']}" for of in keys])
            token = answer["continuation_token"]
            if not token:
                return pages

    assert await read(tuple_key={"object": "doc:1"}) == [wanted[:3], wanted[3:6], wanted[6:]]
    assert sorted(chain.from_iterable(await read())) == sorted(
        [*wanted, "user:u03 viewer doc:2", "user:u03 blocked doc:2"]
    )
    mine = {"object": "doc:", "user": "user:u03"}
    assert sorted(chain.from_iterable(await read(tuple_key=mine))) == [
        "user:u03 blocked doc:2", "user:u03 viewer doc:1", "user:u03 viewer doc:2"
    ]  # fmt: skip
    assert await read(tuple_key={**mine, "relation": "blocked"}) == [["user:u03 blocked doc:2"]]
    answer = (await fga.call("POST", "read", {"tuple_key": {"object": "doc:2", "relation": "blocked"}}))[1]
    assert answer["tuples"][0]["timestamp"] == "2026-11-22T14:00:00Z"


async def test_deletes_come_before_writes_and_all_or_nothing(fga: Fga) -> None:
    await fga.write("user:ann viewer doc:1")
    both = {
        "writes": {"tuple_keys": [key("user:bob viewer doc:1"), key("user:ann viewer doc:1")]},
        "deletes": {"tuple_keys": [key("user:ann viewer doc:9")]},
    }
    status, body = await fga.ask("write", **both)
    assert (status, body["code"]) == (400, "write_failed_due_to_invalid_input")
    assert not await fga.allows("user:bob viewer doc:1")
    both["deletes"]["on_missing"] = both["writes"]["on_duplicate"] = "ignore"
    await fga.good("write", **both)
    assert await fga.allows("user:bob viewer doc:1")
    assert (await changes(fga))[0] == ["WRITE user:ann viewer doc:1", "WRITE user:bob viewer doc:1"]

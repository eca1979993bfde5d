"""Retrievers of LangChain and LlamaIndex, unmodified, behind ours: what a person may not see is not there, and costs no answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fixtures.house import SECRET, START
from tests.fixtures.relations import put_store
from tests.interop.live import Live, Trust, live
from tests.interop.play import play_python
from tests.ledger import proves
from tests.needs import ROOT

from remit import Client
from remit_server.records import Grant
from remit_server.rules.relations.model import parse

STORE = "01JRETRIEVA0000000000STORE"
ADA, BOB = "auth0|ada", "auth0|bob"
MODEL = """model
  schema 1.1
type user
type document
  relations
    define viewer: [user]
"""
"""Of 120 documents Ada sees those from 40 on, Bob every other."""


@pytest.fixture(scope="module")
async def server(trust: Trust, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    sees = ((ADA, range(40, 120)), (BOB, range(0, 120, 2)))
    given = [f"document:{n} viewer user:{sub}" for sub, numbers in sees for n in numbers]
    async with live(tmp_path_factory.mktemp("retrieval"), trust, tls=False) as server:
        store = server.house.store
        for sub in (ADA, BOB):
            await store.commit(store.grants.add(Grant(id=f"g-{sub}", client_id="agent", user_id=sub, created_at=START)))
        await put_store(store, STORE, parse(MODEL), *given, now=START)
        yield server


async def play(server: Live, script: str, packages: str) -> Any:
    return await play_python(
        server,
        script,
        packages=packages,
        client="agent",
        secret=SECRET,
        people=[ADA, BOB],
        source=[str(ROOT / "src")],
        page=(ROOT / "docs/retrieval.md").read_text(),
    )


@proves("retrieval.langchain", "retrieval.unheard")
@pytest.mark.parametrize("packages", ["python-clients", "python-agents"], ids=["LangChain 1.7", "LangChain 0.3"])
async def test_langchain(server: Live, packages: str) -> None:
    found = await play(server, "retrieve_langchain", packages)
    said = found["async"]
    assert (said["ada"], said["bob"]) == ([40, 41, 42, 43], [0, 2, 4, 6])
    assert said["few"] == [40, 41, 42, 43]
    assert said["batch"] == [[0, 2, 4, 6]] * 2
    assert said["told"] == [40, 41, 42, 43]
    assert said["heard"] == [[40, 41, 42, 43]], "a listener hears of what is shown, and of nothing else"
    assert said["streamed"] == ["on_retriever_start", "on_retriever_end"]
    assert said["leaked"] is False
    assert said["mmr"] == list(range(40, 120))
    assert said["shelf"] == [40, 41, 42, 43]
    assert {traced for _, traced in said["listeners"]} == {False}, "nothing traces what the base finds"
    assert said["nested"] == ["on_retriever_start", "on_retriever_end"]
    assert said["ears"] == found["sync"].pop("ears") == [[[40, 41, 42, 43]]] * 3, (
        "nor does who listens to every run hear it"
    )
    assert said["odd"] == [40, 40]
    assert said["narrow"] == []
    assert said["bound"] == []
    assert said["worker"] == [40, 41, 42, 43]
    assert said["refusals"] == ["NotAllowed", "SignInRequired"]
    assert found["sync"] == {
        "one": [40, 41, 42, 43],
        "heard": [[40, 41, 42, 43]],
        "batch": [[0, 2, 4, 6]] * 3,
        "threads": [[40, 41, 42, 43], [0, 2, 4, 6]] * 2,
    }


@proves("retrieval.llamaindex")
@pytest.mark.parametrize("packages", ["python-clients", "python-agents"], ids=["alone", "beside Auth0's toolkit"])
async def test_llamaindex(server: Live, packages: str) -> None:
    found = await play(server, "retrieve_llamaindex", packages)
    said = found["async"]
    assert (said["ada"], said["bob"]) == ([40, 41, 42, 43], [0, 2, 4, 6])
    assert said["odd"] == [40, 40]
    assert said["references"] == [52], "what a visible node refers to is judged like any other"
    assert said["around"] == [52], "and who comes after has nothing to follow"
    assert ['"obj":null' in each for each in said["told"]] == [True]
    assert said["kept"] == [None]
    assert said["post"] == [41, 40]
    assert said["worker"] == [[40, 41, 42, 43], [52], [52], [None], [38, 40]]
    assert said["refusals"] == ["NotAllowed", "SignInRequired"]
    assert found["sync"] == [40, 41, 42, 43]


@proves("retrieval.batches")
async def test_the_server_is_asked_in_hundreds(server: Live) -> None:
    async with Client(server.issuer, "agent", SECRET) as client:
        ada = client.for_user(ADA)
        before = len(server.calls)
        assert await ada.filter(range(120), relation="viewer", obj=lambda n: f"document:{n}") == list(range(40, 120))
        assert server.calls[before:] == ["POST /access/v1/evaluations"] * 2
        assert await ada.can("viewer", "document:40")
        odd = ["document:40", "document:*", "document:1#viewer", "document:a b", "picture:1", "document:" + "x" * 600]
        assert await ada.filter(odd, relation="viewer", obj=str) == ["document:40"]

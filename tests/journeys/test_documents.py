"""The document assistant: one index over everybody's papers, and what each of two people gets of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fixtures.house import SECRET, START
from tests.fixtures.relations import put_store
from tests.interop.live import Live, Trust, live
from tests.ledger import proves

from remit import Client, NotAllowed, User
from remit_demo.agent.assistant import Assistant, Places
from remit_demo.agent.planner import Final, Message, Tool, ToolCall
from remit_demo.documents import sharing
from remit_demo.documents.archive import COMPLAINT, EMBARGOED, INJECTED, ORLA_OFFER, PAYROLL, PUBLISHED, archive
from remit_demo.documents.bm25 import WordIndex, words
from remit_demo.documents.papers import NOTHING, Papers, only_cited, quoted
from remit_demo.theft import commanded
from remit_server.records import Grant
from remit_server.rules.relations.model import parse

ADA, BOB = "auth0|ada", "auth0|bob"
SECRETS = ("31.50 USD", "Larkspur", "118,000 USD", "short with him", "1.02 USD")
"""What stands in papers that Ada may not read, and nowhere else."""


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    place = tmp_path_factory.mktemp("documents")
    async with live(place, Trust.made(place), tls=False) as server:
        store = server.house.store
        for sub in (ADA, BOB):
            await store.commit(store.grants.add(Grant(id=f"g-{sub}", client_id="agent", user_id=sub, created_at=START)))
        tuples = [_written(each) for each in sharing.tuples(datetime.now(UTC))]
        await put_store(store, "01JDOCVMENTS0000000000STRE", parse(sharing.model()), *tuples, now=START)
        yield server


def _written(tuple_: Mapping[str, Any]) -> str:
    condition = tuple_.get("condition") or {"name": "", "context": None}
    context = msgspec.json.encode(condition["context"]).decode() if condition["context"] else ""
    return f"{tuple_['object']} {tuple_['relation']} {tuple_['user']} {condition['name']} {context}".rstrip()


@pytest.fixture
async def client(server: Live) -> AsyncIterator[Client]:
    async with Client(server.issuer, "agent", SECRET) as client:
        yield client


@pytest.fixture
def ada(client: Client) -> User:
    return client.for_user(ADA)


@pytest.fixture
def bob(client: Client) -> User:
    return client.for_user(BOB)


# The papers


def test_the_papers_are_the_same_at_each_start() -> None:
    papers = archive()
    assert papers == archive()
    assert len({each.id for each in papers}) == len(papers) > 250
    assert all(re.fullmatch(r"[a-z0-9-]+", each.id) for each in papers)
    for secret in SECRETS:
        assert sum(secret in each.text for each in papers) in {1, 2}


def test_words_are_found_whatever_their_form() -> None:
    assert words("The Salaries, of 31.50 USD: ferries!") == ["the", "salary", "of", "31.50", "usd", "ferry"]
    index = WordIndex(archive())
    assert [each.id for each in index.best("salary", 2)] == ["payroll-2026", "payroll-bonus"]
    assert index.best("xylophone", 5) == []
    assert [each.id for each in index.best("How many days of holidays?", 1)] == ["handbook-holidays"]


# What each gets


def _may_read(name: str) -> set[str]:
    """By the tables of the demo alone, worked out by hand: what the relations have to come to."""
    folders = {"research", "desk", "handbook", f"own-{name}"}
    shared = {"office-plan", INJECTED, PUBLISHED, f"appraisal-{name}"}
    if name == "bob":
        shared |= {ORLA_OFFER, "deal-orla-team"}
    seen = {each.id for each in archive() if each.folder in folders} | shared
    return seen - ({COMPLAINT} if name == "ada" else set())


@proves("demo.documents")
@pytest.mark.parametrize("name", ["ada", "bob"])
async def test_the_relations_say_what_the_tables_say(client: Client, name: str) -> None:
    user = client.for_user(f"auth0|{name}")
    papers = await user.filter(archive(), relation="viewer", obj=lambda each: f"document:{each.id}")
    assert {each.id for each in papers} == _may_read(name)
    assert set((await user.visible("viewer", "document")).docs) == _may_read(name)


@proves("demo.documents")
@pytest.mark.parametrize("name", ["ada", "bob"])
async def test_an_answer_quotes_the_best_that_its_reader_may_read(client: Client, name: str) -> None:
    papers, may = Papers(), _may_read(name)
    index = WordIndex(archive())
    user = client.for_user(f"auth0|{name}")
    queries = [each.title for each in archive()[::12]] + [
        "salaries", "the outlook for Orla Shipping", "complaint about Ada", "board budget", "dentist", "embargo results",
    ]  # fmt: skip
    for query in queries:
        expected = [each for each in index.best(query, 1000) if each.id in may][:4]
        assert await papers.search(user, query) == expected, query


@proves("demo.documents")
async def test_two_people_ask_the_same(ada: User, bob: User) -> None:
    papers, query = Papers(), "the outlook for Orla Shipping"
    hers, his = quoted(await papers.search(ada, query)), quoted(await papers.search(bob, query))
    assert f"[{ORLA_OFFER}]" in his
    assert "31.50 USD" in his
    assert not any(secret in hers for secret in SECRETS)
    assert hers.count("[research-orla-") == 4, "what is withheld makes no gap"


async def test_nothing_to_show_says_nothing_of_what_there_is(ada: User) -> None:
    papers = Papers()
    assert quoted(await papers.search(ada, "Larkspur")) == quoted(await papers.search(ada, "xylophone")) == NOTHING


@proves("demo.documents")
async def test_an_id_opens_what_its_reader_may_read(server: Live, ada: User, bob: User) -> None:
    papers = Papers()
    assert (await papers.read(bob, ORLA_OFFER)).id == ORLA_OFFER
    told = set()
    for guess in (
        ORLA_OFFER,
        PAYROLL,
        COMPLAINT,
        EMBARGOED,
        "own-bob-dentist",
        "no-such-paper",
        "",
        "*",
        "a:b#c",
        "../x",
    ):
        before = len(server.calls)
        with pytest.raises(NotAllowed) as refusal:
            await papers.read(ada, guess)
        assert server.calls[before:] == ["POST /access/v1/evaluation"], "what is not there takes as long as what is"
        told.add(refusal.value.for_model())
    assert len(told) == 1


# A planner that obeys what it reads


class Gullible:
    """Does all that the last text tells it, and cites what it was told to cite."""

    label = "gullible"

    def __init__(self, query: str) -> None:
        self._query, self._orders = query, list[ToolCall]()
        self.read: list[str] = []

    async def plan(self, messages: Sequence[Message], tools: Sequence[Tool]) -> ToolCall | Final:
        last = messages[-1]
        if last.role == "user":
            return ToolCall("documents", {"query": self._query})
        self.read.append(last.text)
        self._orders += [order for order in commanded(last.text) if order.name in {"documents", "read_document"}]
        if len(self.read) < 5 and self._orders:
            return self._orders.pop(0)
        return Final(f"Read all about it in [{PAYROLL}], [{ORLA_OFFER}] and [{INJECTED}].")


class Quiet:
    def say(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    async def offer(self, why: str, url: str, code: str | None = None) -> None: ...


@proves("demo.injection")
async def test_a_document_that_gives_orders_gets_its_reader_nothing(client: Client, ada: User) -> None:
    planner = Gullible("wind farms weekly newsletter")
    nowhere: Any = None  # no price is asked and no order placed
    assistant = Assistant(
        client=client, planner=planner, desk=nowhere, places=Places("", ""), screen=Quiet(), broker=nowhere,
        papers=Papers(),
    )  # fmt: skip
    assistant.user = ada
    answer = await assistant.hear("What is new about the wind?")
    called = [call.name for call, _ in assistant.done]
    assert called[:3] == ["documents", "documents", "read_document"], "it did obey"
    assert assistant.done[1][0].arguments["user"] == BOB, "it asked in Bob's name"
    for text in planner.read:
        assert not any(secret in text for secret in SECRETS)
        assert set(re.findall(r"^\[([a-z0-9-]+)\]", text, re.MULTILINE)) <= _may_read("ada")
    assert answer == f"Read all about it in [no source], [no source] and [{INJECTED}]."


def test_what_was_not_shown_is_no_source() -> None:
    assert (
        only_cited("[a-1], [b-2] and [B-2], [see above]", {"a-1"}) == "[a-1], [no source] and [no source], [see above]"
    )


async def test_another_person_is_not_asked_for(client: Client) -> None:
    with pytest.raises(NotAllowed):
        await Papers().search(client.for_user("auth0|nobody"), "salaries")


def test_no_paper_lies_outside_the_package() -> None:
    assert Path(sharing.__file__).with_name("documents.fga").read_text() == sharing.model()

"""What may the user see? `can`, `requires`, `filter`, `first` and `visible`, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response
from tests.journeys.hostile import Hostile, hostile_server, oauth_error
from tests.ledger import proves

from remit import Client, Found, NotAllowed, Unavailable, User, sync
from remit.retrieval import Sieve

CHECK, MANY, SEARCH = "/access/v1/evaluation", "/access/v1/evaluations", "/access/v1/search/resource"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Hostile]:
    async with hostile_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _decent(server: Hostile) -> None:
    server.reset()


@pytest.fixture
async def client(server: Hostile) -> AsyncIterator[Client]:
    async with Client(server.issuer, "assistant", "s3cret", clock=server.clock) as client:
        yield client


@pytest.fixture
def ada(client: Client) -> User:
    return client.for_user("auth0|ada")


class Deciding(Response):
    """Answers a batch, each document by its number."""

    def __init__(self, server: Hostile, answer: Callable[[int], Any]) -> None:
        super().__init__()
        self._server, self._answer = server, answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked = self._server.received[MANY][-1].json["evaluations"]
        answers = [self._answer(int(each["resource"]["id"])) for each in asked]
        await JSONResponse({"evaluations": answers})(scope, receive, send)


def permitting(server: Hostile, permits: Callable[[int], bool] = lambda _: True) -> None:
    server.always[MANY] = Deciding(server, lambda n: {"decision": permits(n)})


def asked(server: Hostile) -> list[list[str]]:
    """The ids that each request asked about."""
    return [[each["resource"]["id"] for each in request.json["evaluations"]] for request in server.received[MANY]]


def doc(n: int) -> str:
    return f"doc:{n}"


# One object


async def test_checks_speak_authzen(server: Hostile, ada: User) -> None:
    server.always[CHECK] = JSONResponse({"decision": True})
    assert await ada.can("viewer", "doc:a:b") is True
    sent = server.received[CHECK][0]
    assert sent.json == {
        "subject": {"type": "user", "id": "auth0|ada"},
        "action": {"name": "viewer"},
        "resource": {"type": "doc", "id": "a:b"},
    }
    assert sent.headers["authorization"].startswith("Basic ")


@proves("retrieval.fails-closed")
@pytest.mark.parametrize(
    "body",
    [{}, {"decision": "true"}, {"decision": 1}, {"decision": None},
     {"decision": True, "context": {"error": {"status": 500}}}, {"decision": True, "context": {"error": "broken"}},
     {"decision": True, "context": ["broken"]}],
)  # fmt: skip
async def test_only_true_is_yes(server: Hostile, ada: User, body: Any) -> None:
    server.always[CHECK] = JSONResponse({"decision": False})
    assert await ada.can("viewer", "doc:1") is False
    server.always[CHECK] = JSONResponse(body)
    with pytest.raises(Unavailable):
        await ada.can("viewer", "doc:1")


@pytest.mark.parametrize("name", ["doc", "doc:", ":1", ""])
async def test_an_object_has_a_type_and_an_id(ada: User, name: str) -> None:
    with pytest.raises(ValueError, match="type:id"):
        await ada.can("viewer", name)


@pytest.mark.parametrize("name", ["doc:" + "x" * 253, "doc:\ud800"])
async def test_what_no_server_could_take_is_a_no(server: Hostile, ada: User, name: str) -> None:
    server.always[CHECK] = JSONResponse({"decision": True})
    assert await ada.can("viewer", name) is False
    assert CHECK not in server.received


async def test_a_tool_insists(server: Hostile, ada: User) -> None:
    server.always[CHECK] = JSONResponse({"decision": True})
    await ada.requires("editor", "doc:7")
    server.always[CHECK] = JSONResponse({"decision": False, "context": {"reason_admin": {"en": "no such document"}}})
    with pytest.raises(NotAllowed) as refusal:
        await ada.requires("editor", "doc:7")
    assert (refusal.value.relation, refusal.value.object) == ("editor", "doc:7")
    assert refusal.value.for_model() == "This is not allowed."


# Many


@proves("retrieval.filter")
async def test_a_filter_keeps_order_and_type_and_drops_the_nameless(server: Hostile, ada: User) -> None:
    permitting(server, lambda n: n != 2)
    hits: list[dict[str, Any]] = [  # which cannot be hashed
        {"id": 3}, {}, {"id": 1}, {"id": 2}, {"id": 3, "chunk": 2}, {"name": "nonsense"}, {"name": ":x"}, {"name": "doc:"},
        {"name": None}, {"name": 7}, {"name": "doc:" + "7" * 253}, {"name": "doc:7\udcff"},
    ]  # fmt: skip

    def named(hit: dict[str, Any]) -> Any:
        return hit["name"] if "name" in hit else doc(hit["id"])

    assert await ada.filter(hits, relation="viewer", obj=named) == [{"id": 3}, {"id": 1}, {"id": 3, "chunk": 2}]
    assert asked(server) == [["3", "1", "2"]]
    assert await ada.filter([], relation="viewer", obj=named) == []


@proves("retrieval.batches")
async def test_a_hundred_documents_are_one_request(server: Hostile, ada: User) -> None:
    permitting(server, lambda n: n % 2 == 1)
    assert await ada.filter(range(250), relation="viewer", obj=doc) == list(range(1, 250, 2))
    assert sorted(len(each) for each in asked(server)) == [50, 100, 100]
    sent = server.received[MANY][0].json
    assert (sent["subject"], sent["action"]) == ({"type": "user", "id": "auth0|ada"}, {"name": "viewer"})


@proves("retrieval.fails-closed")
@pytest.mark.parametrize(
    "body",
    [{}, {"evaluations": []}, {"evaluations": None}, {"evaluations": [{"decision": True}] * 2}, {"decision": True},
     {"evaluations": [{"decision": True}] * 4}, {"evaluations": [{"decision": True}, {"decision": 1}, {}]},
     {"evaluations": [True, True, True]},
     {"evaluations": [*[{"decision": True}] * 2, {"decision": True, "context": {"error": {"status": 500}}}]},
     {"evaluations": [*[{"decision": True}] * 2, {"decision": True, "context": {"error": {}}}]},
     {"evaluations": [*[{"decision": True}] * 2, {"decision": True, "context": {"error": "broken"}}]}],
)  # fmt: skip
async def test_no_whole_answer_is_no_answer(server: Hostile, ada: User, body: Any) -> None:
    server.always[MANY] = JSONResponse(body)
    with pytest.raises(Unavailable):
        await ada.filter([1, 2, 3], relation="viewer", obj=doc)


@proves("retrieval.fails-closed")
async def test_a_batch_that_fails_fails_the_filter(server: Hostile, ada: User) -> None:
    permitting(server)
    server.script[MANY].extend([Deciding(server, lambda _: {"decision": True}), Response("oops", 500)])
    with pytest.raises(Unavailable):
        await ada.filter(range(300), relation="viewer", obj=doc)


@proves("retrieval.fails-closed")
async def test_an_error_is_never_a_yes(server: Hostile, ada: User) -> None:
    unreadable = {"decision": True, "context": {"error": {"status": 400, "message": "?"}}}
    server.always[MANY] = Deciding(server, lambda n: unreadable if n == 2 else {"decision": True})
    assert await ada.filter([1, 2, 3], relation="viewer", obj=doc) == [1, 3]
    forbidden = {"decision": False, "context": {"error": {"status": 403, "message": "no agreement"}}}
    server.always[MANY] = Deciding(server, lambda _: forbidden)
    with pytest.raises(NotAllowed):
        await ada.filter([1, 2, 3], relation="viewer", obj=doc)
    server.always[MANY] = oauth_error("forbidden", 403)
    with pytest.raises(NotAllowed):
        await ada.filter([1, 2, 3], relation="viewer", obj=doc)


# The first k


def ignoring(server: Hostile) -> Iterator[int]:
    """A long list of hits, of which the first 40 are withheld."""
    permitting(server, lambda n: n >= 40)
    return iter(range(300))


@proves("retrieval.over-fetch")
async def test_what_is_withheld_costs_no_answer(server: Hostile, ada: User) -> None:
    hits = ignoring(server)
    assert await ada.first(4, hits, relation="viewer", obj=doc) == Found([40, 41, 42, 43], partial=False)
    assert next(hits) == 100, "no more is drawn than is asked about"
    assert asked(server) == [[str(n) for n in range(20)], [str(n) for n in range(20, 100)]], "nothing is asked twice"


@proves("retrieval.over-fetch")
async def test_a_source_may_be_a_function_of_how_many(server: Hostile, ada: User) -> None:
    permitting(server, lambda n: n >= 40)
    wanted: list[int] = []

    def best(n: int) -> list[int]:
        wanted.append(n)
        return list(range(min(n, 43)))

    async def slowly(n: int) -> list[int]:
        await asyncio.sleep(0)
        return best(n)

    async def one_by_one() -> AsyncIterator[int]:
        for n in range(43):
            yield n

    for source in (best, slowly, one_by_one()):
        assert await ada.first(4, source, relation="viewer", obj=doc) == Found([40, 41, 42], partial=False)
    assert wanted == [20, 100] * 2


@proves("retrieval.over-fetch")
async def test_the_bound_is_told(server: Hostile, ada: User) -> None:
    permitting(server, lambda n: n == 7)
    assert await ada.first(4, range(10_000), relation="viewer", obj=doc, most=50) == Found([7], partial=True)
    assert await ada.first(4, lambda _: list(range(10_000)), relation="viewer", obj=doc, most=50) == Found([7], True)
    assert await ada.first(4, range(30), relation="viewer", obj=doc, most=50) == Found([7], partial=False)
    assert max(int(n) for each in asked(server) for n in each) < 50, "a source that gives more than it was asked for"
    assert await ada.first(1, range(30), relation="viewer", obj=doc, most=5) == Found([], partial=True)


async def test_a_wider_search_may_order_otherwise(server: Hostile, ada: User) -> None:
    """An approximate index owes nobody that a longer answer begins with the shorter one."""
    permitting(server, lambda n: n in {3, 60})
    found = await ada.first(
        2, lambda n: list(range(20)) if n == 20 else list(reversed(range(90))), relation="viewer", obj=doc
    )
    assert found == Found([60, 3], partial=False)


@proves("retrieval.fails-closed")
async def test_an_answer_is_for_the_name_that_was_asked_about(server: Hostile, ada: User) -> None:
    """A hit of a live index may change, and its list grow, while the server is asked: the text stays what it was."""
    hits = [{"id": 1, "text": "withheld"}, {"id": 7, "text": "shown"}]

    class Meddling(Deciding):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            hits[0]["id"] = 7
            hits.append({"id": 7, "text": "never asked about"})
            await super().__call__(scope, receive, send)

    def named(hit: dict[str, Any]) -> str:
        return doc(hit["id"])

    for search in (
        lambda: ada.filter(hits, relation="viewer", obj=named),
        lambda: ada.first(2, lambda _: hits, relation="viewer", obj=named),
    ):
        hits[:] = [{"id": 1, "text": "withheld"}, {"id": 7, "text": "shown"}]
        server.always[MANY] = Meddling(server, lambda n: {"decision": n == 7})
        found = await search()
        assert [hit["text"] for hit in (found.docs if isinstance(found, Found) else found)] == ["shown"]


@pytest.mark.parametrize(("k", "most"), [(0, 1), (1, 0), (-1, 5)])
def test_nothing_is_no_number_of_documents(k: int, most: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Sieve(k, str, most)


# All of a type


def page(*ids: str, onward: Any = None, kind: str = "doc") -> JSONResponse:
    return JSONResponse({"results": [{"type": kind, "id": each} for each in ids], "page": {"next_token": onward or ""}})


async def test_all_that_is_visible_comes_in_pages(server: Hostile, ada: User) -> None:
    server.script[SEARCH].extend([page("1", "2", onward="p2"), page(onward="p3"), page("2", "3")])
    assert await ada.visible("viewer", "doc") == Found(["1", "2", "3"], partial=False)
    sent = [request.json for request in server.received[SEARCH]]
    assert sent[0]["resource"] == {"type": "doc"}
    assert [each.get("page") for each in sent] == [None, {"token": "p2"}, {"token": "p3"}]


async def test_too_many_is_told(server: Hostile, ada: User) -> None:
    with pytest.raises(ValueError, match="positive"):
        await ada.visible("viewer", "doc", most=0)
    server.script[SEARCH].extend([page("1", "2", onward="p2"), page("3")])
    assert await ada.visible("viewer", "doc", most=2) == Found(["1", "2"], partial=True)
    server.script[SEARCH].append(page("1", "2"))
    assert await ada.visible("viewer", "doc", most=2) == Found(["1", "2"], partial=False)
    cut = {"results": [{"type": "doc", "id": "1"}], "page": {"next_token": "p2"}, "context": {"partial": True}}
    server.script[SEARCH].extend([JSONResponse(cut), page("2")])
    assert await ada.visible("viewer", "doc") == Found(["1", "2"], partial=True)


@proves("retrieval.fails-closed")
@pytest.mark.parametrize(
    "body",
    [{}, {"results": None}, {"results": ["1"]}, {"results": [{"type": "pay", "id": "1"}]},
     {"results": [{"type": "doc", "id": 1}]}, {"results": [], "page": 1}],
)  # fmt: skip
async def test_a_search_without_a_result(server: Hostile, ada: User, body: Any) -> None:
    server.always[SEARCH] = JSONResponse(body)
    with pytest.raises(Unavailable):
        await ada.visible("viewer", "doc")


async def test_a_search_that_never_ends(server: Hostile, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.access._PAGES", 5)
    server.always[SEARCH] = page("1", onward="again")
    with pytest.raises(Unavailable, match="does not end"):
        await ada.visible("viewer", "doc")


# Without an event loop


async def test_a_worker_thread_uses_the_loop_that_the_client_belongs_to(server: Hostile, ada: User) -> None:
    permitting(server, lambda n: n == 1)
    await ada.filter([1], relation="viewer", obj=doc)
    seen = await asyncio.to_thread(lambda: ada.sync(ada.filter([1, 2], relation="viewer", obj=doc)))
    assert seen == [1]


async def test_a_loop_that_is_waited_in_does_not_hang_for_ever(
    server: Hostile, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "_PATIENCE", 0.05)
    permitting(server)
    await ada.filter([1], relation="viewer", obj=doc)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: ada.sync(ada.filter([1], relation="viewer", obj=doc)))
        with pytest.raises(RuntimeError, match="blocked"):
            waiting.result()  # in the loop's own thread, on purpose


async def test_who_waits_when_the_client_closes_hears_of_it(server: Hostile) -> None:
    def program() -> BaseException | None:
        client, under_way = Client(server.issuer, "assistant", "s3cret"), threading.Event()

        async def endless() -> None:
            under_way.set()
            await asyncio.Event().wait()

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: client.sync(endless()))
            under_way.wait()
            client.close()
            return waiting.exception(timeout=5)

    assert isinstance(await asyncio.to_thread(program), CancelledError)


async def test_threads_of_a_program_without_a_loop_share_one(server: Hostile) -> None:
    permitting(server, lambda n: n % 2 == 1)

    def program() -> list[list[int]]:
        client = Client(server.issuer, "assistant", "s3cret")
        ada = client.for_user("auth0|ada")
        try:
            with ThreadPoolExecutor(4) as pool:
                return list(pool.map(lambda _: ada.sync(ada.filter(range(6), relation="viewer", obj=doc)), range(8)))
        finally:
            client.close()

    before = threading.active_count()
    assert await asyncio.to_thread(program) == [[1, 3, 5]] * 8
    assert threading.active_count() <= before + 1

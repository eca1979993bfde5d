"""A relation store goes from Remit to OpenFGA and back, and nothing is lost on the way, however often it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx2
import msgspec
import pytest
from tests.fixtures.house import ISSUER, START, Clock, House
from tests.fixtures.openfga import Fga, registered, speaking
from tests.fixtures.openfga_server import OpenFgaServer
from tests.fixtures.relations import put_store, stored, tuple_, write
from tests.ledger import proves

from remit_server.access.copying.copy import Copy, Progress
from remit_server.access.copying.ends import End, Local, Remote, same_form
from remit_server.access.remote import OpenFga, Refused
from remit_server.config import RelationsServer, Settings
from remit_server.errors import ConfigurationError
from remit_server.rules.relations.model import parse
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.ids import new_id
from remit_server.runtime.outbound import Outbound, Reply
from remit_server.runtime.ports import RelationsUnavailable

pytestmark = proves("access.copy")

FIRST = """model
  schema 1.1
type user
type document
  relations
    define owner: [user]
    define viewer: [user]
"""
MODEL = """model
  schema 1.1
type user
type document
  relations
    define owner: [user]
    define viewer: [user, user:*, user with until] or owner
condition until(hour: int, last: int) {
  hour <= last
}
"""
TUPLES = (
    "document:1 owner user:ada",
    "document:2 viewer user:*",
    'document:3 viewer user:bob until {"last":12}',
    *(f"document:many viewer user:{i:03}" for i in range(230)),
)
ASSERTION = {"tuple_key": {"user": "user:ada", "relation": "viewer", "object": "document:1"}, "expectation": True}


class Through:
    """In the place of `Outbound`: to the house's own API, without a network."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def send(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", **_: Any) -> Reply:
        answer = await self.http.request(method, url, content=body, headers={"content-type": headers["Content-Type"]})
        return Reply(answer.status_code, dict(answer.headers), answer.content)


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    found = Outbound(Settings(issuer=ISSUER), Clock())
    yield found
    await found.close()


Made = Callable[[str], Awaitable[End]]


@pytest.fixture
def end(any_house: House, openfga_server: OpenFgaServer, outbound: Outbound) -> Made:
    """An empty store: in the database, behind Remit's API, or behind an OpenFGA server's."""

    async def made(kind: str) -> End:
        house = any_house
        if kind == "openfga":
            return Remote(OpenFga(openfga_server.settings(await openfga_server.store()), outbound, Clock()))
        local = await Local.named(house.store, f"copy-{new_id()}", house.clock, "a test", create=True)
        if kind == "database":
            return local
        await registered(house)
        pep: Fga = await speaking(house)
        server = RelationsServer(url=house.issuer, store=local._id, token="is in the client")
        return Remote(OpenFga(server, Through(pep.http), Clock()))  # type: ignore[arg-type]

    return made


async def fill(end: End) -> None:
    await end.put_model(parse(FIRST))
    newest = await end.put_model(parse(MODEL))
    await end.put_assertions(newest, [ASSERTION])
    for first in range(0, len(TUPLES), 100):
        await end.write([tuple_(text) for text in TUPLES[first : first + 100]])


async def held(end: End) -> set[RelationTuple]:
    found: set[RelationTuple] = set()
    after = ""
    while True:
        page, after = await end.tuples(after)
        found |= {one._replace(context=_context(one)) for one in page}
        if not after:
            return found


def _context(one: RelationTuple) -> str:
    return msgspec.json.encode(msgspec.json.decode(one.context), order="sorted").decode() if one.context else ""


def beginning(**more: Any) -> Progress:
    return Progress(**{"source": "a", "target": "b", "began": START, **more})


def copy(source: End, target: End, progress: Progress | None = None, save: Any = None) -> Copy:
    return Copy(source, target, progress or beginning(began=0), save or (lambda _: None))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("database", "openfga"),
        ("openfga", "database"),
        ("remit", "openfga"),
        ("openfga", "remit"),
        ("database", "database"),
    ],
)
async def test_everything_goes_over(end: Made, source: str, target: str) -> None:
    here, there = await end(source), await end(target)
    await fill(here)
    done = await copy(here, there).run()
    assert (done.copied, done.left) == (len(TUPLES), {})
    assert [same_form(model.body) for model in await there.models()] == [same_form(parse(m)) for m in (FIRST, MODEL)]
    assert await held(there) == await held(here) == {tuple_(text) for text in TUPLES}
    newest = (await there.models())[-1].id
    [assertion] = await there.assertions(newest)
    assert (assertion["tuple_key"], assertion["expectation"]) == (ASSERTION["tuple_key"], True)
    again = await copy(here, there).run()  # twice is as once
    assert again.left == {}
    assert len(await there.models()) == 2
    assert await held(there) == await held(here)


@pytest.mark.parametrize(("source", "target"), [("database", "openfga"), ("openfga", "database")])
async def test_what_changes_meanwhile_follows(end: Made, source: str, target: str) -> None:
    here, there = await end(source), await end(target)
    await fill(here)
    changed = False

    async def meanwhile(at: Progress) -> None:
        await here.delete([tuple_("document:1 owner user:ada"), tuple_("document:3 viewer user:bob")])
        await here.write([tuple_('document:3 viewer user:bob until {"last":18}'), tuple_("document:9 owner user:eve")])
        await here.write([tuple_("document:8 owner user:eve")])
        await here.delete([tuple_("document:8 owner user:eve")])
        del at

    class Changing:
        """The source, changed after its first page was read."""

        def __getattr__(self, name: str) -> Any:
            return getattr(here, name)

        async def tuples(self, after: str) -> Any:
            nonlocal changed
            page = await here.tuples(after)
            if not changed:
                changed = True
                await meanwhile(beginning())
            return page

    done = await copy(Changing(), there).run()  # type: ignore[arg-type]
    assert done.left == {}
    assert await held(there) == await held(here)
    assert tuple_("document:9 owner user:eve") in await held(there)


class Stopping:
    """A target that gives up after so many writes."""

    def __init__(self, end: End, writes: int) -> None:
        self._end, self._writes = end, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._end, name)

    async def write(self, tuples: Sequence[RelationTuple]) -> None:
        if not self._writes:
            raise RelationsUnavailable
        self._writes -= 1
        await self._end.write(tuples)


@pytest.mark.parametrize(("source", "target"), [("database", "openfga"), ("openfga", "database")])
async def test_a_copy_that_stopped_goes_on(end: Made, source: str, target: str) -> None:
    here, there = await end(source), await end(target)
    await fill(here)
    notes = [b""]

    def note(at: Progress) -> None:
        notes[0] = msgspec.json.encode(at)

    with pytest.raises(RelationsUnavailable):
        await copy(here, Stopping(there, 1), save=note).run()  # type: ignore[arg-type]
    at = msgspec.json.decode(notes[0], type=Progress)
    assert (at.copied, bool(at.tuples)) == (100, True)
    done = await copy(here, Stopping(there, 9), at).run()  # type: ignore[arg-type]
    assert done.copied == len(TUPLES)
    assert await held(there) == await held(here)
    assert len(await there.models()) == 2


async def test_another_condition_is_put_right_and_what_does_not_fit_is_told(end: Made) -> None:
    for target in ("openfga", "database"):
        here, there = await end("database"), await end(target)
        await fill(here)
        await there.put_model(parse(MODEL))
        await there.write([tuple_('document:3 viewer user:bob until {"last":1}')])
        store = here._store  # type: ignore[attr-defined]
        await put_store(store, here._id, parse(FIRST))  # type: ignore[attr-defined]
        done = await copy(here, there).run()
        assert len(done.left) == 2, "the newest model takes neither a wildcard nor a condition"
        assert "document:2 viewer user:*" in done.left
        kept = {one for one in await held(there) if not one.condition}
        assert kept == {tuple_(text) for text in TUPLES if "*" not in text and "until" not in text}


async def test_a_differing_condition(end: Made) -> None:
    for target in ("openfga", "database"):
        here, there = await end("database"), await end(target)
        await fill(here)
        await there.put_model(parse(MODEL))
        await there.write([tuple_('document:3 viewer user:bob until {"last":1}')])
        done = await copy(here, there).run()
        assert done.left == {}
        assert await held(there) == await held(here)


async def test_the_newest_stays_the_newest(end: Made) -> None:
    here, there = await end("database"), await end("openfga")
    await fill(here)
    for text in (MODEL, FIRST):
        await there.put_model(parse(text))
    await copy(here, there).run()
    assert (await there.models())[-1].body == same_form(parse(MODEL))


async def test_a_store_here_is_told_in_the_trail(any_house: House) -> None:
    house = any_house
    end = await Local.named(house.store, "new", house.clock, "command line, ada", create=True)
    await fill(end)
    record = await house.store.relations.store_named("new")
    assert record
    assert len(await stored(house.store, record.id)) == len(TUPLES)
    for kind in ("access.store_created", "access.model_written", "access.assertions_written", "access.written"):
        event = (await house.events(kind))[0]
        assert (event.subject, event.about["by"]) == (record.id, "command line, ada")
    with pytest.raises(ConfigurationError):
        await Local.named(house.store, "nothing", house.clock, "", create=False)
    await write(house.store, record.id, ["document:77 owner user:ada"])
    with pytest.raises(Refused):
        await end.write([tuple_("document:77 flies user:ada")])

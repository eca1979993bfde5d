"""The pages about relations, over HTTP and without JavaScript: what administrators see and write there, and that nobody else
does."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.fixtures.browser import Browser, forms
from tests.fixtures.house import House, built, sqlite
from tests.fixtures.relations import put_store, stored, write
from tests.ledger import proves
from tests.pages.conftest import HOME, MODEL, STORE, TUPLES, administrator

from remit_server.access.stores import Stores
from remit_server.access.write import write as written
from remit_server.config import RelationsServer
from remit_server.records import Actor, Event
from remit_server.records.event import KINDS
from remit_server.rules.relations.model import parse
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.storage.groups.relation_writes import Done, Write
from remit_server.storage.groups.relations import RelationStore
from remit_server.ui.pages import changes, relations, tuples


async def add(browser: Browser, store: str = STORE, **typed: str) -> Any:
    await browser.get(f"/console/relations/{store}/tuples")
    return await browser.submit(**typed)


def typed(page: str) -> dict[str, str]:
    """What stands in the fields of the form that adds."""
    form = next(form for form in forms(page) if form.method == "post" and form.action == f"{HOME}/tuples")
    return {name: value for name, value in form.fields if name != "csrf"}


@proves("relations.console")
class TestWhoMayEnter:
    READ = ("", f"/{STORE}", f"/{STORE}/tuples", f"/{STORE}/changes", f"/{STORE}/why")

    @pytest.mark.parametrize("path", READ)
    async def test_only_administrators(self, house: House, console: Browser, path: str) -> None:
        assert (await console.get(f"/console/relations{path}")).status_code == 200
        bob = await house.sign_in("bob")
        page = await bob.get(f"/console/relations{path}")
        assert page.status_code == 403
        assert "documents" not in page.text
        assert (await house.browser().get(f"/console/relations{path}")).request.url.path == "/login"

    @pytest.mark.parametrize("path", READ[1:])
    async def test_a_store_that_is_not_there_is_not_found(self, house: House, console: Browser, path: str) -> None:
        other = f"/console/relations{path.replace(STORE, 'other')}"
        assert (await console.get(other)).status_code == 404
        assert (await (await house.sign_in("bob")).get(other)).status_code == 403, "others are not told which are there"

    @pytest.mark.parametrize("path", ["tuples", "tuples/delete"])
    async def test_nobody_else_writes(self, house: House, console: Browser, path: str) -> None:
        before = await stored(house.store, STORE)
        sent = {"object": "document:plan", "relation": "owner", "user": "user:bob" if "delete" in path else "user:eve"}
        bob = await house.sign_in("bob")
        await bob.get("/device")
        csrf = bob.form.value("csrf") or ""
        assert (await bob.post(f"{HOME}/{path}", {"csrf": csrf, **sent})).status_code == 403
        assert (await console.post(f"{HOME}/{path}", {"csrf": "guessed", **sent})).status_code == 403
        assert (await house.browser().post(f"{HOME}/{path}", {"csrf": csrf, **sent})).status_code == 403
        assert await stored(house.store, STORE) == before


class TestStores:
    async def test_the_console_leads_to_them(self, console: Browser) -> None:
        assert 'href="/console/relations"' in (await console.get("/console")).text

    async def test_each_with_its_model_and_how_much_is_in_it(self, house: House, console: Browser) -> None:
        page = (await console.get("/console/relations")).text
        assert "documents" in page
        assert "4 types · 4 tuples · revision 1" in page

    async def test_nobody_counts_a_million(
        self, house: House, console: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relations, "COUNTED", 3)
        assert "more than 3 tuples" in (await console.get("/console/relations")).text

    async def test_many_come_page_by_page(
        self, house: House, console: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relations, "ON_A_PAGE", 1)
        await put_store(house.store, "01JDB6", parse(MODEL), name="drafts")
        first = (await console.get("/console/relations")).text
        second = (await console.get(f"/console/relations?after={STORE}")).text
        assert f'href="/console/relations?after={STORE}"' in first
        assert "drafts" not in first
        assert "drafts" in second
        assert "documents" not in second

    async def test_where_another_server_answers_it_is_said(self, tmp_path: Path) -> None:
        server = RelationsServer(url="http://127.0.0.1:9", store=STORE)
        async with built(sqlite(tmp_path), relations_server=server) as house:
            page = await (await administrator(house)).get("/console/relations")
        assert "OpenFGA server at" in page.text
        assert "127.0.0.1:9" in page.text

    async def test_none_says_how_to_make_one(self, house: House) -> None:
        assert "No store yet" in (await (await administrator(house)).get("/console/relations")).text


class TestModel:
    async def test_it_stands_there_as_it_is_written(self, console: Browser) -> None:
        page = (await console.get(HOME)).text
        source = page.split('<pre class="source"')[1].split("</pre>")[0]
        lines = [re.sub("<[^>]*>", "", line) for line in source.split("<code>")[1].split("</span><span>")]
        assert parse(unescape("\n".join(lines))) == parse(MODEL)
        assert '<span class="name">viewer</span>' in source

    async def test_who_can_come_to_have_what(self, console: Browser) -> None:
        page = (await console.get(HOME)).text
        (document,) = [each for each in page.split("<table") if "<bdi>document</bdi></caption>" in each]
        viewer = " ".join(unescape(re.sub("<[^>]*>", "", document.split(">viewer</bdi>")[1].split("</tr>")[0])).split())
        assert viewer == "user with until, group#member user, user:*"
        assert f'href="{HOME}/tuples?object=document%3A&amp;relation=owner"' in document

    async def test_of_many_types_it_is_not_worked_out(self, console: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("remit_server.ui.pages.relation.MOST_KINDS", 1)
        page = (await console.get(HOME)).text
        assert "group#member" in page
        assert "given to</th>" in page
        assert "reaches</th>" not in page
        assert "nobody" not in page

    async def test_earlier_models_are_kept_and_said_to_be_earlier(
        self, house: House, console: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (first,) = await house.store.relation_models.page(STORE)
        await put_store(house.store, STORE, parse(MODEL.replace("shut_out", "barred")), now=house.clock.now())
        page = (await console.get(HOME)).text
        assert "barred" in page
        assert "earlier model" not in page
        assert f'href="{HOME}?model={first.id}"' in page
        page = (await console.get(f"{HOME}?model={first.id}")).text
        assert "shut_out" in page
        assert "barred" not in page
        assert "earlier model" in page
        monkeypatch.setattr("remit_server.ui.pages.relation.VERSIONS", 1)
        older = (await console.get(HOME)).text.split('">Older<')[0].rsplit('href="', 1)[1].replace("&amp;", "&")
        assert f"?model={first.id}" in (await console.get(older)).text
        assert (await console.get(f"{HOME}?model=other")).status_code == 404

    async def test_a_store_without_one_says_so(self, house: House, console: Browser) -> None:
        await house.store.commit(house.store.relations.add_store(RelationStore(id="empty", name="drafts")))
        for path in ("", "/empty", "/empty/tuples", "/empty/changes"):
            assert (await console.get(f"/console/relations{path}")).status_code == 200
        assert "no model yet" in (await console.get("/console/relations/empty")).text
        page = await add(console, store="empty", object="document:plan", relation="owner", user="user:eve")
        assert page.status_code == 422
        assert "no authorization model" in page.text


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", TUPLES),
            ("object=document:plan", TUPLES[:2]),
            ("object=document:", TUPLES[:2]),
            ("object=document", TUPLES[:2]),
            ("object=folder:&relation=viewer", TUPLES[2:3]),
            ("object=document:&relation=parent", TUPLES[1:2]),
            ("object=document:plan&user=user:bob", TUPLES[:1]),
            ("object=document:plan&relation=owner&user=user:bob", TUPLES[:1]),
            ("relation=member", TUPLES[3:]),
            ("user=user:ada", TUPLES[3:]),
            ("user=user:ada&relation=owner", ()),
            ("user=group:eng%23member", TUPLES[2:3]),
            ("object=document:&user=user:bob", TUPLES[:1]),
            ("object=document:other", ()),
        ],
    )
    @pytest.mark.parametrize("size", [1, 50])
    async def test_by_any_part(
        self, console: Browser, monkeypatch: pytest.MonkeyPatch, query: str, found: tuple[str, ...], size: int
    ) -> None:
        monkeypatch.setattr(tuples, "ON_A_PAGE", size)
        assert await self.all(console, query) == list(found)

    async def all(self, browser: Browser, query: str) -> list[str]:
        """What all pages show, from the forms that would delete it."""
        path, found = f"{HOME}/tuples?{query}", []
        for _ in range(9):
            page = await browser.get(path)
            assert page.status_code == 200, page.text
            found += [
                " ".join(form.value(name) or "" for name in ("object", "relation", "user"))
                for form in forms(page.text)
                if form.action.endswith("/delete")
            ]
            if ">Next page<" not in page.text:
                return found
            path = page.text.split('">Next page<')[0].rsplit('href="', 1)[1].replace("&amp;", "&")
        raise AssertionError("pages without end")

    async def test_a_rare_relation_does_not_make_one_page_read_all(
        self, house: House, console: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write(house.store, STORE, [f"document:a{n} owner user:bob" for n in range(8)])
        monkeypatch.setattr(tuples, "READ", 2)
        monkeypatch.setattr(tuples, "FURTHEST", 2)
        page = (await console.get(f"{HOME}/tuples?relation=member")).text
        assert "group:" not in page.split("Add a tuple")[1].split("Next page")[0].split("</form>")[1]
        assert await self.all(console, "relation=member") == list(TUPLES[3:])

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("object=a:b:c", "The object"),
            ("object=document:pl%20an", "The object"),
            ("user=bob", "The user"),
            ("relation=a%23b", "The relation"),
            ("user=user:" + "x" * 600, "The user"),
        ],
    )
    async def test_what_cannot_be_looked_for_is_said_beside_its_field(
        self, console: Browser, query: str, says: str
    ) -> None:
        page = await console.get(f"{HOME}/tuples?{query}")
        assert page.status_code == 422
        error = page.text.split('class="error"')[1].split("</p>")[0]
        assert says in error
        assert parse_qs(query).popitem()[1][0] in page.text

    async def test_a_place_that_is_none_is_refused(self, console: Browser) -> None:
        assert (await console.get(f"{HOME}/tuples?after=x")).status_code == 400

    async def test_a_condition_is_shown(self, house: House, console: Browser) -> None:
        await write(house.store, STORE, ['document:plan viewer user:eve until {"end":"2027-01-01T00:00:00Z"}'])
        page = (await console.get(f"{HOME}/tuples?user=user:eve")).text
        assert "until" in page
        assert "2027-01-01T00:00:00Z" in page


class TestAdding:
    @proves("relations.console")
    async def test_it_is_written_as_over_the_api(self, house: House, console: Browser) -> None:
        page = await add(console, object="document:plan", relation="owner", user="user:eve")
        assert page.status_code == 200
        assert "Added: user:eve has owner of document:plan." in page.text
        assert RelationTuple("document:plan", "owner", "user:eve") in await stored(house.store, STORE)
        (event, *_) = await house.events("access.written")
        assert (event.actor.user, event.actor.client, event.subject) == ("auth0|ada", None, STORE)
        assert event.about["written"] == [["document:plan", "owner", "user:eve"]]
        assert event.about["revision"] == 2

    async def test_with_a_condition(self, house: House, console: Browser) -> None:
        sent = {"condition": "until", "context": ' {"end": "2027-01-01T00:00:00Z"} '}
        page = await add(console, object=" document:plan", relation="viewer", user="user:eve ", **sent)
        assert page.status_code == 200
        wanted = RelationTuple("document:plan", "viewer", "user:eve", "until", '{"end":"2027-01-01T00:00:00Z"}')
        assert wanted in await stored(house.store, STORE)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"object": "plan"}, "object"),
            ({"object": "invoice:1"}, "object"),
            ({"relation": "reader"}, "relation"),
            ({"relation": "a b"}, "relation"),
            ({"user": "eve"}, "user"),
            ({"user": "user:*"}, "user"),
            ({"user": "group:eng"}, "user"),
            ({"condition": "until"}, "condition"),
            ({"relation": "viewer"}, "condition"),
            ({"relation": "viewer", "condition": "until", "context": "[]"}, "context"),
            ({"relation": "viewer", "condition": "until", "context": '{"end": "soon"}'}, "context"),
            ({"relation": "viewer", "condition": "until", "context": '{"other": 1}'}, "context"),
        ],
    )
    async def test_what_the_model_does_not_take_is_said_beside_its_field(
        self, house: House, console: Browser, wrong: dict[str, str], field: str
    ) -> None:
        before = await stored(house.store, STORE)
        whole = {"object": "document:plan", "relation": "owner", "user": "user:eve", "condition": "", "context": ""}
        page = await add(console, **{**whole, **wrong})
        assert page.status_code == 422
        assert f'id="add-{field}-error"' in page.text
        assert page.text.count('class="error"') == 1
        assert typed(page.text) == {**whole, **wrong}, "what was typed is lost"
        assert await stored(house.store, STORE) == before

    async def test_everything_that_is_badly_written_is_said_at_once(self, console: Browser) -> None:
        page = await add(console, object="plan", relation="a b", user="eve", condition="", context="{")
        assert page.text.count('class="error"') == 4

    async def test_what_is_there_already_is_said(self, house: House, console: Browser) -> None:
        page = await add(console, object="document:plan", relation="owner", user="user:bob")
        assert page.status_code == 422
        assert "there already" in page.text
        assert typed(page.text)["user"] == "user:bob"

    async def test_the_rest_of_a_search_stands_in_the_fields(self, console: Browser) -> None:
        page = await console.get(f"{HOME}/tuples?object=document:&relation=owner&user=user:ada")
        assert typed(page.text) == {
            "object": "", "relation": "owner", "user": "user:ada", "condition": "", "context": "",
        }  # fmt: skip

    async def test_a_link_fills_the_form_and_adds_nothing(self, house: House, console: Browser) -> None:
        before = await stored(house.store, STORE)
        page = await console.get(f"{HOME}/tuples?add.object=document:plan&add.relation=owner&add.user=user:eve")
        assert typed(page.text)["user"] == "user:eve"
        assert await stored(house.store, STORE) == before

    async def test_whoever_signs_in_again_finds_what_they_typed(self, house: House, console: Browser) -> None:
        await console.get(f"{HOME}/tuples")
        house.clock.forward(400 * 86400)
        await console.get("/login")  # by now it is a browser without a session, with a form of its own
        sent = {"object": "document:plan", "relation": "owner", "user": "user:eve"}
        await console.post(f"{HOME}/tuples", {"csrf": console.form.value("csrf"), **sent})
        assert console.page.request.url.path == "/login"
        page = await house.sign_in(browser=console)
        assert typed(page.page.text) == {**sent, "condition": "", "context": ""}
        assert 'id="add-user"' in page.page.text

    async def test_hostile_names_are_shown_and_do_nothing(self, house: House, console: Browser) -> None:
        name = "document:\u202e<b>x</b>\u200b"
        page = await add(console, object=name, relation="owner", user="user:eve")
        assert page.status_code == 200
        assert RelationTuple(name, "owner", "user:eve") in await stored(house.store, STORE)
        assert "<b>" not in page.text
        assert "⟨U+202E⟩" in page.text
        button = next(form for form in forms(page.text) if form.action.endswith("/delete"))
        assert "Deleted" in (await console.submit(button)).text
        assert name not in {each.object for each in await stored(house.store, STORE)}


class TestDeleting:
    async def test_by_its_button(self, house: House, console: Browser) -> None:
        page = await console.get(f"{HOME}/tuples?object=document:plan")
        button = next(form for form in forms(page.text) if form.value("user") == "user:bob" and form.method == "post")
        page = await console.submit(button)
        assert "Deleted: user:bob" in page.text
        assert RelationTuple("document:plan", "owner", "user:bob") not in await stored(house.store, STORE)
        assert 'value="document:plan"' in page.text, "the search is lost"
        (event, *_) = await house.events("access.written")
        assert event.about["deleted"] == [["document:plan", "owner", "user:bob"]]
        assert event.actor.user == "auth0|ada"
        again = await console.submit(button)
        assert again.status_code == 400
        assert "not there" in again.text

    async def test_what_an_older_model_took_can_go(self, house: House, console: Browser) -> None:
        await put_store(house.store, STORE, parse(MODEL.replace("define owner: [user]", "define owner: [group]")))
        page = await console.get(f"{HOME}/tuples?object=document:plan&relation=owner")
        button = next(form for form in forms(page.text) if form.action.endswith("/delete"))
        assert "Deleted" in (await console.submit(button)).text


class TestChanges:
    async def test_who_what_and_when_newest_first(self, house: House, console: Browser) -> None:
        await add(console, object="document:plan", relation="owner", user="user:eve")
        house.clock.forward(3600)
        await console.post(
            f"{HOME}/tuples/delete",
            {"csrf": console.form.value("csrf"), "object": "document:plan", "relation": "owner", "user": "user:bob"},
        )
        page = (await console.get(f"{HOME}/changes")).text
        deleted, added = page.index("revision 3"), page.index("revision 2")
        assert deleted < added
        assert "Ada Lovelace" in page[:deleted]
        assert ">deleted<" in page[deleted:added]
        assert ">added<" in page[added:]
        assert "1 h ago" in page[added:]

    async def test_of_many_at_once_some_are_shown_and_the_rest_is_counted(
        self, house: House, console: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes, "SHOWN", 3)
        opened, ada = await Stores(house.store).open(STORE), await house.store.users.get("auth0|ada")
        assert ada is not None
        many = [RelationTuple(f"document:{n}", "owner", "user:eve") for n in range(90)]
        await written(house.machines, opened, ada, writes=many)
        page = (await console.get(f"{HOME}/changes")).text
        assert page.count("user=user%3Aeve") == 3
        assert "and 87 more" in page

    async def test_what_an_event_only_counts_comes_from_the_log(
        self, house: House, console: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def event(done: Done) -> Event:
            about = {"revision": done.revision, "written": len(done.written), "deleted": len(done.deleted)}
            return Event(id="e", at=house.clock.now(), kind="access.written", actor=Actor(), subject=STORE, about=about)

        monkeypatch.setattr(changes, "SHOWN", 2)
        new = [RelationTuple(f"document:{n}", "owner", "user:eve") for n in range(3)]
        gone = [RelationTuple("document:plan", "owner", "user:bob")]
        await house.store.relations.write(STORE, 1, Write(house.clock.now(), event, new, gone))
        page = (await console.get(f"{HOME}/changes")).text
        assert "The operator, with remit apply" in page
        assert page.index(">deleted<") < page.index("user=user%3Abob") < page.index(">added<")
        assert page.count("user=user%3Aeve") == 1
        assert "and 2 more" in page
        await write(house.store, STORE, ["document:later owner user:bo"])
        monkeypatch.setattr(changes, "SHOWN", 20)
        page = (await console.get(f"{HOME}/changes")).text
        assert page.count("user=user%3Aeve") == 3
        assert "document:later" not in unescape(re.sub("<[^>]*>", "", page)), "it is of another revision"

    async def test_a_new_model_is_told_in_words(self, house: House, console: Browser) -> None:
        event = Event(
            id="m", at=house.clock.now(), kind="access.model_written", actor=Actor(client="web"), subject=STORE
        )
        await house.store.commit(events=(event,))
        page = (await console.get(f"{HOME}/changes")).text
        assert "Trading desk" in page
        assert KINDS["access.model_written"] in page

    async def test_page_by_page(self, house: House, console: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(changes, "ON_A_PAGE", 1)
        await add(console, object="document:plan", relation="owner", user="user:eve")
        page = (await console.get(f"{HOME}/changes")).text
        assert "revision 2" in page
        older = page.split('">Older<')[0].rsplit('href="', 1)[1]
        assert urlsplit(older).path == f"{HOME}/changes"
        assert "revision 2" not in (await console.get(older)).text
        for wrong in ("x", "-1", "9" * 19):
            assert (await console.get(f"{HOME}/changes?before={wrong}")).status_code == 400

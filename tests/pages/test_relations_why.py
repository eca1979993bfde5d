"""Why somebody can or cannot: what the page says, and what it leads to."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote, urlencode

import pytest
from tests.fixtures.browser import Browser, forms
from tests.fixtures.house import House
from tests.fixtures.relations import put_store, stored, write
from tests.ledger import proves
from tests.pages.conftest import HOME, MODEL, STORE
from tests.pages.test_relations import typed

from remit_server.access.engine import Engine
from remit_server.access.stores import Stores
from remit_server.rules.relations.check import Question
from remit_server.rules.relations.model import parse
from remit_server.storage.groups.relations import RelationStore

PLAN = "relation=viewer&object=document:plan"
ENDED = '{"end":"2026-11-27T17:00:00Z"}'


def said(page: str) -> list[str]:
    """The answer as a screen reader reads it: the text of each line."""
    section = page.split('aria-labelledby="answer"')[1].split("</section>", maxsplit=1)[0]
    lines = re.findall(r"<(?:h2|p)[^>]*>(.*?)</(?:h2|p)>", section, re.DOTALL)
    return [" ".join(unescape(re.sub("<[^>]*>", "", line)).split()) for line in lines]


def link(page: str, text: str) -> str:
    return page.split(f'">{text}<', maxsplit=1)[0].rsplit('href="', 1)[1].replace("&amp;", "&")


async def test_a_yes_is_the_way_that_leads_there(console: Browser) -> None:
    page = await console.get(f"{HOME}/why?user=user:ada&relation=viewer&object=folder:q3")
    assert page.status_code == 200
    assert said(page.text) == [
        "Yes. user:ada has viewer of folder:q3.",
        "Because user:ada is member of group:eng and group:eng#member is viewer of folder:q3.",
        "folder:q3 viewer: yes.",
        "[user, user:*, group#member]",
        "group:eng#member viewer folder:q3",
        "group:eng member: yes.",
        "[user, group#member]",
        "user:ada member group:eng",
        "user:ada: yes.",
    ]
    assert f'href="{HOME}/tuples?object=folder%3Aq3&amp;relation=viewer"' in page.text
    assert f'href="{HOME}/tuples?user=user%3Aada"' in page.text
    assert "Add it" not in page.text


@proves("relations.why")
async def test_it_says_what_a_check_answers(house: House, console: Browser) -> None:
    await write(
        house.store, STORE, ["folder:q3 viewer user:*", "document:plan shut_out user:eve", "folder:a parent folder:q3"]
    )
    opened, engine = await Stores(house.store).open(STORE), Engine(house.store)
    asked = [
        Question(user, relation, object_)
        for user in ("user:ada", "user:bob", "user:eve", "user:*", "group:eng#member", "folder:q3")
        for object_, relations in (
            ("document:plan", ("viewer", "owner", "parent", "shut_out")),
            ("folder:a", ("viewer", "parent")),
            ("group:eng", ("member",)),
        )
        for relation in relations
    ]
    verdicts = await engine.check(opened, asked)
    assert {True, False} == set(verdicts)
    for each, verdict in zip(asked, verdicts, strict=True):
        query = urlencode({"user": each.subject, "relation": each.relation, "object": each.object})
        assert said((await console.get(f"{HOME}/why?{query}")).text)[0].startswith("Yes." if verdict else "No."), each


async def test_what_could_take_it_away_is_shown_beside_it(house: House, console: Browser) -> None:
    lines = said((await console.get(f"{HOME}/why?user=user:ada&{PLAN}")).text)
    assert lines[0].startswith("Yes.")
    assert lines[1].endswith("and folder:q3 is parent of document:plan.")
    assert lines.index("viewer from parent yes") < lines.index("but not shut_out no")
    await write(house.store, STORE, ["document:plan shut_out user:ada"])
    page = (await console.get(f"{HOME}/why?user=user:ada&{PLAN}")).text
    lines = said(page)
    assert lines[0] == "No. user:ada does not have viewer of document:plan."
    assert "The second holds, and takes away what the first gives." in lines
    assert "but not shut_out yes" in lines


async def test_a_no_is_where_each_way_ends(console: Browser) -> None:
    page = (await console.get(f"{HOME}/why?user=user:eve&{PLAN}")).text
    lines = said(page)
    assert lines[0] == "No. user:eve does not have viewer of document:plan."
    assert re.fullmatch(r"\d ways were followed, and no way leads to user:eve.", lines[1])
    assert [line for line in lines if line.endswith(" no")] == [
        "[user, group#member] no", "owner no", "viewer from parent no", "[user, user:*, group#member] no",
        "viewer from parent no",
    ]  # fmt: skip
    assert "Nothing is parent of it." in lines


async def test_what_is_missing_is_one_form_away(house: House, console: Browser) -> None:
    page = await console.get(f"{HOME}/why?user=user:eve&relation=owner&object=document:plan")
    before = await stored(house.store, STORE)
    page = await console.get(link(page.text, "Add it…"))
    form = typed(page.text)
    assert (form["user"], form["relation"], form["object"]) == ("user:eve", "owner", "document:plan")
    assert await stored(house.store, STORE) == before
    button = next(each for each in forms(page.text) if each.action == f"{HOME}/tuples" and each.method == "post")
    await console.submit(button)
    assert said((await console.get(f"{HOME}/why?user=user:eve&{PLAN}")).text)[0].startswith("Yes.")


async def test_a_tuple_that_would_take_away_is_not_offered(console: Browser) -> None:
    page = (await console.get(f"{HOME}/why?user=user:eve&{PLAN}")).text
    assert "add.relation=shut_out" not in page
    page = (await console.get(f"{HOME}/why?user=user:ada&{PLAN}")).text
    assert "add.relation" not in page


class TestConditions:
    @pytest.fixture(autouse=True)
    async def a_tuple_that_ends(self, house: House, console: Browser) -> None:
        await write(house.store, STORE, [f"document:plan viewer user:eve until {ENDED}"])

    async def test_one_that_holds(self, console: Browser) -> None:
        lines = said((await console.get(f"{HOME}/why?user=user:eve&{PLAN}&context.now=2026-11-22T14:00:00Z")).text)
        assert lines[0].startswith("Yes.")
        assert "The condition until holds with now 2026-11-22T14:00:00Z, end 2026-11-27T17:00:00Z." in lines

    async def test_one_that_does_not(self, console: Browser) -> None:
        page = await console.get(f"{HOME}/why?user=user:eve&{PLAN}&context.now=2026-11-28T14:00:00Z")
        assert any(line.startswith("The condition until does not hold") for line in said(page.text))
        assert 'value="2026-11-28T14:00:00Z"' in page.text

    async def test_one_that_nobody_can_tell(self, console: Browser) -> None:
        page = (await console.get(f"{HOME}/why?user=user:eve&{PLAN}")).text
        assert said(page)[:2] == [
            "It cannot be told. user:eve may or may not have viewer of document:plan.",
            "The condition `until` lacks `now`.",
        ]
        assert '<details class="fold" open>' in page

    async def test_a_value_that_is_none_is_said_beside_its_field(self, console: Browser) -> None:
        page = await console.get(f"{HOME}/why?user=user:eve&{PLAN}&context.now=noon")
        assert page.status_code == 422
        assert "This must be a timestamp" in page.text.split('id="context.now-error"')[1]
        assert 'value="noon"' in page.text
        assert 'id="answer"' not in page.text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("user=eve&relation=viewer&object=document:plan", "user"),
        ("user=robot:1&relation=viewer&object=document:plan", "user"),
        ("user=user:eve&relation=reads&object=document:plan", "relation"),
        ("user=user:eve&relation=viewer&object=invoice:1", "object"),
        ("user=user:eve&relation=viewer", "object"),
    ],
)
async def test_what_cannot_be_asked_is_said_beside_its_field(console: Browser, query: str, field: str) -> None:
    page = await console.get(f"{HOME}/why?{query}")
    assert page.status_code == 422
    assert page.text.count('class="error"') == 1
    assert f'id="{field}-error"' in page.text
    assert "eve" in page.text or "robot:1" in page.text


async def test_before_anything_is_asked_nothing_is_wrong(console: Browser) -> None:
    page = await console.get(f"{HOME}/why")
    assert page.status_code == 200
    assert 'class="error"' not in page.text


async def test_what_would_be_too_deep_to_draw_goes_on_from_there(house: House, console: Browser) -> None:
    groups = [f"group:g{n} member group:g{n + 1}{side}#member" for n in range(6) for side in ("", "x")]
    sides = [f"group:g{n}x member user:bob" for n in range(1, 7)]
    await write(house.store, STORE, groups + sides)
    page = (await console.get(f"{HOME}/why?user=user:eve&relation=member&object=group:g0")).text
    onward = link(page, "Go on from here")
    assert "object=group%3Ag3" in onward
    page = await console.get(onward)
    assert page.status_code == 200
    assert said(page.text)[0] == "No. user:eve does not have member of group:g3."


async def test_hostile_names_are_shown_and_do_nothing(house: House, console: Browser) -> None:
    name = "folder:\u202e<b>x</b>"
    await write(house.store, STORE, [f"document:plan parent {name}", f"{name} viewer user:*"])
    page = await console.get(f"{HOME}/why?user={quote('user:<i>&')}&relation=viewer&object={quote(name)}")
    assert page.status_code == 200
    assert "<b>" not in page.text
    assert "<i>" not in page.text
    assert "⟨U+202E⟩" in page.text
    assert "which is everybody of this type" in said(page.text)


async def test_a_store_without_a_model_answers_nothing(house: House, console: Browser) -> None:
    await house.store.commit(house.store.relations.add_store(RelationStore(id="empty", name="drafts")))
    page = await console.get(f"/console/relations/empty/why?user=user:eve&{PLAN}")
    assert page.status_code == 422
    assert "no authorization model" in page.text


async def test_json_too_deep_to_be_read_is_a_fault_of_its_field(house: House, console: Browser) -> None:
    """What is no JSON is a text, and that is no list."""
    model = MODEL.replace("until(now: timestamp, end: timestamp)", "until(now: list<string>, end: timestamp)")
    await put_store(house.store, STORE, parse(model.replace("now < end", "now.size() > 0")))
    page = await console.get(f"{HOME}/why?" + urlencode({"user": "user:ada", "context.now": "[" * 5000}))
    assert page.status_code == 422
    assert "This must be a list." in page.text

"""Stores and models over HTTP: made, listed, told, and out of reach for whoever has no business there."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from tests.endpoints.relations.conftest import DOCS
from tests.fixtures.databases import NewDatabase
from tests.fixtures.dpop import dpop_key, proof
from tests.fixtures.house import House, built
from tests.fixtures.openfga import SCOPES, Fga, access_of, key, registered, speaking
from tests.ledger import proves

from remit_server.rules.relations.model import parse


async def pages(fga: Fga, path: str, of: str, **params: Any) -> list[list[Any]]:
    """All pages of a listing."""
    found, token = [], ""
    while True:
        status, said = await fga.call("GET", path, **params, **({"continuation_token": token} if token else {}))
        assert status == 200, said
        found.append(said[of])
        token = said["continuation_token"]
        if not token:
            return found


async def test_stores_are_listed_page_by_page(fga: Fga) -> None:
    first = fga.store
    names = ["second", "third", "second"]
    seconds = [(await fga.call("POST", "/stores", {"name": name}))[1]["id"] for name in names]
    made = sorted([first, *seconds])  # of one millisecond, either may be first
    listed = await pages(fga, "/stores", "stores", page_size=3)
    assert [[one["id"] for one in page] for page in listed] == [made[:3], made[3:]]
    same = await pages(fga, "/stores", "stores", page_size=1, name="second")
    assert [one["id"] for page in same for one in page] == sorted([seconds[0], seconds[2]])
    assert listed[0][0] == {
        "id": first, "name": "documents", "created_at": "2026-11-22T14:00:00Z", "updated_at": "2026-11-22T14:00:00Z"
    }  # fmt: skip
    assert (await fga.call("GET", f"/stores/{first}"))[1] == listed[0][0]


async def test_a_store_that_is_gone_answers_nothing(fga: Fga) -> None:
    await fga.write("user:ann viewer doc:1")
    assert (await fga.call("DELETE", f"/stores/{fga.store}")) == (204, None)
    assert (await fga.call("DELETE", f"/stores/{fga.store}")) == (204, None)
    for method, path, body in (
        ("POST", "check", {"tuple_key": key("user:ann viewer doc:1")}),
        ("POST", "write", {"writes": {"tuple_keys": [key("user:bob viewer doc:1")]}}),
        ("POST", "read", {}),
        ("GET", "changes", None),
        ("GET", "authorization-models", None),
        ("POST", "authorization-models", parse(DOCS)),
        ("GET", f"assertions/{fga.model}", None),
        ("GET", f"/stores/{fga.store}", None),
    ):
        status, said = await fga.call(method, path, body)
        assert (status, said["code"]) == (404, "store_id_not_found"), (method, path)
    assert (await fga.call("GET", "/stores"))[1]["stores"] == []


async def test_models_newest_first_and_each_by_its_id(fga: Fga) -> None:
    older, text = fga.model, DOCS.replace("fresh", "young")
    newer = await fga.define(text)
    listed = await pages(fga, "authorization-models", "authorization_models", page_size=1)
    assert [one["id"] for page in listed for one in page] == [newer, older]
    assert listed[0][0] == {"id": newer, **parse(text)}
    said = (await fga.call("GET", f"authorization-models/{older}"))[1]
    assert said == {"authorization_model": {"id": older, **parse(DOCS)}}
    # Whoever names no model asks under the newest; the older one holds for whoever names it.
    conditioned = {**key("user:ann viewer doc:1"), "condition": {"name": "fresh", "context": {"age": 1}}}
    write = {"writes": {"tuple_keys": [conditioned]}}
    assert (await fga.call("POST", "write", write))[0] == 400
    assert (await fga.call("POST", "write", {**write, "authorization_model_id": older}))[0] == 200
    fga.model = older
    assert await fga.allows("user:ann viewer doc:1")
    fga.model = newer
    assert not await fga.allows("user:ann viewer doc:1")


async def test_either_spelling_of_a_model_is_kept_in_one(fga: Fga) -> None:
    relations = {
        "a": {"this": {}, "unknown": 1},
        "b": {"union": {"child": [{"computed_userset": {"relation": "a"}}, {"this": {}}]}},
        "c": {"tuple_to_userset": {"tupleset": {"object": "", "relation": "a"}, "computed_userset": {"relation": "b"}}},
    }
    direct = {"directly_related_user_types": [{"type": "doc", "condition": ""}], "module": ""}
    definition = {"type": "doc", "relations": relations, "metadata": {"relations": {"a": direct, "b": direct}}}
    model = {"schema_version": "1.1", "type_definitions": [definition], "conditions": {}, "more": True}
    status, said = await fga.call("POST", "authorization-models", model)
    assert status == 201, said
    kept = (await fga.call("GET", f"authorization-models/{said['authorization_model_id']}"))[1]["authorization_model"]
    assert kept["type_definitions"] == [
        {
            "type": "doc",
            "relations": {
                "a": {"this": {}},
                "b": {"union": {"child": [{"computedUserset": {"relation": "a"}}, {"this": {}}]}},
                "c": {"tupleToUserset": {"tupleset": {"relation": "a"}, "computedUserset": {"relation": "b"}}},
            },
            "metadata": {"relations": {name: {"directly_related_user_types": [{"type": "doc"}]} for name in "ab"}},
        }
    ]


async def test_assertions_are_kept_with_their_model(fga: Fga) -> None:
    given = [
        {"tuple_key": key("user:ann viewer doc:1"), "expectation": True, "context": {"age": 3},
         "contextual_tuples": [key("user:ann viewer doc:1")]},
        {"tuple_key": key("user:bob viewer doc:1")},
    ]  # fmt: skip
    path = f"assertions/{fga.model}"
    assert await fga.call("PUT", path, {"assertions": given}) == (204, None)
    brought = {**key("user:ann viewer doc:1"), "condition": None}
    assert (await fga.call("GET", path))[1] == {
        "authorization_model_id": fga.model,
        "assertions": [
            {**given[0], "contextual_tuples": [brought]},
            {**given[1], "expectation": False, "contextual_tuples": [], "context": None},
        ],
    }
    large = [{"tuple_key": key("user:ann viewer doc:1"), "context": {"text": "x" * 64_000}}]
    assert (await fga.call("PUT", path, {"assertions": large}))[1]["code"] == "exceeded_entity_limit"


# Who may


CHANGES = [
    ("POST", "/stores", {"name": "another"}, "relations:admin"),
    ("DELETE", "/stores/{store}", None, "relations:admin"),
    ("POST", "/stores/{store}/authorization-models", parse(DOCS), "relations:admin"),
    ("PUT", "/stores/{store}/assertions/{model}", {"assertions": []}, "relations:admin"),
    ("POST", "/stores/{store}/write", {"writes": {"tuple_keys": [key("user:ann viewer doc:1")]}}, "relations:write"),
]
LOOKS = [
    ("GET", "/stores", None),
    ("GET", "/stores/{store}", None),
    ("GET", "/stores/{store}/authorization-models", None),
    ("GET", "/stores/{store}/authorization-models/{model}", None),
    ("GET", "/stores/{store}/assertions/{model}", None),
    ("GET", "/stores/{store}/changes", None),
    ("POST", "/stores/{store}/read", {}),
    ("POST", "/stores/{store}/check", {"tuple_key": key("user:ann viewer doc:1")}),
    ("POST", "/stores/{store}/batch-check", {"checks": [{"tuple_key": key("user:a viewer doc:1"), "correlation_id": "a"}]}),
    ("POST", "/stores/{store}/list-objects", {"type": "doc", "relation": "viewer", "user": "user:ann"}),
    ("POST", "/stores/{store}/streamed-list-objects", {"type": "doc", "relation": "viewer", "user": "user:ann"}),
    ("POST", "/stores/{store}/list-users",
     {"object": {"type": "doc", "id": "1"}, "relation": "viewer", "user_filters": [{"type": "user"}]}),
    ("POST", "/stores/{store}/expand", {"tuple_key": {"object": "doc:1", "relation": "viewer"}}),
]  # fmt: skip


def path_of(text: str, fga: Fga) -> str:
    return text.format(store=fga.store, model=fga.model)


@proves("relations.only-with-the-scope")
@pytest.mark.parametrize(("method", "path", "body", "scope"), CHANGES)
async def test_what_changes_anything_takes_its_scope(
    house: House, method: str, path: str, body: Any, scope: str
) -> None:
    await registered(house)
    keeper = await speaking(house)
    async with keeper.http:
        await keeper.begin()
        await keeper.define(DOCS)
        others = tuple(one for one in SCOPES if one != scope)
        await registered(house, "other", others)
        other = await speaking(house, "other")
        async with other.http:
            status, said = await other.call(method, path_of(path, keeper), body)
        assert (status, said["code"]) == (403, "forbidden")
        status, said = await keeper.call(method, path_of(path, keeper), body)
        assert 200 <= status < 300, said


@proves("relations.only-with-the-scope")
async def test_whoever_brings_no_token_of_their_own_sees_nothing(house: House) -> None:
    await registered(house)
    await registered(house, "reader", ())
    await registered(house, "an-agent", kind="agent")
    await registered(house, "walk-in", dynamic=True)
    keeper = await speaking(house)
    async with keeper.http:
        await keeper.begin()
        await keeper.define(DOCS)
    hers = {"Authorization": "Bearer " + (await house.tokens_for("web", "ada"))["access_token"]}
    for method, path, body in LOOKS:
        url = path_of(path, keeper)
        for headers, status in ((None, 401), (hers, 401), ({"Authorization": "Bearer nothing"}, 401)):
            answer = await house.http.request(method, url, json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, "auth_failed_invalid_bearer_token"), url
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for client, expected in (("an-agent", 403), ("walk-in", 403), ("reader", 200)):
            fga = await speaking(house, client)
            async with fga.http:
                answer = await fga.http.request(method, url, json=body)
                assert answer.status_code == expected, (client, url, answer.text)


@proves("relations.only-with-the-scope")
async def test_a_token_bound_to_a_key_is_shown_with_its_proof(house: House) -> None:
    await registered(house)
    holder, url = dpop_key(), house.issuer.rstrip("/")
    form = {"grant_type": "client_credentials", "audience": access_of(house), **house.proof("fga")}
    answer = await house.http.post("/oauth/token", data=form, headers={"DPoP": proof(house, holder)})
    token = answer.json()["access_token"]

    async def made(scheme: str, *proofs: str) -> tuple[int, Any]:
        headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
        answer = await house.http.post("/stores", json={"name": "documents"}, headers=headers)
        return answer.status_code, answer.json().get("code")

    refused = (401, "auth_failed_invalid_bearer_token")
    assert await made("Bearer") == refused
    assert await made("DPoP") == refused
    shown = {"htu": f"{url}/stores", "access_token": token}
    assert await made("DPoP", proof(house, dpop_key(), **shown)) == refused
    assert await made("DPoP", proof(house, holder, **shown)) == (201, None)


@proves("relations.told")
async def test_every_change_is_told_with_who_did_it(any_house: House) -> None:
    await registered(any_house)
    fga = await speaking(any_house)
    async with fga.http:
        await fga.begin()
        await fga.define(DOCS)
        await fga.write("user:ann viewer doc:1")
        await fga.call("PUT", f"assertions/{fga.model}", {"assertions": []})
        await fga.call("DELETE", f"/stores/{fga.store}")
        await fga.call("DELETE", f"/stores/{fga.store}")
    told = [event for event in reversed(await any_house.events()) if event.kind.startswith("access.")]
    assert [event.kind.removeprefix("access.") for event in told] == [
        "store_created", "model_written", "written", "assertions_written", "store_removed"
    ]  # fmt: skip
    assert {(event.actor.client, event.subject, event.about["store"]) for event in told} == {
        ("fga", fga.store, "documents")
    }
    assert told[1].about["model"] == told[3].about["model"] == fga.model


# Limits are settings


LIMITED = {
    "relation_tuples": 3,
    "relation_contextual": 2,
    "relation_checks": 2,
    "relation_page": 4,
    "relation_model": 2048,
}


@pytest.fixture
async def limited(new_database: NewDatabase) -> Any:
    async with built(new_database("sqlite"), **LIMITED) as house:
        await registered(house)
        fga = await speaking(house)
        async with fga.http:
            await fga.begin()
            await fga.define(DOCS)
            yield fga


def some(many: int) -> list[dict[str, str]]:
    return [key(f"user:u{n} viewer doc:1") for n in range(many)]


@pytest.mark.parametrize(
    ("verb", "body", "most"),
    [
        ("write", lambda n: {"writes": {"tuple_keys": some(n)}}, 3),
        ("write", lambda n: {"writes": {"tuple_keys": some(n)[1:]}, "deletes": {"tuple_keys": some(1), "on_missing": "ignore"}}, 3),
        ("check", lambda n: {"tuple_key": some(1)[0], "contextual_tuples": {"tuple_keys": some(n)}}, 2),
        ("batch-check", lambda n: {"checks": [{"tuple_key": one, "correlation_id": f"{at}"} for at, one in enumerate(some(n))]}, 2),
        ("read", lambda n: {"page_size": n}, 4),
    ],
)  # fmt: skip
async def test_limits_are_settings(limited: Fga, verb: str, body: Any, most: int) -> None:
    assert (await limited.ask(verb, **body(most)))[0] == 200
    assert (await limited.ask(verb, **body(most + 1)))[0] == 400


async def test_a_model_may_be_so_large(limited: Fga) -> None:
    def model(many: int) -> dict[str, Any]:
        return parse("model\n  schema 1.1\n" + "\n".join(f"type user{n}" for n in range(many)))

    assert (await limited.call("POST", "authorization-models", model(30)))[0] == 201
    status, said = await limited.call("POST", "authorization-models", model(60))
    assert (status, said["code"]) == (400, "exceeded_entity_limit")


async def test_a_model_may_be_so_deep(fga: Fga) -> None:
    rewrite: dict[str, Any] = {"this": {}}
    for _ in range(100):
        rewrite = {"union": {"child": [rewrite, {"computedUserset": {"relation": "owner"}}]}}
    relations = {"owner": {"this": {}}, "viewer": rewrite}
    model = {"schema_version": "1.1", "type_definitions": [{"type": "user"}, {"type": "doc", "relations": relations}]}
    status, said = await fga.call("POST", "authorization-models", model)
    assert (status, said["code"]) == (400, "invalid_authorization_model")
    assert "deep" in said["message"]


async def test_a_token_with_what_no_database_keeps_is_none_of_ours(fga: Fga) -> None:
    for listing, path, key_ in (("stores", "/stores", "a\0"), ("models", "authorization-models", "\0")):
        token = urlsafe_b64encode(json.dumps([listing, key_]).encode()).decode()
        status, said = await fga.call("GET", path, continuation_token=token)
        assert (status, said["code"]) == (400, "invalid_continuation_token")


async def test_a_body_may_be_larger_than_elsewhere_but_not_by_much(fga: Fga) -> None:
    asked = {"tuple_key": key("user:ann viewer doc:1")}
    assert (await fga.ask("check", **asked, context={"text": "x" * 500_000}))[0] == 200
    status, said = await fga.ask("check", **asked, context={"text": "x" * 1024 * 1024})
    assert (status, said["code"]) == (413, "exceeded_entity_limit")

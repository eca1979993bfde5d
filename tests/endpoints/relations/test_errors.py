"""Which mistake gets which error, and which is none: one row each, asked of our server and, where there is one, of an OpenFGA
server, so that the table is true of both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx2
import pytest
from tests.fixtures.databases import BACKENDS, NewDatabase
from tests.fixtures.house import built
from tests.fixtures.openfga import Fga, key, registered, speaking
from tests.fixtures.openfga_server import KEY
from tests.ledger import proves

from remit_server.rules.relations.model import parse

pytestmark = proves("relations.openfga-errors")

DOCS = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define parent: [doc]
    define editor: [user]
    define viewer: [user, user:*, group#member, user with fresh] or editor
    define reader: viewer from parent
    define only: viewer but not editor
condition fresh(age: int) {
  age < 10
}
"""
OTHER = "01JACCESS0000000000000STRE"
"""No id of anything."""
NO_MODEL = "authorization_model_not_found"
TOO_LONG = "1" * 300


class Row(NamedTuple):
    verb: str
    """Or `METHOD /path`, in which `{model}` is the model's id and a path without a slash before it is the store's."""
    body: Any
    status: int = 400
    code: str = "validation_error"
    theirs: tuple[int, str] | None = None
    """What OpenFGA 1.18 says where it says something else, on purpose on our side (docs/relations.md)."""

    def __str__(self) -> str:
        text = self.body.decode("latin-1") if isinstance(self.body, bytes) else json.dumps(self.body)
        return f"{self.verb} {text[:60]}{len(text) if len(text) > 60 else ''}"


def about(text: str, **more: Any) -> dict[str, Any]:
    return {"tuple_key": key(text), **more}


def brings(*texts: str, **more: Any) -> dict[str, Any]:
    return about("user:ann viewer doc:1", contextual_tuples={"tuple_keys": [key(text) for text in texts]}, **more)


def writes(*texts: str, **more: Any) -> dict[str, Any]:
    return {"writes": {"tuple_keys": [key(text) for text in texts], **more}}


def conditioned(condition: Any, user: str = "user:eve") -> dict[str, Any]:
    return {
        "writes": {"tuple_keys": [{**key(f"{user} viewer doc:1"), "condition": condition}], "on_duplicate": "ignore"}
    }


def deletes(text: str, **more: Any) -> dict[str, Any]:
    return {"deletes": {"tuple_keys": [key(text)], **more}}


def types(*definitions: Any, version: Any = "1.1", **more: Any) -> dict[str, Any]:
    return {"schema_version": version, "type_definitions": list(definitions), **more}


def doc(**relations: Any) -> dict[str, Any]:
    return {"type": "doc", "relations": relations}


def objects(type_: str = "doc", relation: str = "viewer", user: str = "user:ann", **more: Any) -> dict[str, Any]:
    return {"type": type_, "relation": relation, "user": user, **more}


def users(object_: str = "doc:1", relation: str = "viewer", **more: Any) -> dict[str, Any]:
    named = dict(zip(("type", "id"), object_.split(":"), strict=False))
    return {"object": named, "relation": relation, "user_filters": [{"type": "user"}], "context": {"age": 1}, **more}


def named(text: str, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"checks": [about(text, correlation_id=name, **more)]}


USER = {"type": "user"}
STORES = [
    Row("POST /stores", {"name": "x"}),
    Row("POST /stores", {}),
    Row("POST /stores", {"name": 3}),
    Row("POST /stores", {"name": None}),
    Row("POST /stores", {"name": "a\u00e9\u00e9\u00e9"}),
    Row("POST /stores", b""),
    Row("POST /stores", b"[]"),
    Row("POST /stores", b'{"name":"ab'),
    Row("POST /stores", b'{"name":"abcd","name":"abce"}'),
    Row("POST /stores", b"\xff\xfe"),
    Row("GET /stores?page_size=0", None, code="page_size_invalid"),
    Row("GET /stores?page_size=101", None, code="page_size_invalid"),
    Row("GET /stores?page_size=x", None),
    Row("GET /stores?page_size=1&page_size=2", None),
    Row("GET /stores?continuation_token=zzz", None, code="invalid_continuation_token"),
    Row("GET /stores?unknown=1", None, 200, ""),
    Row(f"GET /stores/{OTHER}", None, 404, "store_id_not_found"),
    Row("GET /stores/abc", None),
    Row("DELETE /stores/abc", None),
    Row(f"DELETE /stores/{OTHER}", None, 204, ""),
    Row(f"POST /stores/{OTHER}/check", about("user:ann viewer doc:1"), 404, "store_id_not_found",
        (400, "latest_authorization_model_not_found")),
    Row("GET check", None, 405, "unimplemented", (404, "unimplemented")),
    Row("POST nothing-like-that", {}, 404, "undefined_endpoint"),
]  # fmt: skip
MODELS = [
    Row("authorization-models", {}, code="type_definitions_too_few_items"),
    Row("authorization-models", types(), code="type_definitions_too_few_items"),
    Row("authorization-models", types(USER, version="9")),
    Row("authorization-models", types(USER, version=None)),
    Row("authorization-models", types(USER, version="1.0"), code="invalid_authorization_model"),
    Row("authorization-models", types(USER, USER), code="invalid_authorization_model"),
    Row("authorization-models", types({"type": "a b"}), code="type_invalid_pattern"),
    Row("authorization-models", types({}), code="type_invalid_pattern"),
    Row("authorization-models", types("user")),
    Row("authorization-models", types(doc(a={"computedUserset": {"relation": "b"}})), code="invalid_authorization_model"),
    Row("authorization-models", types(doc(a={"difference": {}})), code="difference_base_missing_value"),
    Row("authorization-models", types(doc(a=[]))),
    Row("authorization-models", types({"type": "doc", "metadata": []})),
    Row("authorization-models", types(*({"type": f"user{n}"} for n in range(101))), code="exceeded_entity_limit"),
    Row("authorization-models", types(USER, conditions={"a": {"name": "a", "expression": "1 == 1 || " * 60 + "true"}})),
    Row("authorization-models", types(USER, conditions={f"a{n}": {"name": f"a{n}", "expression": "true"} for n in range(26)})),
    Row("authorization-models", types(USER, conditions={"a": {"name": "a", "expression": "1 +"}}),
        code="invalid_authorization_model"),
    Row("GET authorization-models/abc", None),
    Row(f"GET authorization-models/{OTHER}", None, code=NO_MODEL),
    Row("GET authorization-models?continuation_token=zzz", None, code="invalid_continuation_token"),
]  # fmt: skip
WRITES = [
    Row("write", writes("user:ann viewer doc:1"), code="write_failed_due_to_invalid_input"),
    Row("write", writes("user:ann viewer doc:1", on_duplicate="ignore"), 200, ""),
    Row("write", writes("user:ann viewer doc:1", on_duplicate="hope")),
    Row("write", writes("user:eve viewer doc:1", "user:eve viewer doc:1"), code="cannot_allow_duplicate_tuples_in_one_request"),
    Row("write", writes("group:g viewer doc:1")),
    Row("write", writes("user:eve fly doc:1")),
    Row("write", writes("user:eve viewer sky:1")),
    Row("write", writes("user:* editor doc:1")),
    Row("write", writes("group:g#member member group:g")),
    Row("write", writes(f"user:eve viewer doc:{TOO_LONG}")),
    Row("write", writes(f"user:eve {'v' * 51} doc:1")),
    Row("write", writes(f"user:{'a' * 600} viewer doc:1")),
    Row("write", writes(*(f"user:u{n} viewer doc:1" for n in range(101))), code="exceeded_entity_limit"),
    Row("write", {}, code="invalid_write_input"),
    Row("write", {"writes": {"tuple_keys": []}}),
    Row("write", {"writes": []}),
    Row("write", {"writes": {"tuple_keys": [{"user": "user:eve", "object": "doc:1"}]}}),
    Row("write", {"writes": {"tuple_keys": [{"relation": "viewer", "object": "doc:1"}]}}),
    Row("write", {"writes": {"tuple_keys": [{"relation": "viewer", "user": "user:eve"}]}}),
    Row("write", {"writes": {"tuple_keys": [None]}}),
    Row("write", {**writes("user:eve viewer doc:1"), "authorization_model_id": OTHER}, code=NO_MODEL),
    Row("write", {**writes("user:eve viewer doc:1"), "authorization_model_id": "x"}),
    Row("write", deletes("user:nobody viewer doc:1"), code="write_failed_due_to_invalid_input"),
    Row("write", deletes("user:nobody viewer doc:1", on_missing="ignore"), 200, ""),
    Row("write", deletes("nobody viewer doc:1"), theirs=(400, "write_failed_due_to_invalid_input")),
    Row("write", conditioned({"name": "stale"})),
    Row("write", conditioned({"name": "fresh", "context": {"weight": 3}})),
    Row("write", conditioned({"name": "fresh", "context": {"age": "young"}})),
    Row("write", conditioned({"name": "fresh", "context": []})),
    Row("write", conditioned({})),
    Row("write", conditioned(None, "user:dee"), 409, "Aborted"),
]  # fmt: skip
CHECKS = [
    Row("check", {}, code="tuple_key_value_not_specified"),
    Row("check", {"tuple_key": []}),
    Row("check", {"tuple_key": "x"}),
    Row("check", {"tupleKey": key("user:ann viewer doc:1")}, code="tuple_key_value_not_specified"),
    Row("check", {"tuple_key": {"user": 1, "relation": "viewer", "object": "doc:1"}}),
    Row("check", {"tuple_key": {"user": "user:a b", "relation": "viewer", "object": "doc:1"}}),
    Row("check", {"tuple_key": {"user": "user:a\0b", "relation": "viewer", "object": "doc:1"}}),
    Row("check", b'{"tuple_key":{"user":"user:\\ud800","relation":"viewer","object":"doc:1"}}'),
    Row("check", about("user:ann fly doc:1")),
    Row("check", about("user:ann viewer sky:1")),
    Row("check", about("ann viewer doc:1")),
    Row("check", about("bird:ann viewer doc:1")),
    Row("check", about("group:g#fly viewer doc:1")),
    Row("check", about("user:ann viewer doc")),
    Row("check", about("user:ann viewer doc:*")),
    Row("check", about(f"user:ann viewer doc:{TOO_LONG}")),
    Row("check", about(f"user:ann {'v' * 51} doc:1")),
    Row("check", about("user:* viewer doc:2"), 200, ""),
    Row("check", about("group:g#member viewer doc:1"), 200, ""),
    Row("check", about("user:cy viewer doc:1")),
    Row("check", about("user:cy viewer doc:1", context={"age": "young"})),
    Row("check", about("user:cy viewer doc:1", context={"age": 3}), 200, ""),
    Row("check", about("user:ann viewer doc:1", context=[])),
    Row("check", about("user:ann viewer doc:1", contextual_tuples=[])),
    Row("check", about("user:ann viewer doc:1", contextual_tuples=None, context=None, authorization_model_id=None), 200, ""),
    Row("check", about("user:ann viewer doc:1", trace=True, unknown={}), 200, ""),
    Row("check", about("user:ann viewer doc:1", consistency="HIGHER_CONSISTENCY"), 200, ""),
    Row("check", about("user:ann viewer doc:1", consistency=200), 200, ""),
    Row("check", about("user:ann viewer doc:1", consistency=1)),
    Row("check", about("user:ann viewer doc:1", authorization_model_id=OTHER), code=NO_MODEL),
    Row("check", about("user:ann viewer doc:1", authorization_model_id="x")),
    Row("check", about("user:ann viewer doc:1", authorization_model_id=7)),
    Row("check", brings("group:g viewer doc:1"), code="invalid_tuple"),
    Row("check", brings("user:eve fly doc:1"), code="invalid_tuple"),
    Row("check", brings("user:eve viewer doc:1", "user:eve viewer doc:1"), 200, ""),
    Row("check", brings(*(f"user:u{n} viewer doc:1" for n in range(101)))),
    Row("batch-check", {}),
    Row("batch-check", {"checks": []}),
    Row("batch-check", {"checks": {}}),
    Row("batch-check", {"checks": [about("user:ann viewer doc:1")]}),
    Row("batch-check", named("user:ann viewer doc:1", "a b")),
    Row("batch-check", {"checks": [{"correlation_id": "a"}]}, code="tuple_key_value_not_specified"),
    Row("batch-check", {"checks": named("user:ann viewer doc:1")["checks"] * 2}),
    Row("batch-check", {"checks": [named("user:ann viewer doc:1", f"c{n}")["checks"][0] for n in range(51)]}),
    Row("batch-check", named("user:ann fly doc:1"), 200, ""),
]  # fmt: skip
LISTS = [
    Row("list-objects", {}, code="type_invalid_pattern"),
    Row("list-objects", objects("sky"), code="type_not_found"),
    Row("list-objects", objects(relation="fly"), code="relation_not_found"),
    Row("list-objects", objects("a b"), code="type_invalid_pattern"),
    Row("list-objects", objects(user="ann")),
    Row("list-objects", objects(user="bird:ann")),
    Row("list-objects", objects(user="user:" + "a" * 600)),
    Row("list-objects", objects(user="user:cy")),
    Row("streamed-list-objects", {}, code="type_invalid_pattern", theirs=(400, "")),
    Row("streamed-list-objects", objects("sky"), code="type_not_found", theirs=(400, "")),
    Row("list-users", users("sky:1"), code="type_not_found"),
    Row("list-users", users(relation="fly"), code="relation_not_found"),
    Row("list-users", users(user_filters=[{"type": "sky"}]), code="type_not_found"),
    Row("list-users", users(user_filters=[{"type": "group", "relation": "fly"}]), code="relation_not_found"),
    Row("list-users", users(user_filters=[])),
    Row("list-users", users(user_filters=[USER, USER])),
    Row("list-users", users(object=None)),
    Row("list-users", users("doc")),
    Row("list-users", users("d c:1"), code="type_invalid_pattern"),
    Row("list-users", users(contextual_tuples={"tuple_keys": []})),
    Row("list-users", users(context={})),
    Row("expand", {}, code="tuple_key_value_not_specified"),
    Row("expand", {"tuple_key": {"object": "doc:1"}}, code="invalid_expand_input"),
    Row("expand", {"tuple_key": {"relation": "viewer"}}, code="invalid_expand_input"),
    Row("expand", {"tuple_key": {"relation": "viewer", "object": "doc"}}),
    Row("expand", {"tuple_key": {"relation": "viewer", "object": "doc:*"}}),
    Row("expand", {"tuple_key": {"relation": "fly", "object": "doc:1"}}),
    Row("expand", {"tuple_key": {"relation": "viewer", "object": "sky:1"}}),
]  # fmt: skip
READS = [
    Row("read", {"page_size": 0}, code="page_size_invalid"),
    Row("read", {"page_size": 101}, code="page_size_invalid"),
    Row("read", {"page_size": 1.5}),
    Row("read", {"page_size": True}),
    Row("read", {"page_size": 10**30}),
    Row("read", {"page_size": "2"}, 200, ""),
    Row("read", {"page_size": None, "tuple_key": None, "continuation_token": None}, 200, ""),
    Row("read", {"continuation_token": "zzz"}, code="invalid_continuation_token"),
    Row("read", {"continuation_token": "z z"}),
    Row("read", {"tuple_key": {}}),
    Row("read", {"tuple_key": {"object": "doc:"}}),
    Row("read", {"tuple_key": {"user": "user:ann"}}),
    Row("read", {"tuple_key": {"relation": "viewer"}}),
    Row("read", {"tuple_key": {"object": "doc", "user": "user:ann"}}),
    Row("read", {"tuple_key": {"object": "doc:1", "user": "ann"}}),
    Row("read", {"tuple_key": {"object": "doc:", "user": "group:"}}),
    Row("read", {"tuple_key": {"object": "doc:", "user": "user:ann"}}, 200, ""),
    Row("read", {"tuple_key": {"object": "doc:1", "relation": "fly"}}, 200, ""),
    Row("GET changes?page_size=0", None, code="page_size_invalid", theirs=(400, "validation_error")),
    Row("GET changes?page_size=101", None, code="page_size_invalid"),
    Row("GET changes?type=a%20b", None, code="type_invalid_pattern"),
    Row("GET changes?type=sky", None, 200, ""),
    Row("GET changes?start_time=then", None),
    Row("GET changes?start_time=9999-01-01T00:00:00Z", None),
    Row("GET changes?start_time=2020-01-01T00:00:00Z", None, 200, ""),
    Row("GET changes?continuation_token=zzz", None, code="invalid_continuation_token"),
    Row("GET assertions/{model}", None, 200, ""),
    Row(f"GET assertions/{OTHER}", None, code=NO_MODEL),
    Row(f"PUT assertions/{OTHER}", {"assertions": []}, code=NO_MODEL),
    Row("PUT assertions/{model}", {}, 204, ""),
    Row("PUT assertions/{model}", {"assertions": [about("user:ann viewer doc:1")]}, 204, ""),
    Row("PUT assertions/{model}", {"assertions": [about("user:ann viewer doc:1")] * 101}, code="assertions_too_many_items"),
    Row("PUT assertions/{model}", {"assertions": [about("user:ann fly doc:1", expectation=True)]}),
    Row("PUT assertions/{model}", {"assertions": [{"expectation": True}]}, code="tuple_key_value_not_specified"),
    Row("PUT assertions/{model}", {"assertions": [
        about("user:ann viewer doc:1", contextual_tuples=[key(f"user:u{n} viewer doc:1") for n in range(21)])
    ]}),
]  # fmt: skip
ROWS = [*STORES, *MODELS, *WRITES, *CHECKS, *LISTS, *READS]


async def prepared(fga: Fga) -> Fga:
    """A store with a model and a few tuples; what a row changes matters to no other."""
    await fga.begin()
    status, said = await fga.call("POST", "authorization-models", parse(DOCS))
    assert status == 201, said
    fga.model = said["authorization_model_id"]
    texts = ("user:ann viewer doc:1", "group:g#member viewer doc:1", "user:ann member group:g", "user:* viewer doc:2",
             "user:bob editor doc:1", "doc:1 parent doc:2")  # fmt: skip
    conditions = {"user:cy": {"name": "fresh", "context": {}}, "user:dee": {"name": "fresh", "context": {"age": 3}}}
    given = [{**key(f"{user} viewer doc:1"), "condition": condition} for user, condition in conditions.items()]
    await fga.good("write", writes={"tuple_keys": [*map(key, texts), *given]})
    return fga


@pytest.fixture(scope="module", params=BACKENDS)
async def ours(request: pytest.FixtureRequest, new_database: NewDatabase) -> AsyncIterator[Fga]:
    async with built(new_database(request.param)) as house:
        await registered(house)
        async with (await speaking(house)).http as http:
            yield await prepared(Fga(http))


@pytest.fixture(scope="module")
async def theirs(openfga_url: str) -> AsyncIterator[Fga]:
    async with httpx2.AsyncClient(base_url=openfga_url, headers={"authorization": f"Bearer {KEY}"}) as http:
        yield await prepared(Fga(http))


async def asked(fga: Fga, row: Row) -> tuple[int, str, str]:
    """Status, code and message."""
    method, _, path = row.verb.rpartition(" ")
    path = path.replace("{model}", fga.model)
    url = path if path.startswith("/") else f"/stores/{fga.store}/{path}"
    body = row.body
    if isinstance(body, dict) and not method and path != "authorization-models":
        body = {"authorization_model_id": fga.model, **body}
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    answer = await fga.http.request(
        method or "POST", url, content=content, headers={"content-type": "application/json"}
    )
    said = answer.json() if answer.content and answer.status_code >= 300 else {}
    return answer.status_code, said.get("code", ""), said.get("message", "")


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_what_we_say(ours: Fga, row: Row) -> None:
    status, code, message = await asked(ours, row)
    assert (status, code) == (row.status, row.code if row.status >= 300 and row.status != 204 else ""), message
    assert bool(message) is bool(code)


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_what_openfga_says(theirs: Fga, row: Row) -> None:
    status, code, message = await asked(theirs, row)
    expected = row.theirs or (row.status, row.code if row.status >= 300 else "")
    assert (status, code if isinstance(code, str) else "") == expected, message

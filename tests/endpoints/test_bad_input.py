"""Whatever comes in, every URL answers in its own form, with an error that it has a name for; nothing fails, and no secret
comes back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from tests.fixtures import asking
from tests.fixtures.databases import BACKENDS, NewDatabase
from tests.fixtures.house import PASSWORD, SECRET, House, built
from tests.fixtures.raw import Got, Sent, send
from tests.fixtures.spoiled import CANARY, ROUTES, World, found, furnished, requests
from tests.ledger import proves

from remit_server.errors import ProtocolError
from remit_server.identity.advance import see_other
from remit_server.routes import Route

CODES = {error.code for error in ProtocolError.__subclasses__()}
WAYS_ON = re.compile(r"/([a-z][!-~]*)?|http://127\.0\.0\.1[:/][!-~]*|https://(app|other|idp)\.example/[!-~]*")


@pytest.fixture(scope="module", params=BACKENDS)
async def world(request: pytest.FixtureRequest, new_database: NewDatabase) -> AsyncIterator[World]:
    async with built(new_database(request.param), registration="open", login_attempts=1_000_000) as house:
        yield await furnished(house)


@proves("input.never-fails")
@settings(
    max_examples=int(os.environ.get("BAD_INPUT_EXAMPLES", "1500")),
    derandomize=os.environ.get("CI") == "true",
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
async def test_every_url_answers(world: World, data: st.DataObject) -> None:
    sent = data.draw(requests(world))
    note(repr(sent)[:3000])
    with structlog.testing.capture_logs() as logged:
        got = await send(world.house.app, sent)
    route = found(sent.path)
    judge(route, sent, got)
    assert not [entry for entry in logged if entry["log_level"] not in {"debug", "info"}]
    assert CANARY not in repr(logged)
    await world.mend(route, sent.method, got.status)


def judge(route: Route | None, sent: Sent, got: Got) -> None:
    assert 200 <= got.status < 500, f"{got.status} {got.body[:300]!r}"
    for name, value in got.headers:
        assert re.fullmatch(rb"[a-z][a-z0-9-]*", name)
        assert re.fullmatch(rb"[\x20-\x7e]*", value), (name, value)
    for secret in (CANARY, SECRET, PASSWORD):
        assert secret.encode() not in got.body
    if route is None:
        assert got.status == 404
    elif got.status == 405:
        heads = ["HEAD"] if "GET" in route.usual_methods else []
        assert sorted((got.header("allow") or "").split(", ")) == sorted([*route.usual_methods, *heads])
    elif got.status == 429:
        assert (got.header("retry-after") or "").isdigit()
    elif got.status == 303:
        assert WAYS_ON.fullmatch(got.header("location") or ""), got.header("location")
    if got.status >= 400:
        assert got.header("cache-control") == "no-store"
        refused(route, got)


def refused(route: Route | None, got: Got) -> None:
    match got.header("content-type"), route.face if route else None:
        case "text/html; charset=utf-8", "page" | None:
            policy = (got.header("content-security-policy") or "").split("; ")
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= {*policy}
        case "application/problem+json", "problem":
            answer = json.loads(got.body)
            assert answer["type"].removeprefix("urn:remit:problem:") in CODES
            assert answer["status"] == got.status
        case "application/json", "openfga":
            assert json.loads(got.body).keys() == {"code", "message"}
        case "application/json", None if b'"undefined_endpoint"' in got.body:
            assert json.loads(got.body).keys() == {"code", "message"}
        case "application/json", "oauth" | None:
            answer = json.loads(got.body)
            assert answer["error"] in CODES
            assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", answer["error_description"])  # RFC 6749 section 5.2
            challenged = got.header("www-authenticate")
            assert challenged is None or challenged.startswith(("Basic realm=", "Bearer", "DPoP "))
        case other:
            raise AssertionError(f"{other} is not how this URL says no")


def test_every_route_is_tried() -> None:
    assert {found(route.path) for route in ROUTES} == set(ROUTES)


# What was found once


@proves("input.no-header-from-a-path")
async def test_a_line_break_in_a_path_ends_no_header(house: House) -> None:
    browser = house.browser()
    await browser.get("/approvals/a%0d%0aSet-Cookie:%20planted=1")
    assert browser.form.action == "/login"
    form = {**dict(browser.form.fields), "identifier": "ada@example.com", "password": PASSWORD}
    assert see_other("/a\r\nb: é").headers[0] == ("location", "/a%0D%0Ab:%20%C3%A9")
    answer = await browser.http.post("/login", data=form, headers={"Origin": browser.origin}, follow_redirects=False)
    assert answer.headers["location"] == "/approvals/a%0D%0ASet-Cookie%3A%20planted%3D1"


@proves("input.no-redirect-to-the-host-header")
async def test_a_slash_too_many_leads_nowhere(house: House) -> None:
    answer = await house.http.get("/static/remit.css/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert (answer.status_code, "location" in answer.headers) == (404, False)


async def test_an_errand_of_another_page_is_refused_at_sign_in(house: House) -> None:
    """The errand of signing out has nowhere to return to."""
    browser = await house.sign_in()
    await browser.get("/oidc/logout")
    resume = browser.form.value("resume")
    assert resume
    answer = await browser.get(f"/login?resume={quote(resume)}")
    assert answer.status_code == 400


@pytest.mark.parametrize("body", [b'{"client_id":"service","client_id":"agent"}', b'{"a":{"b":1,"b":2}}'])
async def test_a_member_that_is_there_twice_is_refused(house: House, body: bytes) -> None:
    sent = Sent("POST", "/oauth/token", headers=((b"content-type", b"application/json"),), body=body)
    answer: dict[str, Any] = json.loads((await send(house.app, sent)).body)
    assert answer == {"error": "invalid_request", "error_description": "A member of the body is repeated."}


@pytest.mark.parametrize(
    "body", [b"\xff", b'{"answer":"\xff"}', b"[" * 99_999, b"{}", b'{"answer":"approve","version":1e400,"digest":""}']
)
async def test_an_answer_that_is_none(house: House, body: bytes) -> None:
    app = await asking.own_app(house)
    await asking.asked(house)
    waits = (await asking.waiting(house, app))[0]
    answer = await house.http.post(f"/me/v1/approvals/{waits['id']}/answer", content=body, headers=app)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_too_many_wrong_user_codes_say_when_to_come_back(house: House) -> None:
    browser = await house.sign_in()
    for _ in range(11):
        await browser.get("/device")
        answer = await browser.submit(user_code="BBBB-BBBB")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "600")

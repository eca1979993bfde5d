"""What a person must still do before a client gets its code."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from remit_server.errors import ConsentRequired, LoginRequired, ProtocolError, UnmetAuthentication
from remit_server.records import Api, Client, Grant, Session
from remit_server.rules import interaction
from remit_server.rules.authorization import ONE_FACTOR, TWO_FACTORS, Asked, Back
from remit_server.rules.interaction import Standing

NOW = 1_000_000


def asked(uri: str = "https://app.example/cb", **more: Any) -> Asked:
    return Asked(client_id="web", back=Back(redirect_uri=uri), challenge="x" * 43, **more)


def session(ago: int = 0, **more: Any) -> Session:
    return Session(hash="h", sid="s", user_id="ada", auth_time=NOW - ago, acr=ONE_FACTOR, expires_at=NOW + 1, **more)


HERE, LONG_AGO = session(), session(ago=600)
WITHIN = session(errand="e")
"""Signed in for this very request."""
FROM_BEFORE = session(ago=600, errand="e")
"""The same, but at another provider that did not ask again."""


def step(asked: Asked, session: Session | None = HERE, **standing: Any) -> str | type[ProtocolError]:
    given = {"errand": "e", "begun_at": NOW, **standing}
    try:
        return interaction.judge(asked, Standing(session=session, **given), NOW)
    except ProtocolError as error:
        return type(error)


@pytest.mark.parametrize(
    ("session", "wish", "becomes"),
    [
        (None, {}, "sign_in"),
        (None, {"prompt": ("none",)}, LoginRequired),
        (HERE, {}, "done"),
        (HERE, {"prompt": ("login",)}, "sign_in"),
        (HERE, {"prompt": ("select_account",)}, "sign_in"),
        (WITHIN, {"prompt": ("login",)}, "done"),
        (WITHIN, {"prompt": ("select_account",)}, "done"),
        (WITHIN, {"max_age": 0}, "done"),
        (FROM_BEFORE, {}, "done"),
        (FROM_BEFORE, {"prompt": ("select_account",)}, "done"),
        (FROM_BEFORE, {"prompt": ("login",)}, LoginRequired),
        (FROM_BEFORE, {"max_age": 599}, LoginRequired),
        (FROM_BEFORE, {"max_age": 600}, "done"),
        (LONG_AGO, {"max_age": 601}, "done"),
        (LONG_AGO, {"max_age": 600}, "sign_in"),
        (LONG_AGO, {"max_age": 600, "prompt": ("none",)}, LoginRequired),
        (HERE, {"max_age": 0}, "sign_in"),
        (HERE, {"subject": "ada"}, "done"),
        (HERE, {"subject": "bob"}, "sign_in"),
        (HERE, {"subject": "bob", "prompt": ("none",)}, LoginRequired),
        (WITHIN, {"subject": "bob"}, LoginRequired),
    ],
)
def test_who_must_sign_in(session: Session | None, wish: dict[str, Any], becomes: object) -> None:
    assert step(asked(**wish), session, agreed=True) == becomes


@pytest.mark.parametrize(
    ("values", "has", "becomes"),
    [
        ((ONE_FACTOR,), False, "done"),
        ((TWO_FACTORS, ONE_FACTOR), False, "done"),
        ((TWO_FACTORS,), True, "second_factor"),
        ((TWO_FACTORS,), False, UnmetAuthentication),
    ],
)
def test_the_strength_asked_for(values: tuple[str, ...], has: bool, becomes: object) -> None:
    assert step(asked(acr_values=values), agreed=True, second_factor=has) == becomes


def test_who_did_not_agree_is_asked_unless_nobody_may_be() -> None:
    assert step(asked()) == "consent"
    assert step(asked(prompt=("none",))) == ConsentRequired


OURS = Client(id="web", name="Desk", first_party=True)
OPEN, CLOSED = (
    Api(identifier=f"https://{name}.example", name=name, skip_consent=name == "open") for name in ("open", "closed")
)


@pytest.mark.parametrize(
    ("client", "apis", "more", "needs_none"),
    [
        (OURS, (), {}, True),
        (OURS, (OPEN,), {}, True),
        (OURS, (OPEN, CLOSED), {}, False),
        (OURS, (OPEN,), {"details": ({"type": "order"},)}, False),
        (Client(id="web", name="Desk"), (OPEN,), {}, False),
        (Client(id="web", name="Desk", first_party=True, dynamic=True), (), {}, False),
    ],
)
def test_for_whom_the_organisation_answers(client: Client, apis: tuple[Api, ...], more: Any, needs_none: bool) -> None:
    assert interaction.needs_no_consent(asked(**more), client, apis) is needs_none


GIVEN = Grant(
    id="g",
    client_id="web",
    user_id="ada",
    scopes=("openid", "read"),
    audiences=("notes",),
    return_to="https://app.example",
)
PUBLIC = Client(id="web", name="Desk", auth_methods=("none",))


@pytest.mark.parametrize(
    ("client", "request_", "kept"),
    [
        (OURS, asked(scopes=("read",), audiences=("notes",)), True),
        (OURS, asked(scopes=("read", "write"), audiences=("notes",)), False),
        (OURS, asked(scopes=("read",), audiences=("notes", "broker")), False),
        (OURS, asked("https://other.example/cb", scopes=("read",)), False),
        (OURS, asked(scopes=("read",), details=({"type": "order"},)), False),
        (OURS, asked(scopes=("read",), prompt=("consent",)), False),
        (PUBLIC, asked(scopes=("read",)), True),
    ],
)
def test_what_is_remembered(client: Client, request_: Asked, kept: bool) -> None:
    assert interaction.remembered(request_, client, [GIVEN]) is kept


def test_a_client_that_anybody_can_pretend_to_be_is_asked_about_each_time() -> None:
    request = asked("http://127.0.0.1:1/cb", scopes=("read",))
    given = replace(GIVEN, return_to=request.back.origin)
    assert interaction.remembered(request, OURS, [given])
    assert not interaction.remembered(request, PUBLIC, [given])

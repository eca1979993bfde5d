"""The connect flow's decisions that no browser shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from remit_server.errors import InvalidRequest, NotFound, ProtocolError
from remit_server.records import Client, ConnectAttempt, ConnectedAccount, Connection, User
from remit_server.records.connection import ASKED, DONE, HELD, ORGANISATION, RETURNED, SENT
from remit_server.rules import connecting
from remit_server.rules.connection import home_of

NOW = 1_000
HOME = Connection(
    name="home", provider="oidc", issuer="https://home.example", authorization_endpoint="https://home.example/auth?tenant=7",
    client_id="remit", scopes=("a", "b", "c"), scope_separator=",",
)  # fmt: skip
SENT_HOME = ConnectAttempt(
    ticket="t", user_id="ada", connection="home", scopes=("a", "b"), step=SENT, expires_at=NOW + 1, upstream_state="s",
)  # fmt: skip


ADA, BOB = User(id="ada"), User(id="bob")


def attempt(**changes: Any) -> ConnectAttempt:
    return ConnectAttempt(**{name: getattr(SENT_HOME, name) for name in SENT_HOME.__struct_fields__} | changes)


@pytest.mark.parametrize(
    ("changes", "user"),
    [
        ({}, BOB), ({"expires_at": NOW}, ADA), *(({"step": step}, ADA) for step in (RETURNED, HELD, DONE)),
        ({"shared": True}, ADA),
    ],
)  # fmt: skip
def test_a_link_is_for_its_person_in_its_time_once(changes: dict[str, Any], user: User) -> None:
    texts = set()
    for found in (attempt(**changes), None):
        with pytest.raises(NotFound) as refused:
            connecting.open_to(found, user, NOW)
        texts.add(refused.value.text)
    assert len(texts) == 1, "every reason sounds the same"


@pytest.mark.parametrize("step", [ASKED, SENT])
def test_a_link_opens(step: int) -> None:
    assert connecting.open_to(attempt(step=step), ADA, NOW).step == step
    shared = attempt(step=step, shared=True)
    assert connecting.open_to(shared, User(id="ada", administrator=True), NOW).owner == ORGANISATION


@pytest.mark.parametrize(
    ("path", "iss", "changes", "error"),
    [
        ("home", "https://home.example", {}, None),
        ("home", None, {}, None),
        ("home", "https://home.example/", {}, InvalidRequest),
        ("home", "https://evil.example", {}, InvalidRequest),
        ("evil", "https://home.example", {}, InvalidRequest),
        ("home", None, {"connection": "evil"}, InvalidRequest),
        ("home", None, {"step": ASKED}, InvalidRequest),
        ("home", None, {"step": RETURNED}, NotFound),
        ("home", None, {"user_id": "bob"}, NotFound),
    ],
)
def test_who_comes_back_from_where(
    path: str, iss: str | None, changes: dict[str, Any], error: type[ProtocolError] | None
) -> None:
    if error is None:
        assert connecting.came_back(attempt(**changes), HOME, path, ADA, iss=iss, now=NOW) == (SENT_HOME, HOME)
        return
    with pytest.raises(error):
        connecting.came_back(attempt(**changes), HOME, path, ADA, iss=iss, now=NOW)


def test_where_the_person_is_sent() -> None:
    asked = attempt(authorization_params={"tenant": "8", "login_hint": "ada", "client_id": "evil"})
    url = connecting.authorization_url(HOME, asked, redirect_uri="https://r.example/cb", state="st", challenge="ch")
    assert url.startswith("https://home.example/auth?")
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["8"], "login_hint": ["ada"], "response_type": ["code"], "client_id": ["remit"], "state": ["st"],
        "redirect_uri": ["https://r.example/cb"], "scope": ["a,b"], "code_challenge": ["ch"],
        "code_challenge_method": ["S256"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hint", "operators", "label", "sent"),
    [
        ("login_hint", {}, "ada@home.example", {"login_hint": "ada@home.example"}),
        ("login", {}, "ada", {"login": "ada", "login_hint": "the app's"}),
        ("login_hint", {"login_hint": "pinned"}, "ada@home.example", {"login_hint": "pinned"}),
        (None, {}, "ada@home.example", {"login_hint": "the app's"}),
        ("login_hint", {}, "Ada Lovelace", {"login_hint": "the app's"}),
        ("login_hint", {}, None, {"login_hint": "the app's"}),
    ],
)  # fmt: skip
def test_whom_the_person_means_is_told_where_that_is_understood(
    hint: Any, operators: dict[str, str], label: str | None, sent: dict[str, str]
) -> None:
    home = replace(HOME, login_hint=hint, authorization_params=operators)
    asked = attempt(authorization_params={"login_hint": "the app's"})
    meant = ConnectedAccount(id="1", user_id=ADA.id, connection="home", home=home_of(home), label=label)

    def hints(account: ConnectedAccount | None) -> dict[str, str]:
        url = connecting.authorization_url(
            home, asked, redirect_uri="https://r.example/cb", state="st", challenge="ch", account=account
        )
        return {name: one for name, (one,) in parse_qs(urlsplit(url).query).items() if name.startswith("login")}

    assert hints(meant) == sent
    elsewhere = {"login_hint": operators.get("login_hint", "the app's")}
    assert hints(replace(meant, home="another provider")) == elsewhere, "which learns nothing of this one"
    assert hints(None) == elsewhere


def test_each_connection_has_its_own_address() -> None:
    assert connecting.callback("https://r.example", "a/b c") == "https://r.example/connect/callback/a%2Fb%20c"


@pytest.mark.parametrize(("asked", "sent"), [((), ("a", "b")), (("b",), ("b",)), (("b", "a", "b"), ("b", "a"))])
def test_scopes_to_ask(asked: tuple[str, ...], sent: tuple[str, ...]) -> None:
    client = Client(id="c", name="C", connections={"home": ("a", "b", "unknown")})
    assert connecting.scopes_to_ask(HOME, client, asked) == sent


@pytest.mark.parametrize(
    ("granted", "sent"), [((), ("b",)), (("c", "gone"), ("b", "c")), (("b",), ("b",)), (("a", "b"), ("b", "a"))]
)
def test_who_asks_for_one_more_asks_for_what_was_granted_too(granted: tuple[str, ...], sent: tuple[str, ...]) -> None:
    account = ConnectedAccount(id="1", user_id="ada", connection="home", scopes=granted)
    assert connecting.on_top(HOME, ("b",), account) == sent
    assert connecting.on_top(HOME, ("b",), None) == ("b",)


@pytest.mark.parametrize(
    ("there", "fresh", "meant", "renewed"),
    [
        ([], "u1", None, None),
        ([("1", "u1")], "u1", None, "1"),
        ([("1", "u1"), ("2", "u2")], "u2", "1", "2"),
        ([("1", "u1")], "u2", "1", None),
        ([("1", None)], "u1", "1", "1"),
        ([("1", None)], "u1", None, None),
        ([("1", None)], None, None, None),
        ([("1", None), ("2", None)], None, "2", "2"),
        ([("1", "u1")], None, "1", "1"),
        ([("1", "u1")], None, "somebody's", None),
        ([("1", "u1", "disconnected")], "u1", "1", None),
    ],
)
def test_which_account_an_answer_renews(
    there: list[tuple[str, ...]], fresh: str | None, meant: str | None, renewed: str | None
) -> None:
    accounts = [
        ConnectedAccount(
            id=id_, user_id="ada", connection="home", upstream_id=upstream, state=state[0] if state else "ok"
        )  # type: ignore[arg-type]
        for id_, upstream, *state in there
    ]
    brought = ConnectedAccount(id="new", user_id="ada", connection="home", upstream_id=fresh)
    found = connecting.renews(accounts, brought, meant)
    assert (found and found.id) == renewed


@pytest.mark.parametrize("beyond", ["c", "unknown", ""])
def test_nobody_asks_beyond(beyond: str) -> None:
    client = Client(id="c", name="C", connections={"home": ("a", "b", "unknown")})
    with pytest.raises(InvalidRequest):
        connecting.scopes_to_ask(HOME, client, (beyond,))


def test_a_redirect_uri_keeps_its_query() -> None:
    assert connecting.return_url("https://a.example/cb?x=1", connect_code="c&c", state=None) == (
        "https://a.example/cb?x=1&connect_code=c%26c"
    )
    assert connecting.return_url("https://a.example/cb", error="e") == "https://a.example/cb?error=e"

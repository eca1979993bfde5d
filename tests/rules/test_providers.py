"""Entries, what operators write, and what providers answer: resolved and read without a network."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec import structs

from remit_server.catalog.load import providers
from remit_server.errors import InvalidRequest
from remit_server.records import Client, ConnectAttempt, Connection, Provider
from remit_server.records.provider import AccountLookup, AccountValue, AnswerPaths, Credential, Field, Parameter
from remit_server.rules.connecting import authorization_url, wish
from remit_server.rules.connection import Issued, Later, Withdrawn, read_reply
from remit_server.rules.providers import (
    Identity,
    at,
    attach,
    bare,
    identity,
    joined,
    kept,
    label_of,
    located,
    misread,
    resolve,
)
from remit_server.rules.providers_check import problems

SHOP = Provider(
    name="shop", title="Shop", sources=("https://shop.example/docs",), kind="oauth2",
    parameters={"shop": Parameter(pattern=r"^[a-z-]+\.shop\.example$", example="acme.shop.example", description="Whose.")},
    authorization_endpoint="https://{shop}/authorize", token_endpoint="https://{shop}/token",
    revocation_endpoint="https://{shop}/revoke/{token}", revoke="delete_token_in_path", api_base="https://{shop}/api/",
    api_hosts=("files.{shop}",), scopes={"read": "See orders", "write": "Change orders"}, offline_scopes=("offline",),
    authorization_params={"prompt": "consent", "audience": "{shop}"}, api_headers={"Shop-Version": "3"}, lifetime=600,
    account=AccountLookup(id="id", url="https://{shop}/me"),
)  # fmt: skip
WRITTEN: dict[str, Any] = {
    "name": "mine", "provider": "shop", "client_id": "remit", "client_secret": "hush", "scopes": ("read",),
    "parameters": {"shop": "ada.shop.example"},
}  # fmt: skip


def test_an_entry_and_what_was_written_become_one_connection() -> None:
    assert list(problems(SHOP, WRITTEN)) == []
    found = resolve(SHOP, WRITTEN)
    assert found == Connection(
        name="mine", provider="shop", client_id="remit", client_secret="hush", scopes=("read",), display_name="Shop",
        scope_words={"read": "See orders"}, authorization_endpoint="https://ada.shop.example/authorize",
        token_endpoint="https://ada.shop.example/token", revocation_endpoint="https://ada.shop.example/revoke/{token}",
        revoke="delete_token_in_path", api_base="https://ada.shop.example/api/", api_hosts=("files.ada.shop.example",),
        offline_scopes=("offline",), authorization_params={"prompt": "consent", "audience": "ada.shop.example"},
        api_headers={"Shop-Version": "3"}, lifetime=600, account=AccountLookup(id="id", url="https://ada.shop.example/me"),
    )  # fmt: skip


def test_what_was_written_outranks_the_entry() -> None:
    mine = {
        "scopes": {"read": "Look at orders", "extra": "Do more"}, "authorization_params": {"prompt": "none", "hd": "a"},
        "lifetime": 60, "display_name": "Our shop", "api_headers": {"Shop-Version": "4"}, "auth_method": "none",
        "token_endpoint": "https://login.acme.example/{shop}", "answer": AnswerPaths(access_token="data.token"),
    }  # fmt: skip
    found = resolve(SHOP, WRITTEN | mine)
    assert found.authorization_params == {"prompt": "none", "hd": "a", "audience": "ada.shop.example"}
    assert (found.lifetime, found.display_name, found.auth_method) == (60, "Our shop", "none")
    assert (found.scopes, found.scope_words) == (("read", "extra"), {"read": "Look at orders", "extra": "Do more"})
    assert found.api_headers == {"Shop-Version": "4"}
    assert found.answer.access_token == "data.token"
    assert found.token_endpoint == "https://login.acme.example/{shop}", "parameters are the entry's"


def test_a_parameter_may_have_a_default() -> None:
    usual = Parameter(
        pattern=r"^[a-z-]+\.shop\.example$", example="a.shop.example", description="W.", default="b.shop.example"
    )
    entry = structs.replace(SHOP, parameters={"shop": usual})
    nothing = WRITTEN | {"parameters": {}}
    assert list(problems(entry, nothing)) == []
    assert resolve(entry, nothing).api_base == "https://b.shop.example/api/"
    assert resolve(entry, WRITTEN).api_base == "https://ada.shop.example/api/"
    assert resolve(providers()["microsoft-outlook"], {"name": "m"}).token_endpoint.split("/")[3] == "common"


def test_a_header_may_name_our_client() -> None:
    entry = structs.replace(SHOP, api_headers={"Client-Id": "{client_id}", "X-Other": "{other}"})
    assert resolve(entry, WRITTEN).api_headers == {"Client-Id": "remit", "X-Other": "{other}"}
    mine = resolve(entry, WRITTEN | {"api_headers": {"X-Mine": "id={client_id}"}})
    assert mine.api_headers["X-Mine"] == "id=remit"
    assert "{client_id}" not in str(resolve(providers()["twitch"], WRITTEN).api_headers)


REALM = AccountValue(source="redirect", at="realmId", pattern="^[0-9]{1,20}$", example="12")
HOST = AccountValue(
    source="answer", at="where.url", prefix="https://", pattern=r"^[a-z]+\.acme\.example$", example="a.acme.example"
)
BOOKS: dict[str, Any] = {
    "account_values": {"realm": REALM, "host": HOST}, "api_base": "https://{host}/company/{realm}/",
    "account": AccountLookup(id="id", url="https://{host}/me"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("https://us.acme.example", {"host": "us.acme.example"}), ("us.acme.example", {}), ("http://us.acme.example", {}),
        ("https://evil.example", {}), ("https://us.acme.example.evil.example", {}), ("https://us.acme.example/", {}),
        ("https://evil.example/us.acme.example", {}), ("https://us.acme.example\n", {}), (["https://us.acme.example"], {}),
        ("https://" + "a" * 300 + ".acme.example", {}), (None, {}),
    ],
)  # fmt: skip
def test_only_what_fits_is_kept_with_an_account(said: Any, found: dict[str, str]) -> None:
    members = {"where": {"url": said}, "realmId": "12"}
    assert kept(connection(**BOOKS), "answer", members) == found, "and nothing that the redirect should have said"
    assert kept(connection(**BOOKS), "redirect", members) == {"realm": "12"}


@pytest.mark.parametrize(
    "values",
    [{}, {"realm": "12"}, {"host": "us.acme.example", "realm": "1/2"}, {"host": "evil.example", "realm": "12"}],
)
def test_an_account_that_does_not_say_where_it_is_is_nowhere(values: dict[str, str]) -> None:
    """Also one that said it when the connection was another."""
    assert located(connection(**BOOKS), values) is None


SITE = AccountValue(
    source="account", at="accounts.is_default.base_uri", prefix="https://", pattern=r"^[a-z0-9]+\.sign\.example$",
    example="na3.sign.example",
)  # fmt: skip
SIGN: dict[str, Any] = {
    "account_values": {"site": SITE}, "api_base": "https://{site}/", "userinfo_endpoint": "https://sign.example/userinfo",
}  # fmt: skip


@pytest.mark.parametrize(
    ("accounts", "found"),
    [
        ([{"base_uri": "https://eu.sign.example", "is_default": False},
          {"base_uri": "https://na3.sign.example", "is_default": True}], {"site": "na3.sign.example"}),
        ([{"base_uri": "https://eu.sign.example", "is_default": "true"}], {}),
        ([{"base_uri": "https://evil.example", "is_default": True}], {}), (["https://na3.sign.example"], {}), ([], {}), (None, {}),
    ],
)  # fmt: skip
def test_the_answer_that_says_whose_account_it_is_says_where(accounts: Any, found: dict[str, str]) -> None:
    sign = connection(**SIGN)
    assert kept(sign, "account", {"accounts": accounts}) == found
    assert located(sign, {}, asked=False) == sign, "nothing to ask before"
    here = located(sign, found)
    assert (here and here.api_base) == ("https://na3.sign.example/" if found else None)


def test_an_account_has_an_address_of_its_own() -> None:
    here = located(connection(**BOOKS), {"host": "us.acme.example", "realm": "12", "other": "x"})
    assert here is not None
    assert here.api_base == "https://us.acme.example/company/12/"
    assert here.account is not None
    assert here.account.url == "https://us.acme.example/me"
    plain = connection(api_base="https://a.example/{realm}/")
    assert located(plain, {"realm": "12"}) is plain


def test_whom_the_redirect_names_is_part_of_whose_account_it_is() -> None:
    ada = Identity("7", "ada@a.example")
    assert joined(ada, {"realm": "12"}) == Identity("7:12", "ada@a.example · 12")
    assert joined(ada, {}) == ada
    assert joined(Identity(None, "Ada"), {"realm": "12"}).id is None
    assert joined(Identity("x" * 250), {"realm": "1" * 20}).id is None, "never shortened"


KEY = Field(name="key", title="API key", secret=True, pattern="^sk_[a-z0-9]+$")
NAME = Field(name="email", title="E-mail address", pattern="^[^@]+@[^@]+$")


@pytest.mark.parametrize(
    ("entry", "change", "path", "words"),
    [
        (SHOP, {"parameters": {}}, ("parameters",), "shop needs `shop`, such as acme.shop.example: Whose."),
        (SHOP, {"parameters": {"shop": "evil.example"}}, ("parameters", "shop"), "is no shop of shop"),
        (SHOP, {"parameters": {"shop": "a.shop.example\n"}}, ("parameters", "shop"), "is no shop of shop"),
        (SHOP, {"parameters": {"shop": "a.shop.example", "x": "y"}}, ("parameters", "x"), "no parameter 'x'; it has shop"),
        (SHOP, {"scopes": None}, (), "the usual ones of shop are read, write"),
        (SHOP, {"scopes": ("read", "offline")}, ("scopes",), "asked for by itself and never lent"),
        (SHOP, {"client_id": None}, (), "needs `client`"),
        (SHOP, {"client_secret": None}, ("client",), "give `secret`"),
        (SHOP, {"use": ("authentication",)}, ("use",), "kind oidc"),
        (SHOP, {"fields": (KEY,)}, ("fields",), "people type nothing"),
        (bare("oauth2"), {"parameters": {}}, (), "needs `authorization_endpoint`"),
        (bare("oidc"), {"parameters": {}}, (), "needs `issuer`"),
        (bare("oidc"), {"parameters": {}, "issuer": "https://a", "revoke": "post_bearer"}, ("revoke",), "revocation_endpoint"),
        (bare("oidc"), {"parameters": {}, "issuer": "https://a", "account": AccountLookup(id="x")}, ("account",), "give `url`"),
        (bare("api_key"), {"parameters": {}, "api_base": "https://a/"}, (), "needs `fields`"),
        (bare("api_key"), {"parameters": {}, "fields": (KEY,)}, (), "needs `api_base`"),
        (bare("api_key"), {"parameters": {}, "fields": (KEY, NAME)}, ("fields",), "one field"),
        (bare("basic"), {"parameters": {}, "fields": (NAME,)}, ("fields",), "none of them is secret"),
        (bare("basic"), {"parameters": {}, "fields": (Field(name="a", title="A", pattern="("),)}, ("fields", 0, "pattern"), "("),
        (bare("basic"), {"parameters": {}, "fields": (KEY,), "credential": Credential(username="{mail}")}, ("credential",), "mail"),
        (SHOP, {"api_hosts": ("a.example/evil",)}, ("api_hosts", 0), "not a host name"),
        (SHOP, {"api_headers": {"X: y": "1"}}, ("api_headers",), "no header"),
        (SHOP, {"api_headers": {"Authorization": "1"}}, ("api_headers",), "no header"),
        (SHOP, {"api_headers": {"X-A": "1\r\n"}}, ("api_headers",), "not plain text"),
        (SHOP, {"credential": Credential(header="Host")}, ("credential",), "no header"),
        (SHOP, {"scope_parameter": "state"}, ("scope_parameter",), "`scope` or `user_scope`"),
        (SHOP, {"scope_prefix": "https://s/", "scopes": ("https://s/read",)}, ("scopes",), "write 'https://s/read' as 'read'"),
        (SHOP, {"token_params": {"code": "x"}}, ("token_params", "code"), "ours to set"),
        (SHOP, {"refresh_params": {"scope": "x"}}, ("refresh_params", "scope"), "ours to set"),
        (SHOP, {"api_base": "https://{realm}/"}, ("api_base",), "nothing says what {realm}"),
        (SHOP, {"account_values": {"realm": REALM}}, ("account_values", "realm"), "stands neither"),
        (SHOP, SIGN | {"account": AccountLookup(id="id", source="answer")}, ("account_values", "site", "from"), "token answer"),
        (SHOP, SIGN | {"account": AccountLookup(id="id", url="https://{site}/me")}, ("account_values", "site", "from"),
         "whose answer"),
        (structs.replace(SHOP, account=None), SIGN | {"userinfo_endpoint": None}, ("account_values", "site", "from"),
         "nothing asks"),
        (SHOP, {"account_values": {"realm": structs.replace(REALM, pattern="(")}, "api_base": "https://{realm}/"},
         ("account_values", "realm", "pattern"), "not a regular expression"),
        (SHOP, {"account_values": {"realm": structs.replace(REALM, example="x")}, "api_base": "https://{realm}/"},
         ("account_values", "realm", "example"), "does not fit"),
        (SHOP, {"lifetime": -5}, ("lifetime",), "at least 60"),
        (bare("api_key"), {"parameters": {}, "fields": (KEY,), "account": AccountLookup(id="x", source="answer")},
         ("account", "from"), "no token answer"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where(
    entry: Provider, change: dict[str, Any], path: tuple[Any, ...], words: str
) -> None:
    written = {name: value for name, value in (WRITTEN | change).items() if value is not None}
    assert any(where == path and words in text for where, text in problems(entry, written)), [*problems(entry, written)]


def entries() -> list[tuple[Provider, Connection]]:
    resolved = []
    for entry in providers().values():
        written = {
            "name": "c", "provider": entry.name, "scopes": tuple(entry.scopes)[:2],
            "parameters": {name: one.example for name, one in entry.parameters.items()},
        }  # fmt: skip
        if not entry.fields:
            written |= {"client_id": "remit & co", "client_secret": "hush"}
        assert list(problems(entry, written)) == [], entry.name
        resolved.append((entry, resolve(entry, written)))
    return resolved


@pytest.mark.parametrize(
    ("entry", "connection"), [pytest.param(*pair, id=pair[0].name) for pair in entries() if not pair[0].fields]
)
def test_every_entry_makes_a_correct_authorization_url(entry: Provider, connection: Connection) -> None:
    if not connection.authorization_endpoint:
        assert connection.kind == "oidc", "discovery knows it"
        return
    attempt = ConnectAttempt(ticket="t", user_id="u", connection="c", scopes=connection.scopes)
    sent = urlsplit(
        authorization_url(connection, attempt, redirect_uri="https://us.example/cb?x=1", state="s&t", challenge="ch")
    )
    assert sent.scheme == "https"
    assert "{" not in sent.geturl()
    asked = parse_qs(sent.query, strict_parsing=True)
    assert all(len(values) == 1 for values in asked.values())
    one = {name: values[0] for name, values in asked.items()}
    assert (one["client_id"], one["redirect_uri"], one["state"]) == ("remit & co", "https://us.example/cb?x=1", "s&t")
    assert one["response_type"] == "code"
    assert ("code_challenge" in one) == (entry.pkce == "S256")
    scopes = one.get(entry.scope_parameter, "").split(entry.scope_separator)
    assert set(scopes) - {""} == {*connection.scopes, *entry.offline_scopes, *entry.account_scopes}
    assert {name: one[name] for name in entry.authorization_params} == connection.authorization_params


def test_an_app_cannot_ask_for_scopes_by_the_other_name() -> None:
    app = Client(id="a", name="A", kind="web", redirect_uris=("https://a.example/cb",))
    body = {
        "connection": "c", "redirect_uri": "https://a.example/cb", "code_challenge": "c" * 43, "code_challenge_method": "S256",
        "authorization_params": {"user_scope": "admin"},
    }  # fmt: skip
    with pytest.raises(InvalidRequest):
        wish(body, app)


@pytest.mark.parametrize(
    "connection", [pytest.param(found, id=entry.name) for entry, found in entries() if entry.fields]
)
def test_every_key_can_be_typed_and_attached(connection: Connection) -> None:
    assert set(misread(connection, {})) == {one.name for one in connection.fields}
    typed = {one.name: f"value-of-{one.name}" for one in connection.fields}
    attached = attach(connection, typed)
    (value,) = (*attached.headers.values(), *attached.query.values())
    text = pair(connection, typed) if connection.kind == "basic" else value
    assert all(value in text for value in typed.values())
    assert "{" not in text


def connection(**members: Any) -> Connection:
    return Connection(name="c", provider="oauth2", scopes=("a", "b"), **members)


SLACK = AnswerPaths(
    access_token="authed_user.access_token", refresh_token="authed_user.refresh_token", scope="authed_user.scope",
    expires_in="authed_user.expires_in", ok="ok",
)  # fmt: skip
PERSON = {"id": "U1", "access_token": "xoxp", "refresh_token": "xoxe", "scope": "a,b", "expires_in": 43200}
BOTH = AccountLookup(id=("team.id", "authed_user.id"), label=("team.name",), source="answer")


def read(connection: Connection, members: dict[str, Any], status: int = 200, **more: Any) -> Any:
    return read_reply(connection, status, members, asked=("a",), now=1000, **more)


def test_an_answer_is_read_where_the_provider_writes_it() -> None:
    slack = connection(answer=SLACK, refresh_answer=AnswerPaths(ok="ok"), scope_separator=",", account=BOTH)
    said = {"ok": True, "access_token": "bot", "authed_user": PERSON, "team": {"id": "T1", "name": "Acme"}}
    assert read(slack, said) == Issued(
        access_token="xoxp", refresh_token="xoxe", scopes=("a", "b"), issued_at=1000, expires_at=44200,
        whose=Identity("T1:U1", "Acme"),
    )  # fmt: skip
    again = read(
        slack, {"ok": True, "access_token": "xoxp2", "refresh_token": "xoxe2", "expires_in": 60}, refreshing=True
    )
    assert (again.access_token, again.refresh_token, again.expires_at, again.whose.id) == ("xoxp2", "xoxe2", 1060, None)
    assert isinstance(read(slack, {"ok": True, "access_token": "bot"}), Later), "the bot's token is not the person's"


@pytest.mark.parametrize("ok", [False, None, "true", 1, {}, []])
def test_an_answer_that_is_not_ok_is_an_error(ok: Any) -> None:
    assert isinstance(read(connection(answer=SLACK), {"ok": ok, "authed_user": PERSON}), Later)


@pytest.mark.parametrize(
    ("members", "said", "scopes"),
    [
        ({}, "a b", ("a", "b")), ({"scope_separator": ","}, "a,b", ("a", "b")), ({"scope_separator": ","}, "a b", ("a", "b")),
        ({}, ["a", "b", 7], ("a", "b")), ({}, None, ("a",)), ({}, 7, ("a",)),
        ({"scope_prefix": "https://g/"}, "https://g/a b https://h/c", ("a", "b", "https://h/c")),
        ({"scope_prefix": "https://g/", "offline_scopes": ("offline",)}, "https://g/a https://g/offline https://g/", ("a",)),
        ({"offline_scopes": ("offline",), "account_scopes": ("openid", "b")}, "a b offline openid extra", ("a", "b", "extra")),
    ],
)  # fmt: skip
def test_scopes_of_an_answer(members: dict[str, Any], said: Any, scopes: tuple[str, ...]) -> None:
    """What is asked for beside is not lent; what the provider adds by itself stays, and makes the token too wide."""
    assert read(connection(**members), {"access_token": "t", "scope": said}).scopes == scopes


@pytest.mark.parametrize(
    ("members", "said", "expires_at"),
    [
        ({}, 60, 1060), ({}, None, None), ({"lifetime": 600}, None, 1600), ({"lifetime": 600}, 60, 1060),
        ({"lifetime": 600}, 0, 1600), ({"never_expires": True}, 60, None), ({"lifetime": 600}, "soon", 1600),
    ],
)  # fmt: skip
def test_lifetimes(members: dict[str, Any], said: Any, expires_at: int | None) -> None:
    assert read(connection(**members), {"access_token": "t", "expires_in": said}).expires_at == expires_at


ENDS = AnswerPaths(expires_at="ends")


@pytest.mark.parametrize(
    ("ends", "expires_at"),
    [
        ("1970-01-01T00:30:00Z", 1800), ("1970-01-01T01:30:00+01:00", 1800), (1800, 1800), ("1800", 1800), (999, 1600),
        ("1970-01-01T00:30:00", 1600), ("1970-01-01T00:10:00Z", 1600), ("soon", 1600), (None, 1600), (10**12, 1600),
        ("9" * 5000, 1600), ({"a": 1}, 1600), (True, 1600),
    ],
    ids=str,
)  # fmt: skip
def test_an_end_instead_of_a_lifetime(ends: Any, expires_at: int) -> None:
    square = connection(answer=ENDS, lifetime=600)
    assert read(square, {"access_token": "t", "ends": ends}).expires_at == expires_at
    assert read(square, {"access_token": "t", "ends": ends, "expires_in": 60}).expires_at == 1060
    assert read(structs.replace(square, never_expires=True), {"access_token": "t", "ends": ends}).expires_at is None


def jwt(claims: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(
    ("token", "expires_at"),
    [
        (jwt(b'{"exp":1800,"sub":"ada"}'), 1800), (jwt(b'{"exp":1800.5}'), 1800), (jwt(b'{"exp":900}'), None),
        (jwt(b'{"exp":"1800"}'), None), (jwt(b'{"exp":true}'), None), (jwt(b"{}"), None), (jwt(b"[1800]"), None),
        (jwt(b'{"exp":1e300}'), None), (jwt(b'{"a":' + b"[" * 9000), None), ("opaque", None), ("a.b", None), ("a.%.c", None),
        ("a.é.c", None),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_token_that_says_itself_when_it_ends(token: str, expires_at: int | None) -> None:
    monday = connection(jwt_lifetime=True)
    assert read(monday, {"access_token": token}).expires_at == expires_at
    assert read(monday, {"access_token": token, "expires_in": 60}).expires_at == 1060
    assert read(connection(), {"access_token": token}).expires_at is None, "who does not say so is not looked into"


def test_a_provider_without_refresh_tokens_gives_none() -> None:
    said = {"access_token": "t", "refresh_token": "r"}
    assert read(connection(refresh="none"), said).refresh_token is None
    assert read(connection(refresh="stays"), said).refresh_token == "r"


@pytest.mark.parametrize(
    ("members", "status", "said", "outcome"),
    [
        ({}, 400, {"error": "bad_refresh_token"}, Later),
        ({"refresh_errors": ("bad_refresh_token",)}, 200, {"error": "bad_refresh_token"}, Withdrawn),
        ({"refresh_errors": ("token_revoked",)}, 200, {"ok": False, "error": "token_revoked"}, Withdrawn),
        ({"refresh_errors": ("BAD",), "answer": AnswerPaths(error="status")}, 400, {"status": "BAD"}, Withdrawn),
        ({"refresh_errors": ("BAD",), "answer": AnswerPaths(error="status")}, 200, {"status": "BAD", "access_token": "t"}, Issued),
        ({"refresh_errors": ("BAD",)}, 500, {"error": "BAD"}, Later),
        ({}, 400, {"error": {"code": "invalid_grant"}}, Later),
        ({}, 400, {"error": ["invalid_grant"]}, Later),
        ({}, 200, {"error": "x", "access_token": "t"}, Later),
        ({}, 302, {"access_token": "t"}, Later),
        ({}, 201, {"access_token": "t"}, Issued),
    ],
)  # fmt: skip
def test_errors(members: dict[str, Any], status: int, said: dict[str, Any], outcome: type[Any]) -> None:
    assert isinstance(read(connection(**members), said, status), outcome)


def nested(depth: int) -> Any:
    value: Any = "t"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "token", [None, 7, True, "", [], {}, ["t"], {"access_token": "t"}, "t" * 20_000, "t\r\nX: y", "t\x00", nested(500)]
)
def test_a_token_is_a_text_of_bounded_length(token: Any) -> None:
    outcome = read(
        connection(), {"access_token": token, "refresh_token": "r", "scope": nested(300), "expires_in": nested(9)}
    )
    assert isinstance(outcome, Later)
    assert "t" * 100 not in outcome.why


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b", 1), ("a", {"b": 1}), ("a.c", None), ("a.b.c", None), ("l.0.x", 2), ("l.1.x", None), ("l.-1", None),
     ("l.99999999", None), ("t.0", None), ("", None)],
)  # fmt: skip
def test_paths(path: str, value: Any) -> None:
    assert at({"a": {"b": 1}, "l": [{"x": 2}], "t": "text"}, path) == value


@pytest.mark.parametrize(
    ("said", "whose"),
    [
        ({"id": "7", "email": "a@b.c"}, Identity("7", "a@b.c")), ({"id": 7, "name": "Ada"}, Identity("7", "Ada")),
        ({"id": 7, "email": None, "name": "Ada"}, Identity("7", "Ada")), ({"id": True}, Identity()),
        ({"id": ""}, Identity()), ({"id": "x" * 256}, Identity()), ({"id": {"a": 1}}, Identity()), ({"id": 1.5}, Identity()),
        ({"id": "a\nb"}, Identity()), ({"id": 10**40}, Identity()), ({"id": "7", "email": "x" * 300}, Identity("7")),
        ({}, Identity()),
    ],
)  # fmt: skip
def test_whose_account_it_is(said: dict[str, Any], whose: Identity) -> None:
    assert identity(AccountLookup(id="id", label=("email", "name")), said) == whose


def test_an_id_of_two_parts_needs_both() -> None:
    assert identity(BOTH, {"team": {"id": "T1"}, "authed_user": {}}).id is None
    assert identity(BOTH, {"authed_user": {"id": "U1"}}).id is None


def basic(**members: Any) -> Connection:
    secret = Field(name="token", title="API token", secret=True)
    return Connection(name="c", provider="basic", kind="basic", fields=(NAME, secret), **members)


def pair(connection: Connection, typed: dict[str, str]) -> str:
    scheme, _, value = attach(connection, typed).headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(value).decode()


def test_credentials_are_attached_as_the_provider_wants_them() -> None:
    assert attach(connection(), "tok").headers == {"Authorization": "Bearer tok"}
    keyed = {"kind": "api_key", "fields": (KEY,)}
    assert attach(connection(**keyed), {"key": "sk_1"}).headers == {"Authorization": "Bearer sk_1"}
    own = Credential(header="X-Api-Key", prefix="")
    assert attach(connection(**keyed, credential=own), {"key": "sk_1"}).headers == {"X-Api-Key": "sk_1"}
    query = attach(connection(**keyed, credential=Credential(query="key")), {"key": "sk_1"})
    assert (query.headers, query.query, repr(query)) == ({}, {"key": "sk_1"}, "Attached()")
    typed = {"email": "ada@a.example", "token": "{email}:tök"}
    assert pair(basic(), typed) == "ada@a.example:{email}:tök", "what was typed is never filled in again"
    assert pair(basic(credential=Credential(username="{email}/token")), typed).startswith("ada@a.example/token:")
    alone = Connection(name="c", provider="basic", kind="basic", fields=(KEY,))
    assert pair(alone, {"key": "sk_1"}) == "sk_1:"
    swapped = Credential(username="x", password="{key}")
    assert (
        pair(Connection(name="c", provider="p", kind="basic", fields=(KEY,), credential=swapped), {"key": "k"}) == "x:k"
    )


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"email": "a@b", "token": "t"}, set()), ({}, {"email", "token"}), ({"email": "a@b", "token": ""}, {"token"}),
        ({"email": "ada", "token": "t"}, {"email"}), ({"email": "a:b@c", "token": "t:u"}, {"email"}),
        ({"email": "a@b", "token": "t\r\nX: y"}, {"token"}), ({"email": "a@b\n", "token": "t"}, {"email"}),
        ({"email": "a@b", "token": "t" * 5000}, {"token"}),
    ],
)  # fmt: skip
def test_what_a_person_types(typed: dict[str, str], wrong: set[str]) -> None:
    found = misread(basic(), typed)
    assert set(found) == wrong
    assert not any(value in text for value in typed.values() if len(value) > 3 for text in found.values())


def test_a_label_gives_little_of_a_key_away() -> None:
    assert label_of(basic(), {"email": "a@b", "token": "t"}) == "a@b"
    keyed = connection(kind="api_key", fields=(KEY,))
    assert label_of(keyed, {"key": "sk_" + "a" * 20 + "wxyz"}) == "…wxyz"
    assert label_of(keyed, {"key": "sk_short"}) is None

"""Each way in which providers differ, against a provider over HTTP that insists on it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from tests.fixtures.browser import forms
from tests.fixtures.house import House, built, sqlite
from tests.fixtures.quirks import Quirky, quirky
from tests.ledger import proves

from remit_server.records import ConnectAttempt, ConnectedAccount, Connection, ProxyRule
from remit_server.records.provider import AccountLookup, AccountValue, AnswerPaths, Credential, Field
from remit_server.rules.connection import Issued, Later, Withdrawn, home_of
from remit_server.rules.providers import Identity
from remit_server.runtime.outbound import OutboundRefused
from remit_server.vault import upstream

TOKEN = {"access_token": "at", "refresh_token": "rt", "token_type": "bearer", "expires_in": 60, "scope": "a b"}
ATTEMPT = ConnectAttempt(ticket="t", user_id="u", connection="c", upstream_verifier="the verifier", scopes=("a", "b"))
CALLBACK = "https://us.example/connect/callback/c"


@pytest.fixture(scope="module")
def serving() -> Iterator[Quirky]:
    with quirky() as provider:
        yield provider


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with built(sqlite(tmp_path_factory.mktemp("quirks"))) as house:
        yield house


@pytest.fixture
def house(running: House) -> House:
    """Another hour: what an earlier test was told is forgotten."""
    running.clock.forward(3600)
    return running


@pytest.fixture
def provider(serving: Quirky) -> Quirky:
    serving.answers.clear()
    serving.asked.clear()
    serving.says("POST /token", TOKEN)
    return serving


def connection(provider: Quirky, **members: Any) -> Connection:
    return Connection(**{
        "name": "c", "provider": "oauth2", "client_id": "re mit", "client_secret": "s:cret", "scopes": ("a", "b"),
        "authorization_endpoint": f"{provider.url}/authorize", "token_endpoint": f"{provider.url}/token", **members,
    })  # fmt: skip


def basic_of(header: str) -> str:
    scheme, _, value = header.partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(value).decode()


async def redeem(house: House, found: Connection) -> Any:
    return await upstream.redeem(house.machines, found, ATTEMPT, "the code", CALLBACK)


async def refresh(house: House, found: Connection, asked: tuple[str, ...] = ()) -> Any:
    return await upstream.refresh(house.machines, found, "rt", ("a", "b"), asked)


async def test_a_token_request_by_the_book(house: House, provider: Quirky) -> None:
    outcome = await redeem(house, connection(provider, api_headers={"Accept": "application/vnd.api+json"}))
    assert isinstance(outcome, Issued)
    assert provider.last.form == {
        "grant_type": "authorization_code", "code": "the code", "redirect_uri": CALLBACK, "code_verifier": "the verifier",
    }  # fmt: skip
    assert provider.last.headers["accept"] == "application/json", "what the API needs is for the API"
    assert basic_of(provider.last.headers["authorization"]) == "re+mit:s%3Acret"


async def test_a_token_request_as_json(house: House, provider: Quirky) -> None:
    await redeem(house, connection(provider, token_request="json"))
    assert provider.last.headers["content-type"] == "application/json"
    assert provider.last.json["code"] == "the code"
    assert "client_secret" not in provider.last.json, "it is in the header"
    await refresh(house, connection(provider, token_request="json", auth_method="client_secret_post"))
    assert provider.last.json == {
        "grant_type": "refresh_token", "refresh_token": "rt", "client_id": "re mit", "client_secret": "s:cret",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "secret", "sent"),
    [
        ("client_secret_post", "s:cret", {"client_id": "re mit", "client_secret": "s:cret"}),
        ("none", None, {"client_id": "re mit"}),
    ],
)
async def test_how_our_client_authenticates(
    house: House, provider: Quirky, method: Any, secret: str | None, sent: dict[str, str]
) -> None:
    await redeem(house, connection(provider, auth_method=method, client_secret=secret))
    assert "authorization" not in provider.last.headers
    assert {name: value for name, value in provider.last.form.items() if name.startswith("client")} == sent


async def test_a_provider_without_pkce_sees_no_verifier(house: House, provider: Quirky) -> None:
    await redeem(house, connection(provider, pkce="none"))
    assert "code_verifier" not in provider.last.form


async def test_further_members_of_the_token_request(house: House, provider: Quirky) -> None:
    desk = connection(provider, token_params={"expires_in": 7200, "expiring": "1"}, refresh_params={"expires_in": 60})
    await redeem(house, desk)
    assert (provider.last.form["expires_in"], provider.last.form["expiring"]) == ("7200", "1")
    await refresh(house, desk)
    assert (provider.last.form["expires_in"], "expiring" in provider.last.form) == ("60", False)
    await redeem(house, msgspec.structs.replace(desk, token_request="json"))
    assert provider.last.json["expires_in"] == 7200, "a number stays one"
    await redeem(house, msgspec.structs.replace(desk, token_params={"code": "another", "grant_type": "password"}))
    assert (provider.last.form["code"], provider.last.form["grant_type"]) == ("the code", "authorization_code")


async def test_an_end_and_a_spelling_of_its_own(house: House, provider: Quirky) -> None:
    ends = house.clock.now() + 1234
    provider.says("POST /token", {"access_token": "at", "ends": ends, "scope": "https://graph.example/a b"})
    found = connection(provider, answer=AnswerPaths(expires_at="ends"), scope_prefix="https://graph.example/")
    outcome = await redeem(house, found)
    assert (outcome.scopes, outcome.expires_at) == (("a", "b"), ends)


async def test_refreshing_elsewhere(house: House, provider: Quirky) -> None:
    provider.says("POST /refresh", TOKEN)
    await refresh(house, connection(provider, refresh_endpoint=f"{provider.url}/refresh"))
    assert provider.last.path == "/refresh"
    await redeem(house, connection(provider, refresh_endpoint=f"{provider.url}/refresh"))
    assert provider.last.path == "/token"


async def test_fewer_scopes_are_asked_for_in_the_providers_spelling(house: House, provider: Quirky) -> None:
    await refresh(house, connection(provider, scope_separator=",", offline_scopes=("offline",)), ("a", "b"))
    assert provider.last.form["scope"] == "a,b,offline", "without it, some would give no next refresh token"
    await refresh(house, connection(provider, offline_scopes=("offline",)))
    assert "scope" not in provider.last.form, "all that was granted is asked for by silence"


async def test_an_answer_within_an_answer(house: House, provider: Quirky) -> None:
    paths = AnswerPaths(access_token="authed_user.access_token", scope="authed_user.scope", ok="ok")
    found = connection(provider, answer=paths, scope_separator=",")
    provider.says(
        "POST /token", {"ok": True, "access_token": "bot", "authed_user": {"access_token": "at", "scope": "a,b"}}
    )
    outcome = await redeem(house, found)
    assert (outcome.access_token, outcome.scopes) == ("at", ("a", "b"))
    provider.says("POST /token", {"ok": False, "error": "bad_code", "authed_user": {"access_token": "at"}})
    assert isinstance(await redeem(house, found), Later)


async def test_a_grant_that_is_gone_by_another_word(house: House, provider: Quirky) -> None:
    provider.says("POST /token", {"error": "bad_refresh_token"})
    assert isinstance(await refresh(house, connection(provider)), Later)
    assert await refresh(house, connection(provider, refresh_errors=("bad_refresh_token",))) == Withdrawn(
        error="bad_refresh_token"
    )


HOSTILE: list[Any] = [
    b"", b"null", b"[]", b"at", b'{"access_token":', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"{}", b"x" * 600_000,
    {"access_token": {"a": 1}}, {"access_token": ["at"]}, {"access_token": 7}, {"access_token": "a" * 20_000},
    {"access_token": "a\r\nSet-Cookie: x"}, {"error": {"code": ["x"]}}, {"access_token": None, "error": 7},
]  # fmt: skip


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: str(answer)[:30])
@pytest.mark.parametrize("status", [200, 400])
async def test_no_answer_of_a_token_endpoint_breaks_anything(
    house: House, provider: Quirky, status: int, answer: Any
) -> None:
    provider.says("POST /token", answer, status)
    outcome = await refresh(house, connection(provider))
    assert isinstance(outcome, Later)
    assert len(outcome.why) < 200


# Taking back


ACCOUNT = ConnectedAccount(id="1", user_id="u", connection="c", access_token="at/1", refresh_token="rt/1?x")


def at(connection: Connection, account: ConnectedAccount = ACCOUNT) -> ConnectedAccount:
    """The account, connected there."""
    return msgspec.structs.replace(account, home=home_of(connection))


async def test_revoking_by_the_book(house: House, provider: Quirky) -> None:
    provider.says("POST /revoke", b"")
    found = connection(provider, revocation_endpoint=f"{provider.url}/revoke")
    assert await upstream.revoke(house.machines, found, at(found))
    assert provider.last.form == {"token": "rt/1?x", "token_type_hint": "refresh_token"}
    assert basic_of(provider.last.headers["authorization"]) == "re+mit:s%3Acret"


async def test_revoking_with_the_token_in_the_path(house: House, provider: Quirky) -> None:
    provider.says("DELETE /tokens/rt%2F1%3Fx", b"", 204)
    found = connection(
        provider, revocation_endpoint=provider.url + "/tokens/{token}", revoke="delete_token_in_path"
    )  # fmt: skip
    assert await upstream.revoke(house.machines, found, at(found)), provider.last


@pytest.mark.parametrize(("way", "method"), [("post_bearer", "POST"), ("delete_bearer", "DELETE")])
async def test_revoking_with_the_token_itself(house: House, provider: Quirky, way: Any, method: str) -> None:
    provider.says(f"{method} /revoke", b"null")
    found = connection(provider, revocation_endpoint=f"{provider.url}/revoke", revoke=way)
    assert await upstream.revoke(house.machines, found, at(found))
    assert (provider.last.headers["authorization"], provider.last.body) == ("Bearer at/1", b"")
    own = connection(
        provider, revocation_endpoint=f"{provider.url}/revoke", revoke=way, credential=Credential(header="X-Token", prefix="")
    )  # fmt: skip
    assert await upstream.revoke(house.machines, own, at(own))
    assert provider.last.headers["x-token"] == "at/1"


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
@pytest.mark.parametrize(
    ("way", "sent"),
    [("rfc7009_basic", {"token": "rt/1?x", "token_type_hint": "refresh_token"}), ("rfc7009_json", {"token": "rt/1?x"})],
)
async def test_revoking_with_basic_whatever_the_token_endpoint_takes(
    house: House, provider: Quirky, method: Any, way: Any, sent: dict[str, str]
) -> None:
    provider.says("POST /revoke", b"")
    found = connection(provider, revocation_endpoint=f"{provider.url}/revoke", revoke=way, auth_method=method)
    assert await upstream.revoke(house.machines, found, at(found))
    assert (provider.last.json if way == "rfc7009_json" else provider.last.form) == sent
    assert basic_of(provider.last.headers["authorization"]) == "re+mit:s%3Acret"


async def test_revoking_with_the_token_itself_and_once_more_in_a_form(house: House, provider: Quirky) -> None:
    provider.says("POST /revoke", {})
    found = connection(provider, revocation_endpoint=f"{provider.url}/revoke", revoke="post_bearer_token")
    assert await upstream.revoke(house.machines, found, at(found))
    assert (provider.last.headers["authorization"], provider.last.form) == ("Bearer at/1", {"token": "at/1"})


async def test_revoking_as_square_wants_it(house: House, provider: Quirky) -> None:
    provider.says("POST /revoke", {"success": True})
    found = connection(provider, revocation_endpoint=f"{provider.url}/revoke", revoke="square_client")
    assert await upstream.revoke(house.machines, found, at(found))
    assert provider.last.headers["authorization"] == "Client s:cret"
    assert provider.last.json == {"client_id": "re mit", "access_token": "at/1"}


async def test_revoking_a_github_grant(house: House, provider: Quirky) -> None:
    provider.says("DELETE /applications/re%20mit/grant", b"", 204)
    found = connection(
        provider, revocation_endpoint=provider.url + "/applications/{client_id}/grant", revoke="github_grant",
        auth_method="client_secret_post", api_headers={"X-Version": "1"},
    )  # fmt: skip
    assert await upstream.revoke(house.machines, found, at(found))
    assert provider.last.json == {"access_token": "at/1"}
    assert basic_of(provider.last.headers["authorization"]) == "re+mit:s%3Acret"
    assert provider.last.headers["x-version"] == "1"


@pytest.mark.parametrize(
    ("answer", "status", "confirmed"),
    [
        (b"", 200, True), ({"ok": True, "revoked": True}, 200, True), ({"ok": False, "error": "x"}, 200, False),
        ({"error": "x"}, 200, False), (b"", 400, False), (b"", 302, False), (b"", 500, False), (b"[]", 200, True),
    ],
)  # fmt: skip
async def test_whether_a_provider_confirmed(
    house: House, provider: Quirky, answer: Any, status: int, confirmed: bool
) -> None:
    provider.says("POST /revoke", answer, status)
    found = connection(provider, revocation_endpoint=f"{provider.url}/revoke")
    assert await upstream.revoke(house.machines, found, at(found)) is confirmed


async def test_where_nothing_can_be_revoked_nothing_is_asked(house: House, provider: Quirky) -> None:
    there = f"{provider.url}/revoke"
    assert not await upstream.revoke(house.machines, (found := connection(provider)), at(found))
    found = connection(provider, revoke="none", revocation_endpoint=there)
    assert not await upstream.revoke(house.machines, found, at(found))
    only = ConnectedAccount(id="1", user_id="u", connection="c", refresh_token="rt")
    for way in ("post_bearer", "post_bearer_token", "delete_bearer", "github_grant", "square_client"):
        found = connection(provider, revoke=way, revocation_endpoint=there)
        assert not await upstream.revoke(house.machines, found, at(found, only))
    assert provider.asked == []


# Whose account it is


def lookup(provider: Quirky, **members: Any) -> AccountLookup:
    return AccountLookup(**{"id": "id", "label": ("email", "name"), "url": f"{provider.url}/me", **members})


async def test_asking_with_the_headers_that_the_api_needs(house: House, provider: Quirky) -> None:
    provider.says("GET /me", {"id": 42, "name": "Ada"})
    found = connection(
        provider, account=lookup(provider, headers={"X-Lookup": "1"}), api_headers={"Notion-Version": "2022-06-28"}
    )  # fmt: skip
    assert await upstream.identity(house.machines, found, "at") == Identity("42", "Ada")
    sent = provider.last.headers
    assert (sent["authorization"], sent["notion-version"], sent["x-lookup"]) == ("Bearer at", "2022-06-28", "1")


async def test_asking_by_graphql(house: House, provider: Quirky) -> None:
    query = '{"query":"{ viewer { id email } }"}'
    found = connection(
        provider, account=lookup(provider, method="POST", body=query, id="data.viewer.id", label="data.viewer.email")
    )  # fmt: skip
    provider.says("POST /me", {"data": {"viewer": {"id": "u1", "email": "ada@a.example"}}})
    assert await upstream.identity(house.machines, found, "at") == Identity("u1", "ada@a.example")
    assert (provider.last.body.decode(), provider.last.headers["content-type"]) == (query, "application/json")
    provider.says("POST /me", {"errors": [{"message": "no"}], "data": None})
    with pytest.raises(OutboundRefused):
        await upstream.identity(house.machines, found, "at")


async def test_reading_it_from_the_token_answer(house: House, provider: Quirky) -> None:
    whose = AccountLookup(id=("team.id", "user.id"), label="team.name", source="answer")
    found = connection(provider, account=whose)
    provider.says("POST /token", {**TOKEN, "team": {"id": "T1", "name": "Acme"}, "user": {"id": "U1"}})
    outcome = await redeem(house, found)
    assert await upstream.identity(house.machines, found, "at", outcome.whose) == Identity("T1:U1", "Acme")
    assert [asked.path for asked in provider.asked] == ["/token"], "nothing was asked"
    provider.says("POST /token", TOKEN)
    outcome = await redeem(house, found)
    with pytest.raises(OutboundRefused):
        await upstream.identity(house.machines, found, "at", outcome.whose)


async def test_userinfo(house: House, provider: Quirky) -> None:
    found = connection(provider, userinfo_endpoint=f"{provider.url}/userinfo")
    provider.says("GET /userinfo", {"sub": "s1", "email": "ada@a.example", "name": "Ada"})
    assert await upstream.identity(house.machines, found, "at") == Identity("s1", "ada@a.example")
    assert await upstream.identity(house.machines, connection(provider), "at") == Identity(), "nobody to ask"


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"id": "1"}, 401), ({"id": "1"}, 302), ({}, 200), ({"id": ["1"]}, 200), (b"[]", 200), (b"[" * 100_000, 200)],
    ids=str,
)
async def test_an_account_of_nobody_is_refused(house: House, provider: Quirky, answer: Any, status: int) -> None:
    provider.says("GET /me", answer, status)
    with pytest.raises(OutboundRefused):
        await upstream.identity(house.machines, connection(provider, account=lookup(provider)), "at")


async def test_a_key_is_tried_as_it_is_used(house: House, provider: Quirky) -> None:
    provider.says("GET /me", {"id": "1"})
    key = Field(name="key", title="Key", secret=True)
    keyed = {"kind": "api_key", "fields": (key,), "account": lookup(provider)}
    await upstream.identity(
        house.machines, connection(provider, **keyed, credential=Credential(query="k")), {"key": "s&c"}
    )
    assert provider.last.query == {"k": "s&c"}
    assert "authorization" not in provider.last.headers
    two = (Field(name="email", title="E-mail"), key)
    found = connection(provider, kind="basic", fields=two, account=lookup(provider))
    await upstream.identity(house.machines, found, {"email": "a@b", "key": "k"})
    assert basic_of(provider.last.headers["authorization"]) == "a@b:k"


# Discovery


@pytest.fixture
def oidc(provider: Quirky) -> Connection:
    return Connection(
        name="c", provider="oidc", kind="oidc", issuer=provider.url, client_id="remit", client_secret="s", scopes=("a", "b")
    )  # fmt: skip


WELL_KNOWN = "GET /.well-known/openid-configuration"


def document(provider: Quirky, **members: Any) -> dict[str, Any]:
    names = ("authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint", "jwks_uri")
    return {"issuer": provider.url, **{name: f"{provider.url}/{name}" for name in names}, **members}


@proves("vault.discovered-by-issuer")
async def test_an_issuer_alone_is_enough(house: House, provider: Quirky, oidc: Connection) -> None:
    provider.says(WELL_KNOWN, document(provider))
    provider.says("POST /token_endpoint", TOKEN)
    provider.says("GET /userinfo_endpoint", {"sub": "s1"})
    provider.says("POST /revocation_endpoint", b"")
    whole = await upstream.complete(house.machines, oidc)
    assert whole.authorization_endpoint == f"{provider.url}/authorization_endpoint"
    assert isinstance(await redeem(house, oidc), Issued)
    assert (await upstream.identity(house.machines, oidc, "at")).id == "s1"
    assert await upstream.revoke(house.machines, oidc, at(oidc))
    assert sum(asked.path.startswith("/.well-known") for asked in provider.asked) == 1, "it is kept"
    house.clock.forward(301)
    await upstream.complete(house.machines, oidc)
    assert provider.last.path.startswith("/.well-known")


async def test_what_the_operator_wrote_is_not_discovered(house: House, provider: Quirky, oidc: Connection) -> None:
    provider.says(WELL_KNOWN, document(provider))
    mine = connection(provider, kind="oidc", issuer=provider.url, authorization_endpoint="")
    assert (await upstream.complete(house.machines, mine)).token_endpoint == mine.token_endpoint
    provider.asked.clear()
    await upstream.complete(house.machines, connection(provider, kind="oidc", issuer=provider.url))
    assert provider.asked == []


async def test_whoever_needs_an_endpoint_is_told_that_it_is_missing(
    house: House, provider: Quirky, oidc: Connection
) -> None:
    """Sign-in needs the keys, and connecting does not."""
    provider.says(WELL_KNOWN, document(provider, jwks_uri=None))
    await upstream.complete(house.machines, oidc)
    with pytest.raises(OutboundRefused) as refused:
        await house.machines.discovery.complete(oidc, "token_endpoint", "jwks_uri")
    assert "jwks_uri" in (refused.value.detail or "")
    assert await house.machines.discovery.complete(connection(provider), "jwks_uri") == connection(provider), (
        "no issuer"
    )


@proves("vault.discovered-by-issuer")
@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "{url}/"}, {"issuer": "https://other.example"}, {"issuer": None}, {"issuer": ["{url}"]},
        {"token_endpoint": None}, {"token_endpoint": ["{url}/t"]}, {"token_endpoint": "http://other.example/t"},
        {"authorization_endpoint": "javascript:alert(1)"}, {"authorization_endpoint": "https://a@b.example/"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_document_that_is_not_the_issuers_is_not_believed(
    house: House, provider: Quirky, oidc: Connection, change: dict[str, Any]
) -> None:
    said = {
        name: value.replace("{url}", provider.url) if isinstance(value, str) else value
        for name, value in change.items()
    }
    provider.says(WELL_KNOWN, document(provider, **said))
    with pytest.raises(OutboundRefused):
        await upstream.complete(house.machines, oidc)
    assert isinstance(await refresh(house, oidc), Later), "the account is not broken by it"
    assert not any(asked.method == "POST" for asked in provider.asked)


async def test_an_issuer_that_fails_is_left_alone_for_a_moment(
    house: House, provider: Quirky, oidc: Connection
) -> None:
    provider.says(WELL_KNOWN, b"", 500)
    for _ in range(3):
        assert isinstance(await refresh(house, oidc), Later)
    assert len(provider.asked) == 1
    provider.says(WELL_KNOWN, document(provider))
    provider.says("POST /token_endpoint", TOKEN)
    house.clock.forward(6)
    assert isinstance(await refresh(house, oidc), Issued)


# From end to end


EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


async def prepared(house: House, found: Connection, **may: Any) -> dict[str, Any]:
    """The connection is there, `agent` may borrow what it says, and the person is signed in; what the agent asks with."""
    agent = await house.store.clients.get("agent")
    assert agent is not None
    agent = msgspec.structs.replace(agent, **{"connections": {found.name: found.scopes}, **may})
    await house.store.commit(house.store.connections.put(found), house.store.clients.put(agent))
    tokens = await house.tokens_for("agent", scope="openid offline_access")
    return {
        "grant_type": EXCHANGE, "connection": found.name, "subject_token": tokens["refresh_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token", **house.proof("agent"),
    }  # fmt: skip


async def connected(house: House, name: str, lend: dict[str, Any], came: str = "") -> str:
    """The person follows the agent's link to the provider and comes back with `came` beside the code; what they read then."""
    browser = await house.sign_in()
    await browser.get((await house.http.post("/oauth/token", data=lend)).json()["connect_uri"])
    await browser.submit(press=("answer", "continue"))
    there = next(part.partition('"')[0].replace("&amp;", "&") for part in browser.page.text.split("url=")[1:])
    state = parse_qs(urlsplit(there).query)["state"][0]
    await browser.get(f"/connect/callback/{name}?code=c0de&state={state}{came}")
    return browser.page.text


@proves("vault.no-wider-than-listed")
async def test_a_provider_that_adds_up_what_was_granted(house: House, provider: Quirky) -> None:
    mail = connection(
        provider, name="mail", display_name="Mail", scopes=("read", "send"), scopes_accumulate=True,
        account=AccountLookup(id="who", source="answer"),
    )  # fmt: skip
    lend = await prepared(house, mail, connections={"mail": ("read",)})
    provider.says(
        "POST /token",
        {"access_token": "wide", "who": "u1", "scope": "read send", "expires_in": 600, "refresh_token": "r"},
    )
    await connected(house, "mail", lend)
    asked = len(provider.asked)
    refused = await house.http.post("/oauth/token", data=lend)
    assert refused.status_code == 400, refused.text
    assert "all that the user ever allowed there into each token" in refused.json()["error_description"]
    assert len(provider.asked) == asked, "a narrower one is not even asked for"

    await house.store.commit(house.store.connections.put(msgspec.structs.replace(mail, lend_wider=True)))
    lent = (await house.http.post("/oauth/token", data=lend)).json()
    assert (lent["access_token"], lent["scope"]) == ("wide", "read send"), "and the agent is told what it holds"

    fewer = msgspec.structs.replace(mail, lend_wider=True, scopes=("read",))
    await house.store.commit(house.store.connections.put(fewer))
    refused = await house.http.post("/oauth/token", data=lend)
    assert "more than this connection is for" in refused.json()["error_description"], "the operator's list is the end"


@proves("vault.no-more-than-allowed")
async def test_a_provider_that_gives_no_part(house: House, provider: Quirky) -> None:
    drive = connection(
        provider, name="drive", display_name="Drive", scopes=("read", "send"), refresh_endpoint=f"{provider.url}/refresh",
        account=AccountLookup(id="who", source="answer"),
    )  # fmt: skip
    lend = await prepared(house, drive, connections={"drive": ("read",)})
    provider.says(
        "POST /token",
        {"access_token": "wide", "who": "u1", "scope": "read send", "expires_in": 600, "refresh_token": "r"},
    )
    provider.says("POST /refresh", {"error": "invalid_scope"}, 400)
    await connected(house, "drive", lend)
    refused = await house.http.post("/oauth/token", data=lend)
    assert "no token for a part" in refused.json()["error_description"]
    assert provider.last.form["scope"] == "read", "it was asked for"
    await house.store.commit(house.store.connections.put(msgspec.structs.replace(drive, lend_wider=True)))
    lent = (await house.http.post("/oauth/token", data=lend)).json()
    assert (lent["access_token"], lent["scope"]) == ("wide", "read send")


@proves("vault.own-address-pinned")
async def test_an_account_at_an_address_of_its_own(house: House, provider: Quirky) -> None:
    """The host from the token answer, the company from the redirect, as QuickBooks, Salesforce and Pipedrive do."""
    host = provider.url.removeprefix("http://")
    books = connection(
        provider, name="books", display_name="Books", scopes=("read",), api_base="http://{host}/company/{realm}/",
        account=AccountLookup(id="id", label="email", url="http://{host}/me"),
        account_values={
            "host": AccountValue(
                source="answer", at="api", prefix="http://", pattern=r"^127\.0\.0\.1:[0-9]+$", example="127.0.0.1:1"
            ),
            "realm": AccountValue(source="redirect", at="realmId", pattern="^[0-9]{1,20}$", example="1"),
        },
        proxy=(ProxyRule(paths=("/**",), methods=("GET",)),),
    )  # fmt: skip
    lend = await prepared(house, books, proxy={"books": (ProxyRule(paths=("/bills",), methods=("GET",)),)})
    provider.says("GET /me", {"id": "u1", "email": "ada@a.example"})
    said = {"access_token": "tok", "api": provider.url, "scope": "read", "expires_in": 600}
    for answer, came in (
        ({**said, "api": "http://evil.example"}, "&realmId=12"), ({**said, "api": None}, "&realmId=12"), (said, ""),
        (said, "&realmId=12%2F..%2Fadmin"), (said, "&realmId=" + "1" * 21),
    ):  # fmt: skip
        provider.says("POST /token", answer)
        assert "did not say where the account is" in await connected(house, "books", lend, came)
        assert provider.last.path == "/token", "the token goes nowhere else"
    provider.says("POST /token", said)
    assert "ada@a.example · 12" in await connected(house, "books", lend, "&realmId=12")
    (account,) = await house.store.connected_accounts.connected("auth0|ada", "books")
    assert (account.upstream_id, account.values) == ("u1:12", {"host": host, "realm": "12"})

    provider.says("GET /company/12/bills", {"bills": []})
    vault = await house.tokens_for("agent", audience=f"{house.issuer}vault/", scope="openid vault:proxy")
    bearer = {"Authorization": f"Bearer {vault['access_token']}"}
    called = await house.http.get("/vault/proxy/books/bills", headers=bearer)
    assert (called.status_code, called.json()) == (200, {"bills": []})
    assert (provider.last.path, provider.last.headers["authorization"]) == ("/company/12/bills", "Bearer tok")
    assert (await house.http.get("/vault/proxy/books/other", headers=bearer)).status_code == 403

    asked = len(provider.asked)
    narrow = msgspec.structs.replace(books.account_values["host"], pattern=r"^api\.books\.example$")
    moved = msgspec.structs.replace(books, account_values={**books.account_values, "host": narrow})
    await house.store.commit(house.store.connections.put(moved))
    refused = await house.http.get("/vault/proxy/books/bills", headers=bearer)
    assert refused.status_code == 401, refused.text
    assert "connect it again" in refused.text
    assert len(provider.asked) == asked, "what fitted once and does not now gets no token"


@proves("vault.own-address-pinned")
async def test_the_address_is_in_the_answer_that_says_whose_account_it_is(house: House, provider: Quirky) -> None:
    """As with Docusign and Mailchimp, whose lookup wants another word before the token than their API."""
    host = provider.url.removeprefix("http://")
    letters = connection(
        provider, name="letters", display_name="Letters", scopes=("read",), api_base="http://{host}/3.0/",
        account=AccountLookup(id="id", label="email", url=f"{provider.url}/metadata", prefix="OAuth "),
        account_values={
            "host": AccountValue(
                source="account", at="sites.is_default.url", prefix="http://", pattern=r"^127\.0\.0\.1:[0-9]+$",
                example="127.0.0.1:1",
            ),
        },
        scopes_accumulate=True, login_hint="login_hint",
        proxy=(ProxyRule(paths=("/**",), methods=("GET",)),),
    )  # fmt: skip
    lend = await prepared(house, letters, proxy={"letters": (ProxyRule(paths=("/lists",), methods=("GET",)),)})
    provider.says("POST /token", {"access_token": "tok", "scope": "read", "expires_in": 600})
    whose = {"id": "u1", "email": "ada@a.example"}
    for sites in ([], [{"is_default": True, "url": "http://evil.example"}]):
        provider.says("GET /metadata", {**whose, "sites": sites})
        assert "did not say where the account is" in await connected(house, "letters", lend)
    there = [{"is_default": False, "url": "http://127.0.0.1:1"}, {"is_default": True, "url": provider.url}]
    provider.says("GET /metadata", {**whose, "sites": there})
    assert "ada@a.example" in await connected(house, "letters", lend)
    assert (provider.last.path, provider.last.headers["authorization"]) == ("/metadata", "OAuth tok")
    (account,) = await house.store.connected_accounts.connected("auth0|ada", "letters")
    assert account.values == {"host": host}

    provider.says("GET /3.0/lists", {"lists": []})
    vault = await house.tokens_for("agent", audience=f"{house.issuer}vault/", scope="openid vault:proxy")
    called = await house.http.get(
        "/vault/proxy/letters/lists", headers={"Authorization": f"Bearer {vault['access_token']}"}
    )
    assert (called.status_code, provider.last.headers["authorization"]) == (200, "Bearer tok")

    browser = await house.sign_in()
    page = await browser.get("/accounts")
    reconnect = next(form for form in forms(page.text) if form.action == f"/accounts/{account.id}/reconnect")
    page = await browser.submit(reconnect)
    assert "adds this to what you allowed before" in page.text
    await browser.submit(press=("answer", "continue"), account=account.id)
    assert "login_hint=ada%40a.example" in browser.page.text


async def test_a_chat_with_every_quirk_is_connected_and_lent(house: House, provider: Quirky) -> None:
    chat = connection(
        provider, name="chat", display_name="Chat", scopes=("chat.read", "chat.write"), scope_separator=",",
        scope_parameter="user_scope", offline_scopes=("offline",), account_scopes=("identity",), pkce="none",
        answer=AnswerPaths(access_token="user.token", refresh_token="user.again", scope="user.scope", ok="ok"),
        token_request="json", lifetime=600, authorization_params={"team": "T1"},
        account=AccountLookup(id=("team.id", "user.id"), label="team.name", source="answer"),
    )  # fmt: skip
    lend = await prepared(house, chat)
    refused = (await house.http.post("/oauth/token", data=lend)).json()
    browser = await house.sign_in()
    await browser.get(refused["connect_uri"])
    assert "offline" not in browser.page.text, "what the person does not decide is not put before them"
    await browser.submit(press=("answer", "continue"))
    there = next(part.partition('"')[0].replace("&amp;", "&") for part in browser.page.text.split("url=")[1:])
    sent = {name: values[0] for name, values in parse_qs(urlsplit(there).query).items()}
    assert sent["user_scope"] == "chat.read,chat.write,identity,offline"
    assert sent["team"] == "T1"
    assert not {"scope", "code_challenge"} & sent.keys()
    provider.says("POST /token", {
        "ok": True, "team": {"id": "T1", "name": "Acme"},
        "user": {"id": "U1", "token": "tok", "again": "ref", "scope": "chat.read,chat.write,identity,offline"},
    })  # fmt: skip
    await browser.get(f"/connect/callback/chat?code=c0de&state={sent['state']}")
    assert "Acme" in browser.page.text
    assert "offline" not in browser.page.text
    assert provider.last.json["code"] == "c0de"
    lent = (await house.http.post("/oauth/token", data=lend)).json()
    assert (lent["access_token"], lent["scope"], lent["expires_in"]) == ("tok", "chat.read chat.write", 600)
    (account,) = await house.store.connected_accounts.connected("auth0|ada", "chat")
    assert (account.upstream_id, account.refresh_token) == ("T1:U1", "ref")

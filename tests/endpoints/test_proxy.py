"""ANY /vault/proxy/{connection}/{path}: a call goes up as its person's, comes back as nobody's, and is written down."""

from __future__ import annotations

import asyncio
import gzip
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import msgspec
import pytest
from tests.endpoints.test_hot_exchange import Asked, watching
from tests.fixtures.house import BROKER, SECRET, sqlite
from tests.fixtures.proxy import EVERYTHING, TOKEN, VAULT, Bridge, Seen, answer, bridge_on
from tests.fixtures.vault import ACCESS, REFRESH
from tests.ledger import proves

from remit_server.oversight.agents import suspend
from remit_server.records import ConnectedAccount, Policy, ProxyRule
from remit_server.records.provider import AccountLookup, Credential, Field
from remit_server.rules.connection import Use
from remit_server.runtime.outbound import STREAMS
from remit_server.runtime.verify import Live
from remit_server.storage.contract import Busy, Unit
from remit_server.vault.borrow import borrowed
from remit_server.vault.disconnect import disconnect
from remit_server.vault.grants.token_exchange import RFC_8693
from remit_server.vault.lend import lend, take_back
from remit_server.vault.noted import SOON, close_forgotten
from remit_server.vault.passing import SHORT
from remit_server.vault.proxy import AT_ONCE
from remit_server.vault.refresh import Refresher


def code_of(refused: httpx2.Response) -> tuple[int, str]:
    assert refused.headers["content-type"] == "application/problem+json", refused.text
    assert "remit-upstream" not in refused.headers, "one can tell who refused"
    return refused.status_code, refused.json()["type"].rpartition(":")[2]


async def test_a_call_goes_up_with_the_persons_token_and_leaves_one_event(any_bridge: Bridge) -> None:
    bridge = any_bridge
    got = await bridge.call(
        "POST", "/calendars/p%72imary/events?max=2", json={"title": "Lunch"}, headers={"X-Own": "1", "Prefer": "x"}
    )
    assert got.status_code == 200, got.text
    assert got.headers["remit-upstream"] == bridge.api.url.removeprefix("http://")
    assert got.headers["cache-control"] == "no-store"
    body = got.json()
    assert body["line"] == "POST /v3/calendars/primary/events?max=2 HTTP/1.1"
    assert body["body"] == '{"title":"Lunch"}'
    assert body["headers"].keys() == {
        "host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "prefer"
    }  # fmt: skip
    assert (body["headers"]["accept-encoding"], body["headers"]["user-agent"]) == ("identity", "remit")
    (seen,) = bridge.api.seen
    assert seen.header("authorization") == f"Bearer {TOKEN}"

    (event,) = await bridge.events()
    assert (event.actor.user, event.actor.client, event.subject) == ("auth0|ada", "agent", "account-ada")
    assert event.about.items() >= {
        "connection": "calendar", "method": "POST", "path": "/calendars/primary/events", "status": 200, "sent": 17,
        "received": len(got.content), "host": bridge.api.url.removeprefix("http://"),
    }.items()  # fmt: skip
    assert "max" not in repr(event), "a query may be private"
    assert TOKEN not in repr(await bridge.house.events())
    assert not await bridge.house.store.proxied_calls.begun_before(2**40), "no note stays"
    account = await bridge.house.store.connected_accounts.get("account-ada", "auth0|ada")
    assert account is not None
    assert account.used_by == "agent"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/a", 403), ("GET", "/b", 403), ("GET", "/a/b", 403), ("GET", "/a", 200), ("HEAD", "/a", 200),
     ("GET", "/%2e%2e/a", 400), ("GET", "/a%2fb", 400), ("GET", "//a", 400), ("GET", "/a%252f", 400), ("TRACE", "/a", 405)],
)  # fmt: skip
@proves("proxy.allow-list")
async def test_only_what_the_rules_name(bridge: Bridge, method: str, path: str, status: int) -> None:
    await bridge.change(proxy={"calendar": (ProxyRule(paths=("/a",)),)})
    got = await bridge.call(method, path)
    assert got.status_code == status
    assert len(bridge.api.seen) == (status == 200)
    refusals = await bridge.events("vault.call_refused")
    assert len(refusals) == (status == 403)
    assert len(await bridge.events()) == (status == 200)


async def test_without_rules_nothing_is_called(bridge: Bridge) -> None:
    for name, change in (("agent", bridge.change(proxy={})), ("connection", bridge.connection(proxy=()))):
        await change
        assert code_of(await bridge.call()) == (403, "forbidden"), name
        await bridge.change(proxy={"calendar": EVERYTHING})
    assert bridge.api.seen == []


class TestTheToken:
    async def test_only_one_for_the_vault_alone(self, bridge: Bridge) -> None:
        tokens = [
            (await bridge.house.tokens_for("agent", audience=BROKER, scope="openid trade:write"))["access_token"],
            (await bridge.house.tokens_for("agent", scope="openid"))["access_token"],
            (await bridge.house.tokens_for("agent", audience=VAULT, scope="openid"))["access_token"],
            TOKEN,
            "made up",
        ]
        statuses = []
        for token in tokens:
            got = await bridge.house.http.get("/vault/proxy/calendar/a", headers={"Authorization": f"Bearer {token}"})
            assert "www-authenticate" in got.headers
            statuses.append(code_of(got))
        assert statuses == [(401, "invalid_token")] * 2 + [(403, "insufficient_scope")] + [(401, "invalid_token")] * 2
        assert bridge.api.seen == []

    async def test_one_that_an_api_sees_as_well_is_refused(self, bridge: Bridge) -> None:
        """The API could call with it, too."""
        both = await bridge.house.tokens_for(
            "agent", resource=VAULT, audience=BROKER, scope="openid vault:proxy trade:write"
        )
        got = await bridge.house.http.get(
            "/vault/proxy/calendar/a", headers={"Authorization": f"Bearer {both['access_token']}"}
        )
        assert code_of(got) == (401, "invalid_token")

    async def test_a_client_for_itself_calls_nothing(self, bridge: Bridge) -> None:
        form = {"grant_type": "client_credentials", "audience": VAULT, "client_id": "agent", "client_secret": SECRET}
        asked = await bridge.house.http.post("/oauth/token", data=form)
        token = asked.json().get("access_token", "none")
        got = await bridge.house.http.get("/vault/proxy/calendar/a", headers={"Authorization": f"Bearer {token}"})
        assert code_of(got)[0] in {401, 403}

    async def test_who_borrows_nowhere_cannot_ask_for_one(self, bridge: Bridge) -> None:
        browser = bridge.house.browser()
        await bridge.house.authorize(browser, "stranger", audience=VAULT, scope="openid vault:proxy")
        assert "error=invalid_target" in str(browser.left_for)

    async def test_a_refresh_token_for_anything_gets_one_without_a_new_question(self, bridge: Bridge) -> None:
        await bridge.change(first_party=False)
        tokens = await bridge.house.tokens_for("agent", audience=BROKER, scope="openid offline_access trade:write")
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "audience": VAULT,
                "scope": "vault:proxy", **bridge.house.proof("agent")}  # fmt: skip
        renewed = await bridge.house.http.post("/oauth/token", data=form)
        assert renewed.json()["scope"] == "vault:proxy", renewed.text
        headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
        assert (await bridge.house.http.get("/vault/proxy/calendar/a", headers=headers)).status_code == 200

    async def test_a_refresh_token_is_exchanged_for_one_and_stays(self, bridge: Bridge) -> None:
        tokens = await bridge.house.tokens_for("agent", audience=BROKER, scope="openid offline_access trade:write")
        form = {"grant_type": RFC_8693, "subject_token": tokens["refresh_token"], "subject_token_type": REFRESH,
                "audience": VAULT, **bridge.house.proof("agent")}  # fmt: skip
        for _ in range(2):
            got = (await bridge.house.http.post("/oauth/token", data=form)).json()
            assert (got["scope"], got["issued_token_type"]) == ("vault:proxy", ACCESS), got
        headers = {"Authorization": f"Bearer {got['access_token']}"}
        assert (await bridge.house.http.get("/vault/proxy/calendar/a", headers=headers)).status_code == 200
        form["scope"] = "trade:write"
        assert (await bridge.house.http.post("/oauth/token", data=form)).json()["error"] == "invalid_scope"

    async def test_an_api_exchanges_its_callers_token_and_is_named_before_the_agent(self, bridge: Bridge) -> None:
        await bridge.change("broker-api", connections={"calendar": ("calendar.read",)}, proxy={"calendar": EVERYTHING})
        token = (await bridge.house.tokens_for("agent", audience=BROKER, scope="openid trade:write"))["access_token"]
        form = {"grant_type": RFC_8693, "subject_token": token, "subject_token_type": ACCESS, "audience": VAULT,
                **bridge.house.proof("broker-api")}  # fmt: skip
        got = (await bridge.house.http.post("/oauth/token", data=form)).json()
        headers = {"Authorization": f"Bearer {got['access_token']}"}
        assert (await bridge.house.http.get("/vault/proxy/calendar/a", headers=headers)).status_code == 200
        (event,) = await bridge.events()
        assert (event.actor.client, event.actor.chain) == ("broker-api", ("agent",))
        for client in ("service", "stranger"):
            form |= bridge.house.proof(client)
            refused = await bridge.house.http.post("/oauth/token", data=form)
            assert refused.json()["error"] in {"unauthorized_client", "invalid_target"}, client


class TestWhose:
    async def test_another_persons_account_is_never_reached(self, bridge: Bridge) -> None:
        await bridge.connect("bob", access_token="bobs-token-bobs-token")
        for account in ("bob", "bob@api.example", "account-bob"):
            got = await bridge.call(headers={"Remit-Account": account})
            assert code_of(got) == (401, "federated_connection_refresh_token_not_found")
            assert got.json()["connect_uri"].startswith(bridge.house.issuer)
        assert bridge.api.seen == []
        assert (await bridge.call(user="bob")).status_code == 200
        assert bridge.api.seen[-1].header("authorization") == "Bearer bobs-token-bobs-token"

    async def test_of_several_accounts_the_named_one(self, bridge: Bridge) -> None:
        await bridge.connect(id="second", upstream_id="ada2", label="second", access_token="second-token-of-ada")
        await bridge.call(headers={"Remit-Account": "ada2"})
        assert bridge.api.seen[-1].header("authorization") == "Bearer second-token-of-ada"

    async def test_who_has_not_connected_gets_the_link(self, bridge: Bridge) -> None:
        got = await bridge.call(user="bob")
        assert code_of(got) == (401, "federated_connection_refresh_token_not_found")
        assert "/connect?ticket=" in got.json()["connect_uri"]

    async def test_an_unknown_connection_and_one_that_is_not_the_agents_look_alike(self, bridge: Bridge) -> None:
        token = await bridge.token()
        await bridge.change(connections={"other": ()})
        for name in ("calendar", "nowhere", "cal%65ndar", "..", ""):
            got = await bridge.house.http.get(f"/vault/proxy/{name}/a", headers={"Authorization": f"Bearer {token}"})
            assert got.status_code == 404, name
        assert bridge.api.seen == []


@proves("proxy.allow-list")
async def test_a_policy_sees_what_the_attached_token_allows(bridge: Bridge) -> None:
    text = """
    permit(principal, action, resource);
    @id("no-reading") @reason("Calendars are not read.")
    forbid(principal, action == Action::"proxy", resource) when { context.scopes.contains("calendar.read") };
    """
    await bridge.token()
    policies = bridge.house.store.policies
    await bridge.house.store.commit(policies.put(Policy(name="test.cedar", text=text)))
    got = await bridge.call()
    assert (code_of(got), got.json()["detail"]) == ((403, "forbidden"), "Calendars are not read.")
    assert bridge.api.seen == []
    # The provider gives one with more than was asked for: the door is asked about that one.
    await bridge.house.store.commit(policies.put(Policy(name="test.cedar", text=text.replace(".read", ".all"))))
    await bridge.change(connections={"calendar": ("calendar.read", "calendar.all")})
    renewed = b'{"access_token":"a-new-access-token","expires_in":300,"scope":"calendar.read calendar.all"}'
    await bridge.house.store.commit(bridge.house.store.connected_accounts.remove("account-ada", "auth0|ada"))
    await bridge.connect(access_token=None, refresh_token="the-refresh-token")
    bridge.api.replies(answer("200 OK", renewed, "Content-Type: application/json"))
    assert code_of(await bridge.call()) == (403, "forbidden")
    assert {seen.line.split()[1] for seen in bridge.api.seen} == {"/token"}


class TestWhatComesBack:
    @pytest.mark.parametrize(
        "status", ["204 No Content", "304 Not Modified", "404 Not Found", "500 Oops", "418 Teapot"]
    )
    async def test_statuses_pass(self, bridge: Bridge, status: str) -> None:
        empty = status[0] in "23"
        bridge.api.replies(
            f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode() if empty else answer(status, b"why", "ETag: x")
        )
        for _ in range(2):
            got = await bridge.call()
            assert (got.status_code, got.headers["etag"]) == (int(status[:3]), "x")
            assert got.content == (b"" if empty else b"why")
        assert bridge.api.closed == [], "one connection for both"

    async def test_head(self, bridge: Bridge) -> None:
        bridge.api.replies(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nContent-Encoding: br\r\n\r\n")
        async with bridge.live() as http:
            for _ in range(2):
                got = await http.head("/vault/proxy/calendar/a")
                assert (got.status_code, got.headers["content-length"], got.content) == (200, "12345", b"")
        assert bridge.api.closed == [], "one connection for both"

    @proves("proxy.no-redirects")
    async def test_a_redirect_is_not_followed(self, bridge: Bridge) -> None:
        for location, mapped in (
            ("/v3/b?x=1", f"{bridge.house.issuer}vault/proxy/calendar/b?x=1"),
            ("http://x.example/", None),
        ):
            bridge.api.replies(answer("302 Found", b"", f"Location: {location}"))
            got = await bridge.call()
            assert (got.status_code, got.headers.get("location")) == (302, mapped)
        assert len(bridge.api.seen) == 2

    @proves("proxy.no-redirects")
    async def test_the_next_page_is_reached_by_way_of_the_proxy(self, bridge: Bridge) -> None:
        here = f"{bridge.house.issuer}vault/proxy/calendar/b?page"
        next_, last = f'<{bridge.api.url}/v3/b?page=2>; rel="next"', "</v3/b?page=9>; rel=last"
        bridge.api.replies(answer("200 OK", b"", f"Link: {next_}", f"Link: {last}, <https://x.example/>; rel=help"))
        got = await bridge.call()
        assert got.headers["link"] == f'<{here}=2>; rel="next", <{here}=9>; rel=last'
        bridge.api.replies(answer("200 OK", b"", f"Link: </v3/b?page={TOKEN.replace('+', 'x')}>; rel=next"))
        assert "link" in (await bridge.call()).headers
        bridge.api.replies(answer("200 OK", b"", f"Link: </v3/b?page={TOKEN}>; rel=next"))
        assert "link" not in (await bridge.call()).headers, "it would hold the credential"

    async def test_early_hints_are_skipped_and_an_upgrade_is_not(self, bridge: Bridge) -> None:
        bridge.api.replies(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer("200 OK", b"late"))
        assert (await bridge.call()).content == b"late"
        bridge.api.replies(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        assert code_of(await bridge.call())[0] == 502
        assert code_of(await bridge.call(headers={"Connection": "upgrade", "Upgrade": "websocket"}))[0] == 501

    async def test_what_was_packed_unasked_is_unpacked(self, bridge: Bridge) -> None:
        bridge.api.replies(answer("200 OK", gzip.compress(b"hello" * 1000), "Content-Encoding: gzip"))
        got = await bridge.call()
        assert (got.content, got.headers.get("content-encoding")) == (b"hello" * 1000, None)
        for coding in ("br", "gzip, gzip", "zstd"):
            bridge.api.replies(answer("200 OK", b"xxx", f"Content-Encoding: {coding}"))
            assert code_of(await bridge.call())[0] == 502

    async def test_trailers_end_here(self, bridge: Bridge) -> None:
        bridge.api.replies(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Echo\r\n\r\n2\r\nhi\r\n0\r\nX-Echo: "
            + TOKEN.encode() + b"\r\n\r\n"
        )  # fmt: skip
        async with bridge.live() as http:
            got = await http.get("/vault/proxy/calendar/a")
        assert got.content == b"hi"
        assert not {"trailer", "x-echo"} & got.headers.keys()


class TestWhenTheTokenIsRefused:
    RENEWED = answer("200 OK", b'{"access_token":"a-new-access-token","expires_in":300,"token_type":"Bearer"}',
                     "Content-Type: application/json")  # fmt: skip

    async def _expiring(self, bridge: Bridge, **more: Any) -> None:
        await bridge.house.store.commit(bridge.house.store.connected_accounts.remove("account-ada", "auth0|ada"))
        await bridge.connect(refresh_token="the-refresh-token", refreshed_at=bridge.house.clock.at - 100, **more)

    async def test_it_is_renewed_once_and_the_call_made_again(self, bridge: Bridge) -> None:
        await self._expiring(bridge)
        bridge.api.replies(answer("401 No"), self.RENEWED, answer("200 OK", b"well"))
        got = await bridge.call("POST", json={"a": 1})
        assert (got.status_code, got.content) == (200, b"well")
        first, token, second = bridge.api.seen
        assert token.line.startswith("POST /token ")
        assert (first.header("authorization"), second.header("authorization")) == (
            f"Bearer {TOKEN}", "Bearer a-new-access-token"
        )  # fmt: skip
        assert first.body == second.body
        assert len(await bridge.events()) == 1

    @proves("proxy.unauthorized")
    async def test_a_new_token_that_is_refused_as_well(self, bridge: Bridge) -> None:
        """The token endpoint has just honoured the grant, so it is the API's own no, and the agent's to read."""
        await self._expiring(bridge)
        bridge.api.replies(answer("401 No"), self.RENEWED, answer("401 No", b"not this calendar"))
        got = await bridge.call()
        assert (got.status_code, got.content) == (401, b"not this calendar")
        assert "remit-upstream" in got.headers
        assert len(bridge.api.seen) == 3, "once, not for ever"
        assert (await bridge.events())[0].about["status"] == 401
        # It is new: it is not renewed again for every call.
        assert (await bridge.call()).status_code == 401
        assert len(bridge.api.seen) == 4
        assert (await self._account(bridge)).state == "ok"

    @proves("proxy.unauthorized")
    async def test_a_grant_that_is_gone(self, bridge: Bridge) -> None:
        await self._expiring(bridge)
        bridge.api.replies(answer("401 No"), answer("400 No", b'{"error":"invalid_grant"}'))
        got = await bridge.call()
        assert code_of(got) == (401, "federated_connection_refresh_token_flow_failed")
        assert (got.json()["reason"], "connect_uri" in got.json()) == ("reconnect", True)
        assert (await self._account(bridge)).state == "reconnect"

    async def test_a_body_that_is_gone_is_not_sent_again(self, bridge: Bridge) -> None:
        await self._expiring(bridge)
        bridge.api.replies(answer("401 No"), self.RENEWED, answer("200 OK", b"well"))
        big = b"x" * 200_000
        assert code_of(await bridge.call("POST", content=big))[0] == 502
        assert (await bridge.call("POST", content=big)).content == b"well", "with the new token"

    async def _account(self, bridge: Bridge) -> ConnectedAccount:
        found = await bridge.house.store.connected_accounts.get("account-ada", "auth0|ada")
        assert found is not None
        return found

    @proves("proxy.unauthorized")
    @pytest.mark.parametrize("credentials", [{}, {"key": "sk_test_0123456789"}])
    async def test_without_a_refresh_token_the_account_lookup_decides(
        self, bridge: Bridge, credentials: dict[str, str]
    ) -> None:
        """An agent chooses what it calls: a path that answers 401 to everybody must not take the account from the others."""
        if credentials:
            await bridge.house.store.commit(bridge.house.store.connected_accounts.remove("account-ada", "auth0|ada"))
            await bridge.connect(access_token=None, scopes=(), credentials=credentials)
            fields = (Field(name="key", title="Key", secret=True),)
            await bridge.connection(kind="api_key", fields=fields, credential=Credential(header="X-Api-Key", prefix=""))
        lookup = AccountLookup(id="id", url=f"{bridge.api.url}/whoami")
        await bridge.connection(account=lookup)
        known = answer("200 OK", b'{"id":"ada"}', "Content-Type: application/json")
        bridge.api.replies(answer("401 No", b"scope"), known, answer("401 No", b"scope"))
        for _ in range(2):
            got = await bridge.call()
            assert (got.status_code, got.content) == (401, b"scope")
        assert [seen.line.split()[1] for seen in bridge.api.seen] == ["/v3/a", "/whoami", "/v3/a"], "once a minute"
        assert (await self._account(bridge)).state == "ok"

        bridge.house.machines.throttle._buckets.clear()
        bridge.api.replies(answer("401 No", b"", "WWW-Authenticate: Bearer realm=theirs"))
        got = await bridge.call()
        assert code_of(got) == (401, "federated_connection_refresh_token_flow_failed")
        assert (got.json()["reason"], "connect_uri" in got.json()) == ("reconnect", True)
        assert "www-authenticate" not in got.headers
        account = await self._account(bridge)
        assert (account.state, "withdrawn there" in (account.cause or "")) == ("reconnect", True)
        (failed,) = await bridge.events("vault.refresh_failed")
        assert failed.subject == "account-ada"
        asked = len(bridge.api.seen)
        assert code_of(await bridge.call())[0] == 401
        assert len(bridge.api.seen) == asked, "nothing is attached any more"

    @proves("proxy.unauthorized")
    @pytest.mark.parametrize("reply", ["403 No", "500 Oops"])
    async def test_only_a_401_there_is_proof(self, bridge: Bridge, reply: str) -> None:
        await bridge.connection(account=AccountLookup(id="id", url=f"{bridge.api.url}/whoami"))
        bridge.api.replies(answer("401 No"), answer(reply))
        assert "remit-upstream" in (await bridge.call()).headers
        assert (await self._account(bridge)).state == "ok"

    async def test_where_nobody_can_tell_the_answer_passes(self, bridge: Bridge) -> None:
        bridge.api.replies(answer("401 No", b"theirs", "WWW-Authenticate: Bearer realm=theirs"))
        got = await bridge.call()
        assert (got.status_code, got.content) == (401, b"theirs")
        assert "www-authenticate" not in got.headers
        assert len(bridge.api.seen) == 1

    async def test_a_challenge_of_another_kind_goes_by_another_name(self, bridge: Bridge) -> None:
        bridge.api.replies(answer("403 No", b"", 'WWW-Authenticate: Bearer error="insufficient_scope"'))
        got = await bridge.call()
        assert "www-authenticate" not in got.headers
        assert got.headers["remit-upstream-authenticate"] == 'Bearer error="insufficient_scope"'


class TestKeys:
    async def test_an_api_key_is_attached_as_the_provider_wants_it(self, bridge: Bridge) -> None:
        await bridge.house.store.commit(bridge.house.store.connected_accounts.remove("account-ada", "auth0|ada"))
        await bridge.connect(access_token=None, scopes=(), credentials={"key": "sk_test_0123456789"})
        fields = (Field(name="key", title="Key", secret=True),)
        for credential in (Credential(header="X-Api-Key", prefix=""), Credential(query="api_key")):
            await bridge.connection(
                kind="api_key", fields=fields, credential=credential, api_headers={"Api-Version": "7"}
            )
            got = await bridge.call(path="/a?b=1", headers={"X-Api-Key": "mine"})
            assert got.status_code == 200, got.text
            seen = bridge.api.seen[-1]
            assert seen.header("api-version") == "7"
            assert "sk_test_0123456789" not in got.text
            if credential.query:
                assert seen.line == "GET /v3/a?b=1&api_key=sk_test_0123456789 HTTP/1.1"
            else:
                assert [value for name, value in seen.headers if name == "x-api-key"] == ["sk_test_0123456789"]
        assert "sk_test" not in repr(await bridge.house.events())

    async def test_basic(self, bridge: Bridge) -> None:
        await bridge.house.store.commit(bridge.house.store.connected_accounts.remove("account-ada", "auth0|ada"))
        await bridge.connect(access_token=None, scopes=(), credentials={"user": "ada", "password": "a long password"})
        fields = (Field(name="user", title="Name"), Field(name="password", title="Password", secret=True))
        await bridge.connection(kind="basic", fields=fields)
        bridge.api.replies(answer("200 OK", b"you are a long password, YWRhOmEgbG9uZyBwYXNzd29yZA=="))
        got = await bridge.call()
        assert bridge.api.seen[-1].header("authorization") == "Basic YWRhOmEgbG9uZyBwYXNzd29yZA=="
        assert got.text == "you are " + "*" * 15 + ", " + "*" * 28

    async def test_a_name_is_no_secret(self, bridge: Bridge) -> None:
        """A person types their e-mail address, too, and it stands in every other answer of such an API."""
        await bridge.house.store.commit(bridge.house.store.connected_accounts.remove("account-ada", "auth0|ada"))
        credentials = {"user": "ada@api.example", "password": "a long password"}
        await bridge.connect(access_token=None, scopes=(), credentials=credentials)
        fields = (Field(name="user", title="Name"), Field(name="password", title="Password", secret=True))
        await bridge.connection(kind="basic", fields=fields)
        bridge.api.replies(answer("200 OK", b"ada@api.example: a long password", "X-Me: ada@api.example"))
        got = await bridge.call()
        assert (got.text, got.headers["x-me"]) == ("ada@api.example: " + "*" * 15, "ada@api.example")
        await bridge.connection(fields=())
        assert "ada@api.example" not in (await bridge.call()).text, "of what nobody describes, all is secret"


class TestStreaming:
    @proves("proxy.bounded")
    async def test_a_hundred_megabytes_each_way_in_little_memory(self, bridge: Bridge) -> None:
        size, piece = 100 * 1024 * 1024, b"\x5a" * 65536

        async def play(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            left = int(seen.header("content-length") or 0)
            while left:
                left -= len(await reader.read(min(left, 1 << 20)))
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            for _ in range(size // len(piece)):
                writer.write(piece)
                await writer.drain()

        async def up() -> Any:
            for _ in range(size // len(piece)):
                yield piece

        bridge.api.play, bridge.api.streamed = play, True
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        settings = bridge.house.machines.settings
        object.__setattr__(bridge.house.machines, "settings", _with(settings, proxy_largest_request=size))
        got = 0
        async with (
            bridge.live() as http,
            http.stream(
                "POST", "/vault/proxy/calendar/a", content=up(), headers={"Content-Length": str(size)}
            ) as reply,
        ):
            assert reply.headers["content-length"] == str(size)
            async for chunk in reply.aiter_raw():
                got += len(chunk)
        assert got == size
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024, "KiB more than before"
        (event,) = await bridge.events()
        assert (event.about["sent"], event.about["received"]) == (size, size)

    async def test_an_event_arrives_when_it_is_sent(self, bridge: Bridge) -> None:
        go = asyncio.Event()

        async def play(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
            )
            await go.wait()
            writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

        bridge.api.play = play
        async with bridge.live() as http, http.stream("GET", "/vault/proxy/calendar/a") as reply:
            pieces = reply.aiter_raw()
            assert await anext(pieces) == b"data: 1\n\n"
            go.set()
            assert await anext(pieces) == b"data: 2\n\n"

    async def test_an_agent_that_reads_slowly_slows_the_provider(self, bridge: Bridge) -> None:
        sent = 0

        async def play(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
            while True:
                writer.write(b"x" * 65536)
                sent += 65536
                await writer.drain()

        bridge.api.play = play
        async with bridge.live() as http, http.stream("GET", "/vault/proxy/calendar/a") as reply:
            await anext(reply.aiter_raw())
            await asyncio.sleep(0.5)
            held = sent
            await asyncio.sleep(0.3)
            assert sent == held, "it waits"
        assert held < 30_000_000

    @proves("proxy.bounded")
    async def test_when_the_agent_leaves_the_provider_is_let_go_and_the_event_is_there(self, bridge: Bridge) -> None:
        async def never(_: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if begun:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            await reader.read()

        bridge.api.play = never
        for begun in (False, True):
            async with bridge.live() as http:
                with pytest.raises(httpx2.ReadTimeout):
                    await http.get("/vault/proxy/calendar/a", timeout=0.3)
                for _ in range(100):
                    if len(bridge.api.closed) == begun + 1:
                        break
                    await asyncio.sleep(0.02)
            assert len(bridge.api.closed) == begun + 1, "the connection upstream is gone"
            event = (await bridge.events())[0]
            assert event.about["ended"] == "the client left"
        assert len(await bridge.events()) == 2

    async def test_a_provider_that_answers_early_is_heard(self, bridge: Bridge) -> None:
        async def play(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer("413 Too much", b"no", "Connection: close"))
            await writer.drain()
            writer.close()

        bridge.api.play, bridge.api.streamed = play, True
        async with bridge.live() as http:
            got = await http.post("/vault/proxy/calendar/a", content=b"x" * 200_000)
        assert got.status_code in {413, 502}

    async def test_a_chunked_body_goes_up_chunked(self, bridge: Bridge) -> None:
        async def pieces() -> Any:
            yield b"one"
            yield b"two"

        async with bridge.live() as http:
            got = await http.post("/vault/proxy/calendar/a", content=pieces())
        assert got.json()["body"] == "onetwo"
        assert bridge.api.seen[0].header("transfer-encoding") == "chunked"

    async def test_a_body_of_nothing_that_is_said_to_be_packed(self, bridge: Bridge) -> None:
        bridge.api.replies(answer("202 Accepted", b"", "Content-Encoding: gzip"))
        got = await bridge.call("POST")
        assert (got.status_code, got.content) == (202, b"")


class TestLimits:
    @proves("proxy.bounded")
    async def test_sizes(self, tmp_path: Any) -> None:
        async with bridge_on(sqlite(tmp_path), proxy_largest_request=100_000, proxy_largest_answer=200_000) as bridge:
            assert code_of(await bridge.call("POST", content=b"x" * 100_001)) == (413, "payload_too_large")
            assert bridge.api.seen == []

            async def endless() -> Any:
                for _ in range(100):
                    yield b"x" * 10_000

            async with bridge.live() as http:
                assert (await http.post("/vault/proxy/calendar/a", content=endless())).status_code == 413
                for refused in (
                    answer("200 OK", b"x" * 200_001),
                    b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\nhalf",
                ):
                    bridge.api.replies(refused)
                    assert code_of(await http.get("/vault/proxy/calendar/a")) == (502, "temporarily_unavailable")
                for cut in (
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n"
                    + b"x" * 300_000
                    + b"\r\n0\r\n\r\n",
                    answer("200 OK", gzip.compress(b"x" * 1_000_000), "Content-Encoding: gzip"),
                    b"HTTP/1.1 200 OK\r\nContent-Length: 190000\r\nConnection: close\r\n\r\n" + b"x" * 150_000,
                ):
                    bridge.api.replies(cut)
                    with pytest.raises(httpx2.RemoteProtocolError):
                        await http.get("/vault/proxy/calendar/a")
            ends = [event.about.get("ended") for event in await bridge.events()]
            assert ends[0] == ends[1] == ends[2] == "temporarily_unavailable"

    @proves("proxy.bounded")
    async def test_times(self, tmp_path: Any) -> None:
        late = ""

        async def slow(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if late == "body":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            if late == "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                for _ in range(100):
                    writer.write(b"x")
                    await asyncio.sleep(0.2)
            await asyncio.sleep(30)

        async with bridge_on(sqlite(tmp_path), proxy_patience=1, proxy_silence=1, proxy_time=2) as bridge:
            bridge.api.play = slow
            async with bridge.live() as http:
                began = time.monotonic()
                assert code_of(await http.get("/vault/proxy/calendar/a"))[0] == 504
                for late in ("body", "drip"):  # noqa: B007 - `slow` reads it
                    with pytest.raises(httpx2.RemoteProtocolError):
                        await http.get("/vault/proxy/calendar/a")
                assert time.monotonic() - began < 6
            assert [event.about["ended"] for event in await bridge.events()] == ["timed out"] * 3

    async def test_a_provider_that_is_not_there(self, bridge: Bridge) -> None:
        await bridge.connection(api_base="http://127.0.0.1:1/")
        await bridge.connect("ada", id="there", upstream_id="there", label="there")
        assert code_of(await bridge.call(headers={"Remit-Account": "there"})) == (502, "temporarily_unavailable")
        assert (await bridge.events())[0].about["ended"] == "temporarily_unavailable"

    async def test_one_agent_does_not_take_all(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
        assert AT_ONCE < STREAMS // 4, "nor all that one host may have"
        monkeypatch.setattr("remit_server.vault.proxy.AT_ONCE", 2)
        go = asyncio.Event()

        async def wait(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            writer.write(answer())

        bridge.api.play = wait
        await bridge.token()
        calls = [asyncio.create_task(bridge.call()) for _ in range(2)]
        while len(bridge.api.seen) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert code_of(await bridge.call()) == (429, "too_many_requests")
        go.set()
        assert [got.status_code for got in await asyncio.gather(*calls)] == [200, 200]
        assert (await bridge.call()).status_code == 200

    @proves("agents.stop")
    async def test_nor_does_it_begin_with_a_token_that_it_waited_for(
        self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def meanwhile(*_: Any, **__: Any) -> Use:
            await suspend(bridge.house.store, bridge.house.clock, "agent")
            return Use(access_token="renewed", scopes=("calendar.read",), expires_at=None)

        await bridge.token()
        monkeypatch.setattr(Refresher, "usable", meanwhile)
        got = await bridge.call()
        assert code_of(got)[1] in {"access_denied", "forbidden"}
        assert bridge.api.seen == []

    @proves("agents.stop")
    async def test_a_suspended_agent_does_not_finish(self, bridge: Bridge) -> None:
        async def endless(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(bridge.api.seen) == 2:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            await asyncio.sleep(20)

        bridge.api.play = endless
        async with bridge.live() as http:
            calls = []
            for number in (1, 2):
                calls.append(asyncio.create_task(http.get("/vault/proxy/calendar/a")))
                while len(bridge.api.seen) < number:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.sleep(SOON + 0.1)
            began = time.monotonic()
            await suspend(bridge.house.store, bridge.house.clock, "agent")
            waiting, streaming = await asyncio.gather(*calls, return_exceptions=True)
            assert time.monotonic() - began < 1
            assert isinstance(waiting, httpx2.Response)
            assert code_of(waiting) == (403, "forbidden")
            assert isinstance(streaming, httpx2.RemoteProtocolError)
        assert [event.about["ended"] for event in await bridge.events()] == ["This client was stopped."] * 2

    @proves("agents.stop")
    @pytest.mark.parametrize(
        "how", ["disconnected", "taken back", "limited", "token", "agreement", "sign-out", "blocked"]
    )
    async def test_what_was_taken_away_ends_the_calls_under_way(self, any_bridge: Bridge, how: str) -> None:
        bridge = any_bridge
        machines, store, accounts = bridge.house.machines, bridge.house.store, bridge.house.store.connected_accounts
        now = bridge.house.clock.now()

        async def endless(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            await writer.drain()
            await asyncio.sleep(20)

        bridge.api.play = endless
        user, (account,) = await store.users.get("auth0|ada"), await accounts.of_user("auth0|ada")
        assert user is not None
        if how == "taken back":
            await store.commit(accounts.limit(account, limited=True))
            await lend(machines, user, account, "agent", away=False)
        live = await machines.verify(await bridge.token())
        assert isinstance(live, Live)
        token = live.token
        async with bridge.live() as http:
            call = asyncio.create_task(http.get("/vault/proxy/calendar/a"))
            while not bridge.api.seen:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await store.commit(accounts.choose(account, [account]), wakes=(accounts.wake(account.id),))
            await asyncio.sleep(0.1)
            assert not call.done(), "a change that takes nothing away is no reason"
            match how:
                case "disconnected":
                    await disconnect(machines, user, account)
                case "taken back":
                    await take_back(machines, user, account, "agent")
                case "limited":
                    await store.commit(accounts.limit(account, limited=True))
                case "token":
                    await store.commit(store.tokens.revoke(token.hash, now))
                case "agreement":
                    await store.commit(store.grants.revoke(token.grant_id or "", now, "said so"))
                case "sign-out":
                    await store.commit(store.grants.revoke_session(token.sid or "", now, "signed out"))
                case "blocked":
                    await store.commit(store.users.put(msgspec.structs.replace(user, state="blocked")))
            with pytest.raises(httpx2.RemoteProtocolError):
                await asyncio.wait_for(call, 5)
        (event,) = await bridge.events()
        because = how in {"disconnected", "taken back", "limited"}
        assert event.about["ended"] == (
            "The account is not lent to this client any more." if because else "What stood for the user was revoked."
        )

    async def test_connections_are_shared_and_nothing_sticks_to_them(self, bridge: Bridge) -> None:
        await bridge.connect("bob", access_token="bobs-token-bobs-token")
        bridge.api.replies(answer("200 OK", b"x", "Set-Cookie: session=ada"))
        for user in ("ada", "bob"):
            assert "set-cookie" not in (await bridge.call(user=user)).headers
        assert bridge.api.closed == [], "one connection for both"
        assert [seen.header("cookie") for seen in bridge.api.seen] == [None, None]


@proves("vault.hot-exchange")
async def test_a_hot_read_is_one_read_and_one_commit_and_a_change_two(any_bridge: Bridge) -> None:
    """The note before, the event after; what the token allows and what its person lends come in one read."""
    bridge = any_bridge
    note = "proxied_calls"
    assert (await bridge.call()).status_code == 200
    for how, notes in (({"method": "GET"}, []), ({"method": "POST", "json": {"a": 1}}, [note, note])):
        with watching(bridge) as asked:
            assert (await bridge.call(**how)).status_code == 200
            await asyncio.gather(*bridge.house.machines.background._whole)
        assert asked == Asked(["tokens"], notes, ["vault.proxied"])
    bridge.api.replies(answer("200 OK", b"x" * (SHORT + 1)))
    with watching(bridge) as asked:
        assert len((await bridge.call()).content) == SHORT + 1
        await asyncio.gather(*bridge.house.machines.background._whole)
    assert asked.steps == [note, note], "what is longer is not held until its event is written"


@proves("agents.stop")
async def test_a_token_revoked_while_the_body_comes(bridge: Bridge) -> None:
    live = await bridge.house.machines.verify(await bridge.token())
    assert isinstance(live, Live)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await bridge.house.store.commit(bridge.house.store.tokens.revoke(live.token.hash, bridge.house.clock.now()))
        await asyncio.sleep(0.6)
        yield b"}"

    async with bridge.live() as http:
        got = await http.post("/vault/proxy/calendar/a", content=slowly(), headers={"Content-Length": "2"})
    assert code_of(got) == (401, "invalid_token")
    assert bridge.api.seen == []


@proves("proxy.no-effect-without-event")
@pytest.mark.parametrize(("method", "content"), [("DELETE", b""), ("GET", b"what some servers take for a change")])
async def test_a_call_whose_server_died_has_its_event(
    any_bridge: Bridge, monkeypatch: pytest.MonkeyPatch, method: str, content: bytes
) -> None:
    bridge = any_bridge
    machines = bridge.house.machines

    async def play(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun = await machines.store.proxied_calls.begun_before(2**40)
        assert [call.about["path"] for call in begun] == ["/a"], "written down before the request left"
        raise ConnectionError

    await bridge.call()  # the use is noted for a minute
    (made,) = await bridge.events()
    bridge.api.play = play

    async def dies(*_: Any) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr("remit_server.vault.noted.Noted.end", dies)
        await bridge.call(method, content=content)
    assert await bridge.events() == [made]
    assert await close_forgotten(machines) == 0, "it may still be under way"
    bridge.house.clock.forward(machines.settings.proxy_time + 100)
    assert await close_forgotten(machines) == 1
    assert await close_forgotten(machines) == 0
    event, _ = await bridge.events()
    assert (event.about["ended"], event.about["path"], event.actor.user) == ("unknown", "/a", "auth0|ada")


@contextmanager
def no_room(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database takes no more proxied calls."""
    engine = type(bridge.house.store.engine)
    commit = engine.commit

    async def full(self: Any, unit: Unit) -> Any:
        if any(event.kind == "vault.proxied" for event in unit.events) or unit.steps:
            raise Busy("the disk is full")
        return await commit(self, unit)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "commit", full)
        yield


@proves("proxy.no-effect-without-event")
@pytest.mark.parametrize("body", [b"x", b"x" * (SHORT + 1)])
async def test_a_read_whose_event_cannot_be_written_hands_nothing_out(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    await bridge.call()
    bridge.api.replies(answer("200 OK", body))
    with no_room(bridge, monkeypatch):
        assert code_of(await bridge.call()) == (503, "temporarily_unavailable")
        made = len(bridge.api.seen)
        assert code_of(await bridge.call()) == (503, "temporarily_unavailable")
        assert len(bridge.api.seen) == made, "from now on none leaves before it is noted"
    assert (await bridge.call()).content == body
    await asyncio.gather(*bridge.house.machines.background._whole)
    bridge.api.replies(answer("200 OK", b"x"))
    with watching(bridge) as asked:
        await bridge.call()
    assert asked.steps == [], "and then again as before"


@proves("proxy.no-effect-without-event")
@pytest.mark.parametrize("leaves", [False, True])
async def test_an_answer_to_a_read_waits_for_its_event(
    any_bridge: Bridge, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    """And the event is written although the agent does not wait for it."""
    bridge = any_bridge
    await bridge.call()
    engine, written = type(bridge.house.store.engine), asyncio.Event()
    commit = engine.commit

    async def slow(self: Any, unit: Unit) -> Any:
        await written.wait()
        return await commit(self, unit)

    monkeypatch.setattr(engine, "commit", slow)
    call = asyncio.create_task(bridge.call())
    while len(bridge.api.seen) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert not (await asyncio.wait((call,), timeout=0.1))[0]
    if leaves:
        call.cancel()
        await asyncio.sleep(0.05)
    written.set()
    if leaves:
        await asyncio.wait((call,))
        await asyncio.gather(*bridge.house.machines.background._whole)
    else:
        assert (await call).status_code == 200
    assert len(await bridge.events()) == 2


@proves("proxy.no-effect-without-event")
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"])
async def test_a_read_that_takes_its_time_is_noted_while_it_is_under_way(bridge: Bridge, begun: bytes) -> None:
    await bridge.call()
    noted: list[str] = []

    async def play(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await asyncio.sleep(2 * SOON)
        noted.extend(call.about["path"] for call in await bridge.house.store.proxied_calls.begun_before(2**40))
        writer.write(b"lf" if begun else answer("200 OK", b"half"))

    bridge.api.play = play
    assert (await bridge.call()).content == b"half"
    assert noted == ["/a"]
    assert len(await bridge.events()) == 2
    assert not await bridge.house.store.proxied_calls.begun_before(2**40)


async def test_no_note_no_call(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account was disconnected between the look and the call."""
    await bridge.house.store.commit(
        bridge.house.store.connected_accounts.save(
            (await bridge.house.store.connected_accounts.of_user("auth0|ada"))[0].__class__(
                id="account-ada", user_id="auth0|ada", connection="calendar", state="reconnect", upstream_id="ada"
            )
        )
    )
    got = await bridge.call()
    assert code_of(got) == (401, "federated_connection_refresh_token_flow_failed")
    assert bridge.api.seen == []
    assert await bridge.events() == []


async def test_an_account_that_goes_between_the_look_and_the_call(
    any_bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its use is noted first, be it for a read; there is nothing to note it at."""
    bridge = any_bridge
    look = borrowed

    async def then_gone(*about: Any) -> Any:
        found = await look(*about)
        await bridge.house.store.commit(bridge.house.store.connected_accounts.remove("account-ada", "auth0|ada"))
        return found

    await bridge.token()
    monkeypatch.setattr("remit_server.vault.proxy.borrowed", then_gone)
    assert code_of(await bridge.call()) == (401, "federated_connection_refresh_token_flow_failed")
    assert bridge.api.seen == []
    assert await bridge.events() == []


def _with(settings: Any, **members: Any) -> Any:
    return msgspec.structs.replace(settings, **members)

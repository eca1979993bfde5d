"""The My Account API as Auth0's server SDKs call it, and the hosted pages of the connect flow."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.fixtures.browser import forms
from tests.fixtures.house import challenge
from tests.fixtures.vault import APP, VERIFIER, Vault

from remit_server.records import ConnectedAccount, Policy
from remit_server.vault import upstream
from remit_server.vault.disconnect import disconnect

SCOPE_OF = {"connect": "create", "complete": "create", "accounts": "read", "connections": "read"}


async def came_back(vault: Vault, begun: Any, user: str = "ada", **more: Any) -> dict[str, str]:
    """Follow a `connect` answer through the browser; what the app's redirect URI receives."""
    body = begun.json()
    browser = await vault.follow(f"{body['connect_uri']}?ticket={body['connect_params']['ticket']}", user, **more)
    assert browser.left_for is not None, browser.page.text
    assert browser.left_for.startswith(APP)
    return browser.returned


async def complete(vault: Vault, begun: Any, returned: dict[str, str], **changes: Any) -> Any:
    who = {name: changes.pop(name) for name in ("client", "user") if name in changes}
    body = {
        "auth_session": begun.json()["auth_session"], "connect_code": returned["connect_code"], "redirect_uri": APP,
        "code_verifier": VERIFIER, **changes,
    }  # fmt: skip
    return await vault.me("POST", "complete", json={k: v for k, v in body.items() if v is not None}, **who)


async def test_the_whole_way(any_vault: Vault) -> None:
    vault = any_vault
    begun = await vault.begin()
    assert begun.status_code == 201, begun.text
    body = begun.json()
    assert body.keys() == {"auth_session", "connect_uri", "connect_params", "expires_in"}
    assert body["connect_uri"] == vault.house.issuer + "connect"
    assert isinstance(body["expires_in"], int)

    returned = await came_back(vault, begun)
    assert returned.keys() == {"connect_code", "state"}
    assert returned["state"] == "st&te"
    assert (await vault.me("GET", "accounts")).json() == {"accounts": []}, "not before complete"

    done = await complete(vault, begun, returned)
    assert done.status_code == 201, done.text
    account = done.json()
    assert (account["connection"], account["access_type"], account["scopes"]) == (
        "calendar",
        "offline",
        ["calendar.read"],
    )
    assert account["created_at"].endswith("Z")
    assert not [key for key in account if "token" in key]
    listed = await vault.me("GET", "accounts")
    assert (listed.status_code, listed.json()) == (200, {"accounts": [account]})
    assert (await vault.exchange()).status_code == 200

    gone = await vault.me("DELETE", f"accounts/{account['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await vault.exchange()).json()["error"] == "federated_connection_refresh_token_not_found"
    assert (await vault.me("DELETE", f"accounts/{account['id']}")).status_code == 404
    assert vault.meridian.calls("/revoke") == 1
    (event,) = await vault.house.events("vault.disconnected")
    assert event.about["upstream_confirmed"] is True


async def test_the_connections_that_an_app_may_use(vault: Vault) -> None:
    await vault.house.store.commit(vault.house.store.connections.put(vault.meridian.connection("chat")))
    listed = (await vault.me("GET", "connections")).json()
    assert listed == {"connections": [{"name": "calendar", "strategy": "oauth2", "scopes": ["calendar.read"]}]}
    await vault.allow("agent", calendar=("calendar.read",), chat=("chat.write",))
    first = (await vault.me("GET", "connections?take=1")).json()
    assert ([each["name"] for each in first["connections"]], first["next"]) == (["calendar"], "calendar")
    second = (await vault.me("GET", f"connections?take=1&from={first['next']}")).json()
    assert ([each["name"] for each in second["connections"]], "next" in second) == (["chat"], False)


async def test_the_accounts_page_by_page(vault: Vault) -> None:
    accounts = vault.house.store.connected_accounts
    for number in range(7):
        name = "calendar" if number % 2 else "chat"
        await vault.house.store.commit(
            accounts.add(ConnectedAccount(id=f"01J{number}", user_id="auth0|ada", connection=name, created_at=1))
        )
    found, after = [], ""
    while True:
        page = (await vault.me("GET", "accounts", params={"take": "3"} | ({"from": after} if after else {}))).json()
        assert len(page["accounts"]) <= 3
        found += [account["id"] for account in page["accounts"]]
        if "next" not in page:
            break
        after = page["next"]
    assert found == [f"01J{number}" for number in range(7)]
    only = (await vault.me("GET", "accounts", params={"connection": "calendar", "take": "2"})).json()
    assert ([each["id"] for each in only["accounts"]], only["next"]) == (["01J1", "01J3"], "01J3")
    last = (await vault.me("GET", "accounts", params={"connection": "calendar", "from": "01J3"})).json()
    assert ([each["id"] for each in last["accounts"]], "next" in last) == (["01J5"], False)
    assert (await vault.me("GET", "accounts", params={"from": "zzz"})).json() == {"accounts": []}
    assert (await vault.me("GET", "accounts", params={"connection": "nowhere"})).json() == {"accounts": []}


async def test_a_page_has_a_size(vault: Vault) -> None:
    for take in ["0", "101", "-1", "x", "1e2", "٣"]:
        answer = await vault.me("GET", "accounts", params={"take": take})
        assert (answer.status_code, answer.json()["validation_errors"][0]["field"]) == (400, "take"), take


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"connection": None}, "connection"),
    ({"connection": "c" * 129}, "connection"),
    ({"connection": 7}, "connection"),
    ({"redirect_uri": None}, "redirect_uri"),
    ({"redirect_uri": "https://evil.example/"}, "redirect_uri"),
    ({"redirect_uri": APP + "/more"}, "redirect_uri"),
    ({"state": "s" * 4097}, "state"),
    ({"code_challenge": None}, "code_challenge"),
    ({"code_challenge": "short"}, "code_challenge"),
    ({"code_challenge": "!" * 43}, "code_challenge"),
    ({"code_challenge_method": "plain"}, "code_challenge_method"),
    ({"code_challenge_method": None}, "code_challenge_method"),
    ({"scopes": "calendar.read"}, "scopes"),
    ({"scopes": ["a b", 3]}, "scopes"),
    ({"scopes": ["calendar.write"]}, "scopes"),
    ({"scopes": [str(i) for i in range(101)]}, "scopes"),
    ({"authorization_params": ["x"]}, "authorization_params"),
    ({"authorization_params": {"redirect_uri": "https://evil.example/"}}, "authorization_params"),
    ({"authorization_params": {"state": "mine"}}, "authorization_params"),
    ({"authorization_params": {"Scope": "all"}}, "authorization_params"),
    ({"authorization_params": {"optional_scope": "all"}}, "authorization_params"),
    ({"authorization_params": {"authorization_details": "[]"}}, "authorization_params"),
    ({"authorization_params": {"prompt": 1.5}}, "authorization_params"),
    ({"authorization_params": {"prompt": None}}, "authorization_params"),
    ({"authorization_params": {"prompt": "p" * 1025}}, "authorization_params"),
    ({"authorization_params": {"a\nb": "c"}}, "authorization_params"),
    ({"authorization_params": {f"p{i}": "x" for i in range(21)}}, "authorization_params"),
    ({"connection": ""}, "connection"),
    ({"redirect_uri": APP + "?" + "r" * 2048}, "redirect_uri"),
    ({"state": "s\x00"}, "state"),
    ({"code_challenge": "c" * 42}, "code_challenge"),
    ({"code_challenge": "c" * 129}, "code_challenge"),
    ({"scopes": ["s" * 513]}, "scopes"),
    ({"scopes": ["calendar.read\n"]}, "scopes"),
]

AT_THE_LIMIT: list[dict[str, Any]] = [
    {"state": None},
    {"state": "s" * 4096},
    {"code_challenge": "c" * 43},
    {"code_challenge": "c" * 128},
    {"scopes": []},
    {"scopes": ["calendar.read"] * 100},
    {"authorization_params": {}},
    {"authorization_params": {f"p{i}": "x" * 1024 for i in range(20)}},
    {"authorization_params": {"max_age": 0, "force": True}},
    {"unknown": "members are left alone"},
]

# Who calls wrong, what they get: method, path, what they send, status, code.
WRONG_CALLS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "connect", {}, 405, "method_not_allowed"),
    ("PUT", "accounts", {}, 405, "method_not_allowed"),
    ("GET", "accounts/01JNONE", {}, 405, "method_not_allowed"),
    ("DELETE", "connections", {}, 405, "method_not_allowed"),
    ("DELETE", "accounts/01JNONE", {}, 404, "not_found"),
    ("POST", "connect", {"content": b'{"connection": "a", "connection": "b"}'}, 400, "invalid_request"),
    ("POST", "connect", {"content": b'{"connection": "' + b"c" * 400_000}, 413, "payload_too_large"),
    ("GET", "accounts?take=1&take=2", {}, 400, "invalid_request"),
    ("GET", "connections?take=0", {}, 400, "invalid_request"),
]


class TestProblems:
    async def test_a_token_without_the_scope_is_refused(self, vault: Vault) -> None:
        for path, needed in SCOPE_OF.items():
            method = "POST" if path in {"connect", "complete"} else "GET"
            other = "read" if needed == "create" else "delete"
            answer = await vault.me(method, path, scope=f"openid {other}:me:connected_accounts", json={})
            assert answer.status_code == 403
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json() | {"scope": ""} == {
                "type": "urn:remit:problem:insufficient_scope", "title": "Insufficient scope", "status": 403,
                "detail": "The access token does not carry the scope that this needs.", "scope": "",
            }  # fmt: skip

    async def test_a_token_for_another_audience_is_refused(self, vault: Vault) -> None:
        token = (await vault.tokens("agent", audience="https://notes.example", scope="openid notes:read"))[
            "access_token"
        ]
        answer = await vault.house.http.get(
            "/me/v1/connected-accounts/accounts", headers={"Authorization": f"Bearer {token}"}
        )
        assert (answer.status_code, answer.json()["status"]) == (401, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        bare = await vault.house.http.get("/me/v1/connected-accounts/accounts")
        assert (bare.status_code, bare.headers["content-type"]) == (401, "application/problem+json")

    async def test_each_bad_field_is_named(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vault.house.machines.throttle, "check", lambda *_, **__: None)
        for changes, field in BAD_FIELDS:
            answer = await vault.begin(**changes)
            assert answer.status_code == 400, changes
            assert field in {error["field"] for error in answer.json()["validation_errors"]}, changes

    async def test_what_is_at_the_limit_is_taken(self, vault: Vault) -> None:
        for changes in AT_THE_LIMIT:
            answer = await vault.begin(**changes)
            assert answer.status_code == 201, (changes, answer.text)
        longest = APP + "?" + "r" * (2048 - len(APP) - 1)
        await vault.change("agent", redirect_uris=(APP, longest))
        assert (await vault.begin(redirect_uri=longest)).status_code == 201

    async def test_each_wrong_call_is_a_problem_document(self, vault: Vault) -> None:
        for method, path, sent, status, code in WRONG_CALLS:
            answer = await vault.me(method, path, **sent)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
            body = answer.json()
            assert (body["type"], body["status"]) == (f"urn:remit:problem:{code}", status)
            assert body.keys() >= {"title", "detail"}
            assert answer.headers["cache-control"] == "no-store"

    async def test_too_many_flows_are_told_to_wait(self, vault: Vault) -> None:
        answers = [await vault.begin() for _ in range(31)]
        assert [answer.status_code for answer in answers] == [201] * 30 + [429]
        assert answers[-1].json()["type"] == "urn:remit:problem:too_many_requests"
        assert int(answers[-1].headers["retry-after"]) >= 1

    async def test_an_unknown_connection_is_as_one_for_others(self, vault: Vault) -> None:
        connections = vault.house.store.connections
        await vault.house.store.commit(connections.put(vault.meridian.connection("chat")))
        await vault.house.store.commit(connections.put(vault.meridian.connection("sign-in", use=("authentication",))))
        for name in ("nowhere", "chat", "sign-in"):
            answer = await vault.begin(connection=name)
            assert (answer.status_code, answer.json()["type"]) == (404, "urn:remit:problem:not_found")

    async def test_a_body_that_is_no_object(self, vault: Vault) -> None:
        for path, body in product(("connect", "complete"), (b"", b"[]", b"nonsense", b'{"a":1')):
            assert (await vault.me("POST", path, content=body)).status_code == 400


OTHERS: list[dict[str, Any]] = [
    {"auth_session": "another"},
    {"connect_code": "another"},
    {"redirect_uri": "http://127.0.0.1:7778/callback"},
    {"code_verifier": VERIFIER + "x"},
    {"code_verifier": "ü" * 43},
    {"code_verifier": None},
    {"auth_session": None},
    {"user": "bob"},
    {"client": "web"},
]


class TestComplete:
    async def test_it_is_for_the_client_and_person_who_began(self, vault: Vault) -> None:
        await vault.allow("web", calendar=("calendar.read",))
        begun = await vault.begin()
        returned = await came_back(vault, begun)
        for changes in OTHERS:
            refused = await complete(vault, begun, returned, **changes)
            assert refused.status_code == 400, changes
        assert (await complete(vault, begun, returned)).status_code == 201, "wrong guesses cost the right one nothing"

    async def test_a_policy_of_the_meantime_is_asked_again(self, vault: Vault) -> None:
        begun = await vault.begin()
        returned, policies = await came_back(vault, begun), vault.house.store.policies
        text = """permit(principal, action, resource); @id("no-more") forbid(principal, action == Action::"connect", resource);"""
        await vault.house.store.commit(policies.put(Policy(name="test.cedar", text=text)))
        refused = await complete(vault, begun, returned)
        assert refused.json()["type"].endswith(":access_denied"), refused.text
        assert await vault.house.store.connected_accounts.of_user("auth0|ada") == []
        await vault.house.store.commit(policies.remove("test.cedar"))
        assert (await complete(vault, begun, returned)).status_code == 201

    async def test_it_happens_once(self, any_vault: Vault) -> None:
        vault = any_vault
        begun = await vault.begin()
        returned = await came_back(vault, begun)
        answers = await asyncio.gather(*(complete(vault, begun, returned) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [201] + [400] * 19
        assert len((await vault.me("GET", "accounts")).json()["accounts"]) == 1

    async def test_it_comes_too_late(self, vault: Vault) -> None:
        begun = await vault.begin()
        returned = await came_back(vault, begun)
        vault.later(601)
        vault._tokens.clear()
        assert (await complete(vault, begun, returned)).status_code == 400

    async def test_the_same_account_again_keeps_its_id(self, vault: Vault) -> None:
        ids = set()
        for _ in range(2):
            begun = await vault.begin()
            ids.add((await complete(vault, begun, await came_back(vault, begun))).json()["id"])
        assert len(ids) == 1


class TestThePages:
    async def test_the_start_page_says_who_asks_for_what_and_where_it_leads(self, vault: Vault) -> None:
        body = (await vault.begin()).json()
        browser = await vault.house.sign_in("ada")
        page = await browser.get(f"/connect?ticket={body['connect_params']['ticket']}")
        for said in (
            "Trading assistant",
            "Meridian",
            "calendar.read",
            "Ada Lovelace",
            "Watches prices",
            urlsplit(vault.meridian.url).netloc,
        ):
            assert said in page.text
        href = await vault.leave(browser)
        asked = dict(parse_qsl(urlsplit(href).query))
        assert href.startswith(vault.meridian.url + "/authorize?")
        assert asked.keys() == {
            "response_type", "client_id", "redirect_uri", "state", "scope", "code_challenge", "code_challenge_method"
        }  # fmt: skip
        assert asked["redirect_uri"] == vault.house.issuer + "connect/callback/calendar"
        assert asked["code_challenge"] != challenge(VERIFIER), "our own verifier, not the app's"
        assert asked["state"] != "st&te"

    async def test_parameters_go_upstream_and_the_operators_outrank_the_apps(self, vault: Vault) -> None:
        calendar = vault.meridian.connection(authorization_params={"access_type": "offline"})
        await vault.house.store.commit(vault.house.store.connections.put(calendar))
        begun = await vault.begin(authorization_params={"access_type": "online", "prompt": "consent"})
        browser = await vault.house.sign_in("ada")
        await browser.get(f"/connect?ticket={begun.json()['connect_params']['ticket']}")
        asked = dict(parse_qsl(urlsplit(await vault.leave(browser)).query))
        assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")

    async def test_who_is_not_signed_in_signs_in_and_comes_back_to_it(self, vault: Vault) -> None:
        begun = await vault.begin()
        browser = vault.house.browser()
        await browser.get(f"/connect?ticket={begun.json()['connect_params']['ticket']}")
        assert browser.form.action == "/login"
        await vault.house.sign_in("ada", browser)
        assert "Trading assistant" in browser.page.text

    async def test_cancelling_here_tells_the_app(self, vault: Vault) -> None:
        begun = await vault.begin()
        browser = await vault.house.sign_in("ada")
        link = f"/connect?ticket={begun.json()['connect_params']['ticket']}"
        await browser.get(link)
        await browser.submit(press=("answer", "cancel"))
        assert browser.returned == {"error": "access_denied", "state": "st&te"}
        assert (await browser.get(link)).status_code == 404

    async def test_saying_no_there_tells_the_app(self, vault: Vault) -> None:
        returned = await came_back(vault, await vault.begin(), press="deny")
        assert returned["error"] == "access_denied"
        assert "connect_code" not in returned

    async def test_saying_no_there_ends_on_a_page_where_no_app_waits(self, vault: Vault) -> None:
        link = (await vault.exchange()).json()["connect_uri"]
        browser = await vault.follow(link, press="deny")
        assert (browser.page.status_code, "is not connected" in browser.page.text) == (200, True)

    async def test_a_provider_that_fails_is_told_in_plain_words(self, vault: Vault) -> None:
        for path in ("/token", "/userinfo"):
            link = (await vault.exchange()).json()["connect_uri"]
            vault.meridian.fail("refuse", path=path, status=500)
            browser = await vault.follow(link)
            assert "is not connected" in browser.page.text
        assert (await vault.me("GET", "accounts")).json() == {"accounts": []}

    async def test_a_link_is_spent_when_the_person_is_back(self, vault: Vault) -> None:
        link = (await vault.exchange()).json()["connect_uri"]
        browser = await vault.follow(link)
        assert (await browser.get(link)).status_code == 404

    async def test_a_link_ends_after_ten_minutes(self, vault: Vault) -> None:
        link = (await vault.exchange()).json()["connect_uri"]
        vault.later(600)
        browser = await vault.house.sign_in("ada")
        assert (await browser.get(link)).status_code == 404

    async def test_going_back_and_on_again_leads_there_again_and_the_older_trip_nowhere(self, vault: Vault) -> None:
        link = (await vault.exchange()).json()["connect_uri"]
        browser = await vault.house.sign_in("ada")
        await browser.get(link)
        older = await vault.leave(browser)
        await vault.follow(link, browser=browser)
        assert "is connected" in browser.page.text
        page = await browser.get(await vault.meridian.agree(older))
        assert page.status_code == 404

    async def test_a_person_begins_so_many_times_a_minute(self, vault: Vault) -> None:
        await vault.connected()
        reconnect = f"/accounts/{(await vault.account()).id}/reconnect"
        browser, other = await vault.house.sign_in("ada"), await vault.house.sign_in("bob")
        for who in (browser, other):
            page = await who.get("/accounts")
            form = next(form for form in forms(page.text) if form.action == "/accounts/connect")
            statuses = [(await who.post(form.action, dict(form.fields))).status_code for _ in range(21)]
            assert statuses == [200] * 20 + [429], "each has their own"
            assert (await who.post(reconnect, dict(form.fields))).status_code == 429, "be it to connect anew"

    async def test_disconnecting_by_hand(self, vault: Vault) -> None:
        await vault.connected()
        browser = await vault.house.sign_in("ada")
        page = await browser.get("/accounts")
        assert "ada@meridian.example" in page.text
        form = next(form for form in forms(page.text) if form.action.endswith("/disconnect"))
        page = await browser.submit(form)
        assert "Meridian is disconnected: ada@meridian.example. The provider confirmed it." in page.text
        assert (await vault.exchange()).status_code == 401

    async def test_a_disconnect_that_upstream_did_not_confirm_says_so(self, vault: Vault) -> None:
        await vault.connected()
        vault.meridian.fail("refuse", path="/revoke", status=503)
        browser = await vault.house.sign_in("ada")
        page = await browser.get("/accounts")
        page = await browser.submit(next(form for form in forms(page.text) if form.action.endswith("/disconnect")))
        assert "did not confirm" in page.text
        assert (await vault.exchange()).status_code == 401, "it is gone here all the same"

    async def test_agents_stop_before_the_provider_is_told_and_a_crash_there_loses_nothing(
        self, vault: Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await vault.connected()
        token, account = await vault.refresh_token(), await vault.account()
        ada = await vault.house.store.users.get("auth0|ada")
        assert ada is not None
        during: list[int] = []

        async def dies(*_: Any) -> bool:
            during.append((await vault.exchange(subject_token=token)).status_code)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(upstream, "revoke", dies)
            with pytest.raises(KeyboardInterrupt):
                await disconnect(vault.house.machines, ada, account)
        assert during == [401], "nobody borrows any more"
        left = await vault.account()
        assert (left.state, left.refresh_token) == ("disconnected", account.refresh_token), "with what is to be revoked"
        assert await disconnect(vault.house.machines, ada, left) == "confirmed"

    async def test_reconnecting_by_hand_mends_the_account_in_its_place(self, vault: Vault) -> None:
        await vault.connected()
        before = await vault.account()
        vault.meridian.authority.withdraw()
        vault.later(300)
        await vault.exchange()
        browser = await vault.house.sign_in("ada")
        page = await browser.get("/accounts")
        assert ">reconnect<" in page.text
        await browser.submit(next(form for form in forms(page.text) if form.action.endswith("/reconnect")))
        await vault.follow(str(browser.page.request.url), browser=browser)
        after = await vault.account()
        assert (after.id, after.state, after.scopes) == (before.id, "ok", before.scopes)

    async def test_a_form_of_another_site_does_nothing(self, vault: Vault) -> None:
        await vault.connected()
        account = await vault.account()
        browser = await vault.house.sign_in("ada")
        sent = {"connection": "calendar", "ticket": "x", "answer": "continue", "csrf": "made up"}
        verbs = ("disconnect", "reconnect", "default", "agents")
        for path in ("connect", "connect/start", *(f"{account.id}/{verb}" for verb in verbs)):
            assert (await browser.post(f"/accounts/{path}", sent)).status_code == 403
        assert await vault.account() == account

    async def test_nothing_of_this_is_there_for_a_guest(self, vault: Vault) -> None:
        browser = vault.house.browser()
        await browser.get("/accounts")
        assert browser.form.action == "/login"

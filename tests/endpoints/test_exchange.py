"""Borrowing a connected account at the token endpoint: who may, what comes back, what an error says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fixtures.browser import forms
from tests.fixtures.house import BROKER, SECRET
from tests.fixtures.vault import ACCESS, ADA, BOB, REFRESH, Vault
from tests.ledger import proves

from remit_server.rules.connection import NotNarrowed
from remit_server.rules.exchange import FEDERATED as FEDERATED_TYPE
from remit_server.vault import upstream
from remit_server.vault.grants.token_exchange import FEDERATED, RFC_8693


async def test_an_account_is_connected_by_the_link_of_the_refusal_and_borrowed(any_vault: Vault) -> None:
    vault = any_vault
    refused = await vault.exchange()
    assert refused.status_code == 401
    body = refused.json()
    assert body["error"] == "federated_connection_refresh_token_not_found"
    assert refused.headers["content-type"] == "application/json"
    assert "www-authenticate" not in refused.headers
    browser = await vault.follow(body["connect_uri"])
    assert "is connected" in browser.page.text
    assert "ada@meridian.example" in browser.page.text

    answer = await vault.exchange()
    assert answer.status_code == 200, answer.text
    lent = answer.json()
    assert lent.keys() == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (lent["token_type"], lent["scope"], lent["issued_token_type"]) == ("Bearer", "calendar.read", FEDERATED_TYPE)
    assert 0 < lent["expires_in"] <= 300
    assert vault.meridian.authority.bearer(lent["access_token"], "calendar.read").id == "mer_ada"
    assert vault.meridian.calls() == 1, "it is still fresh: no refresh"
    account = await vault.account()
    assert (account.used_by, account.used_at) == ("agent", vault.house.clock.at)
    (event,) = await vault.house.events("vault.exchanged")
    assert (event.actor.user, event.actor.client, event.subject) == ("auth0|ada", "agent", account.id)
    text = repr(await vault.house.events())
    assert lent["access_token"] not in text
    assert account.refresh_token not in text


async def test_the_subject_token_is_not_spent(vault: Vault) -> None:
    await vault.connected()
    token = await vault.refresh_token()
    for _ in range(2):
        assert (await vault.exchange(subject_token=token)).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": token, **vault.house.proof("agent")}
    assert (await vault.house.http.post("/oauth/token", data=form)).status_code == 200
    assert (await vault.exchange(subject_token=token)).json()["error"] == "invalid_grant"  # rotated away


CALENDAR = "urn:remit:connection:calendar"


async def test_plain_rfc_8693_names_the_connection_by_its_name_or_its_uri(vault: Vault) -> None:
    await vault.connected()
    named: list[dict[str, Any]] = [
        {"connection": "calendar"}, {"connection": None, "audience": CALENDAR}, {"connection": None, "resource": CALENDAR}
    ]  # fmt: skip
    for how in named:
        answer = await vault.exchange(grant_type=RFC_8693, **how)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["issued_token_type"], answer.json()["token_type"]) == (ACCESS, "Bearer")
        assert answer.headers["cache-control"] == "no-store"


async def test_plain_rfc_8693_has_one_target_and_it_is_a_connection(vault: Vault) -> None:
    """A bare name in `audience` would be an API's, so it is never a connection's."""
    await vault.connected()
    for how in (
        {"audience": "calendar"}, {"audience": BROKER}, {"connection": "calendar", "audience": BROKER},
        {"audience": CALENDAR, "resource": "urn:remit:connection:mail"},
    ):  # fmt: skip
        answer = await vault.exchange(grant_type=RFC_8693, **{"connection": None, **how})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target"), how


async def test_json_is_as_good_as_a_form(vault: Vault) -> None:
    await vault.connected()
    body = {
        "grant_type": FEDERATED, "subject_token": await vault.refresh_token(), "subject_token_type": REFRESH,
        "requested_token_type": FEDERATED_TYPE, "connection": "calendar", "login_hint": None, "client_id": "agent",
        "client_secret": SECRET,
    }  # fmt: skip
    assert (await vault.house.http.post("/oauth/token", json=body)).status_code == 200


BAD: list[tuple[dict[str, Any], str]] = [
    ({"subject_token": "made up"}, "invalid_grant"),
    ({"subject_token_type": ACCESS}, "invalid_grant"),
    ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
    ({"subject_token_type": None}, "invalid_request"),
    ({"subject_token": None}, "invalid_request"),
    ({"requested_token_type": REFRESH}, "invalid_request"),
    ({"connection": None}, "invalid_request"),
    ({"connection": "nowhere"}, "invalid_target"),
    ({"actor_token": "x"}, "invalid_request"),
    ({"scope": "calendar.write"}, "invalid_scope"),
    ({"scope": 'a"b'}, "invalid_scope"),
]


async def test_each_bad_request_has_its_error(vault: Vault) -> None:
    await vault.connected()
    for changes, error in BAD:
        answer = await vault.exchange(**changes)
        assert (answer.status_code, answer.json()["error"]) == (400, error), changes


class TestWhoMay:
    @proves("vault.right-client")
    async def test_another_clients_refresh_token_is_worth_nothing(self, vault: Vault) -> None:
        await vault.connected()
        await vault.allow("web", calendar=("calendar.read",))
        await vault.change("web", grants=("authorization_code", "refresh_token", "token_exchange"))
        answer = await vault.exchange("web", subject_token=await vault.refresh_token("agent"))
        assert answer.json()["error"] == "invalid_grant"

    @proves("vault.right-client")
    async def test_an_api_exchanges_the_token_that_was_issued_for_it(self, vault: Vault) -> None:
        await vault.connected()
        await vault.allow("broker-api", calendar=("calendar.read",))
        token = (await vault.tokens("agent", audience=BROKER, scope="openid trade:write"))["access_token"]
        answer = await vault.exchange("broker-api", subject_token=token, subject_token_type=ACCESS)
        assert answer.status_code == 200, answer.text
        (event,) = await vault.house.events("vault.exchanged")
        assert (event.actor.client, event.actor.chain) == ("broker-api", ("agent",))

    @proves("vault.right-client")
    async def test_a_token_for_another_api_is_refused(self, vault: Vault) -> None:
        await vault.connected()
        await vault.allow("broker-api", calendar=("calendar.read",))
        for audience in ("https://notes.example", vault.house.issuer + "me/"):
            scope = "openid notes:read" if "notes" in audience else "openid read:me:connected_accounts"
            token = (await vault.tokens("agent", audience=audience, scope=scope))["access_token"]
            answer = await vault.exchange("broker-api", subject_token=token, subject_token_type=ACCESS)
            assert answer.json()["error"] == "invalid_grant"

    async def test_who_is_no_api_does_not_exchange_access_tokens(self, vault: Vault) -> None:
        await vault.connected()
        token = (await vault.tokens("agent", audience=BROKER, scope="openid trade:write"))["access_token"]
        answer = await vault.exchange("agent", subject_token=token, subject_token_type=ACCESS)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")

    async def test_a_client_without_the_connection_learns_nothing_of_it(self, vault: Vault) -> None:
        await vault.connected()
        await vault.allow("agent")
        known, unknown = await vault.exchange(), await vault.exchange(connection="nowhere")
        assert known.json()["error"] == unknown.json()["error"] == "invalid_target"
        assert known.json()["error_description"].replace("calendar", "") == unknown.json()["error_description"].replace(
            "nowhere", ""
        )

    async def test_a_suspended_agent_borrows_nothing(self, vault: Vault) -> None:
        await vault.connected()
        token = await vault.refresh_token()
        await vault.change("agent", state="suspended")
        assert (await vault.exchange(subject_token=token)).json()["error"] == "invalid_client"

    async def test_a_revoked_agreement_lends_nothing(self, vault: Vault) -> None:
        await vault.connected()
        token = await vault.refresh_token()
        form = {"token": token, **vault.house.proof("agent")}
        await vault.house.http.post("/oauth/revoke", data=form)
        assert (await vault.exchange(subject_token=token)).json()["error"] == "invalid_grant"

    async def test_an_application_of_its_own_has_no_persons_account(self, vault: Vault) -> None:
        await vault.connected()
        await vault.allow("broker-api", calendar=("calendar.read",))
        form = {"grant_type": "client_credentials", "audience": BROKER, **vault.house.proof("agent")}
        token = (await vault.house.http.post("/oauth/token", data=form)).json()["access_token"]
        answer = await vault.exchange("broker-api", subject_token=token, subject_token_type=ACCESS)
        assert answer.json()["error"] == "invalid_grant"

    async def test_who_asks_without_end_gets_the_error_and_no_more_links(self, vault: Vault) -> None:
        answers = [await vault.exchange() for _ in range(25)]
        assert {answer.json()["error"] for answer in answers} == {"federated_connection_refresh_token_not_found"}
        assert ["connect_uri" in answer.json() for answer in answers] == [True] * 20 + [False] * 5


class TestScopes:
    @proves("vault.no-more-than-allowed")
    async def test_a_client_never_gets_more_than_it_may_borrow(self, vault: Vault) -> None:
        """The person granted reading and writing to one agent; another that may only read gets a token that only reads."""
        await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
        await vault.connected()
        await vault.allow("agent", calendar=("calendar.read",))
        lent = (await vault.exchange()).json()
        assert lent["scope"] == "calendar.read"
        with pytest.raises(Exception, match=r"calendar\.write"):
            vault.meridian.authority.bearer(lent["access_token"], "calendar.write")
        again = (await vault.exchange()).json()
        assert again["access_token"] == lent["access_token"], "the narrowed token is kept, too"

    async def test_a_narrower_token_on_request(self, vault: Vault) -> None:
        await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
        await vault.connected()
        assert (await vault.exchange()).json()["scope"] == "calendar.read calendar.write"
        assert (await vault.exchange(scope="calendar.write")).json()["scope"] == "calendar.write"
        assert (await vault.exchange()).json()["scope"] == "calendar.read calendar.write"

    async def test_what_the_person_did_not_grant_comes_with_a_link_to_grant_it(self, vault: Vault) -> None:
        await vault.connected()
        await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
        answer = (await vault.exchange(scope="calendar.read calendar.write")).json()
        assert answer["scope"] == "calendar.read"
        await vault.follow(answer["connect_uri"])
        both = (await vault.exchange(scope="calendar.read calendar.write")).json()
        assert (both["scope"], "connect_uri" in both) == ("calendar.read calendar.write", False)
        nothing = await vault.exchange(scope="calendar.read")
        assert nothing.json()["scope"] == "calendar.read"

    async def test_a_part_that_the_provider_refuses_takes_the_whole_from_nobody(
        self, vault: Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One asks for a part, and is refused; another, who asks for all of it meanwhile, is not."""
        await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
        await vault.connected()
        vault.later(300)
        token, ask = await vault.refresh_token(), upstream.refresh

        async def refuses_parts(*params: Any, **more: Any) -> Any:
            if params[-1]:
                await asyncio.sleep(0.1)
                return NotNarrowed()
            return await ask(*params, **more)

        monkeypatch.setattr(upstream, "refresh", refuses_parts)
        part = asyncio.create_task(vault.exchange(subject_token=token, scope="calendar.read"))
        await asyncio.sleep(0.05)
        whole = await vault.exchange(subject_token=token)
        assert (whole.status_code, whole.json().get("scope")) == (200, "calendar.read calendar.write")
        assert (await part).json()["error"] == "access_denied"

    async def test_one_agents_wish_does_not_take_away_what_another_has(self, vault: Vault) -> None:
        await vault.connected()
        account = await vault.account()
        await vault.allow("agent", calendar=("calendar.write",))
        refused = await vault.exchange()
        assert refused.json()["error"] == "federated_connection_refresh_token_not_found"
        await vault.follow(refused.json()["connect_uri"])
        after = await vault.account()
        assert (after.id, set(after.scopes)) == (account.id, {"calendar.read", "calendar.write"})


class TestSeveralAccounts:
    async def test_the_hint_picks_one(self, vault: Vault) -> None:
        await vault.connected()
        browser = await vault.house.sign_in("ada")
        await browser.get("/accounts")
        await browser.submit(next(form for form in forms(browser.page.text) if form.action == "/accounts/connect"))
        await vault.follow(str(browser.page.request.url), there="bob", browser=browser)
        hints = {"mer_ada": "mer_ada", ADA.email: "mer_ada", "mer_bob": "mer_bob", BOB.email: "mer_bob"}
        for hint, whose in hints.items():
            lent = (await vault.exchange(login_hint=hint)).json()
            assert vault.meridian.authority.bearer(lent["access_token"], None).id == whose
        missing = await vault.exchange(login_hint="mer_eve")
        assert missing.json()["error"] == "federated_connection_refresh_token_not_found"

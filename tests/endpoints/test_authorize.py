"""GET and POST /authorize, up to the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.browser import forms
from tests.fixtures.house import AGENT, BROKER, NOTES, WEB, House, built, challenge, request_of, sqlite

from remit_server.records import Client
from remit_server.runtime.ids import hashed

ORDER = {
    "type": "trade_order", "side": "buy", "ticker": "ZEKO", "quantity": 10,
    "limit": {"amount": 4120, "currency": "USD"}, "account": "...4821",
}  # fmt: skip


async def test_a_person_signs_in_and_the_client_gets_its_code(house: House) -> None:
    browser = house.browser()
    page = await house.authorize(browser, "stranger", nonce="n-1")
    assert page.status_code == 200
    assert browser.form.action == "/login"
    assert "Research helper" in page.text
    await house.sign_in("ada", browser)
    await browser.submit(press=("answer", "allow"))
    assert browser.left_for is not None
    assert browser.left_for.startswith(WEB + "?")
    assert browser.returned.keys() == {"code", "state", "iss"}
    assert browser.returned["state"] == "st-4711"
    assert browser.returned["iss"] == house.issuer


async def test_the_code_becomes_tokens_that_say_what_was_agreed(house: House) -> None:
    body = await house.tokens_for("web", audience=BROKER, scope="openid trade:write offline_access", nonce="n-1")
    assert body["scope"] == "openid trade:write offline_access"
    assert {"access_token", "id_token", "refresh_token"} <= body.keys()


@pytest.mark.parametrize(("mode", "sign"), [("query", "?"), ("fragment", "#")])
async def test_the_answer_goes_where_the_response_mode_says(house: House, mode: str, sign: str) -> None:
    code = await house.code_for("web", response_mode=mode)
    assert f"{WEB}{sign}code=" in (code.browser.left_for or "")


async def test_form_post_is_a_form_to_the_client(house: House) -> None:
    browser = await house.sign_in("ada")
    await house.authorize(browser, response_mode="form_post", audience=BROKER)
    (form,) = forms(browser.page.text)
    assert (form.action, form.method) == (WEB, "post")
    assert dict(form.fields).keys() == {"code", "iss", "state"}
    assert "form-action 'self' https://app.example;" in browser.page.headers["content-security-policy"]


async def test_a_query_in_the_redirect_uri_stays(house: House) -> None:
    code = await house.code_for("stranger", redirect_uri="https://other.example/cb?x=1")
    assert (code.browser.left_for or "").startswith("https://other.example/cb?x=1&code=")


async def test_the_request_may_be_posted(house: House) -> None:
    browser = await house.sign_in("ada")
    await browser.post("/authorize", request_of(audience=BROKER), headers={"Origin": "https://app.example"})
    assert "code" in browser.returned


async def test_unknown_parameters_are_ignored(house: House) -> None:
    code = await house.code_for("web", ui_locales="nl", access_type="offline", claims="{}", whatever="1")
    assert code.value


ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "web_message"}, "unsupported_response_mode"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"prompt": "dance"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"acr_values": "urn:example:retina"}, "unmet_authentication_requirements"),
    ({"dpop_jkt": "x"}, "invalid_request"),
    ({"scope": "openid b\u00e4d"}, "invalid_scope"),
    ({"audience": "https://nobody.example"}, "invalid_target"),
    ({"resource": "/relative"}, "invalid_target"),
    ({"request": "ey"}, "request_not_supported"),
    ({"id_token_hint": "ey"}, "invalid_request"),
    ({"authorization_details": "[]"}, "invalid_authorization_details"),
    ({"authorization_details": '[{"type":"unknown"}]'}, "invalid_authorization_details"),
    ({"authorization_details": json.dumps([{**ORDER, "leverage": 10}])}, "invalid_authorization_details"),
    ({"authorization_details": json.dumps([ORDER]), "audience": NOTES}, "invalid_authorization_details"),
    ({"prompt": "none"}, "login_required"),
    ({"nonce": "n" * 2000}, "invalid_request"),
]


@pytest.mark.parametrize(("change", "error"), ERRORS, ids=[str(next(iter(c.items())))[:40] for c, _ in ERRORS])
async def test_the_client_hears_exactly_what_is_wrong(house: House, change: dict[str, Any], error: str) -> None:
    browser = house.browser()
    await house.authorize(browser, **change)
    assert browser.returned["error"] == error
    assert browser.returned["state"] == "st-4711"
    assert browser.returned["iss"] == house.issuer
    assert browser.returned["error_description"]


async def test_a_client_without_the_grant_hears_so(house: House) -> None:
    client = await house.store.clients.get("web")
    assert client is not None
    await house.store.commit(house.store.clients.put(replace(client, grants=("client_credentials",))))
    browser = house.browser()
    await house.authorize(browser)
    assert browser.returned["error"] == "unauthorized_client"


async def test_an_errors_mode_is_the_requests(house: House) -> None:
    browser = house.browser()
    await house.authorize(browser, response_mode="fragment", scope="\x01")
    assert f"{WEB}#error=invalid_scope" in (browser.left_for or "")


@pytest.mark.parametrize(
    "change", [{"client_id": None}, {"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}]
)
async def test_before_the_way_back_is_proven_nobody_is_redirected(house: House, change: dict[str, Any]) -> None:
    browser = house.browser()
    page = await house.authorize(browser, **change)
    assert page.status_code in {400, 401}
    assert browser.left_for is None
    assert page.headers["content-type"].startswith("text/html")
    assert "Reference" in page.text


async def test_a_suspended_client_gets_no_code(house: House) -> None:
    client = await house.store.clients.get("web")
    assert client is not None
    await house.store.commit(house.store.clients.put(replace(client, state="suspended")))
    page = await house.authorize(browser := house.browser())
    assert page.status_code == 401
    assert browser.left_for is None


class TestSigningIn:
    async def test_a_session_is_enough(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, audience=BROKER)
        assert "code" in browser.returned

    @pytest.mark.parametrize("prompt", ["login", "select_account"])
    async def test_prompt_asks_again_and_a_session_from_before_does_not_count(self, house: House, prompt: str) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, audience=BROKER, prompt=prompt)
        assert browser.form.action == "/login"
        await house.sign_in("ada", browser)
        assert "code" in browser.returned

    async def test_max_age_asks_again_when_the_sign_in_is_older(self, house: House) -> None:
        browser = await house.sign_in("ada")
        house.clock.forward(100)
        await house.authorize(browser, audience=BROKER, max_age="101")
        assert "code" in browser.returned
        await house.authorize(browser, audience=BROKER, max_age="100")
        assert browser.form.action == "/login"
        await house.sign_in("ada", browser)
        assert "code" in browser.returned

    async def test_max_age_zero_always_asks(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, audience=BROKER, max_age="0")
        assert browser.form.action == "/login"

    async def test_auth_time_is_when_it_was(self, house: House) -> None:
        browser = await house.sign_in("ada")
        signed_in = house.clock.now()
        house.clock.forward(100)
        code = await house.code_for("web", browser=browser, audience=BROKER)
        grant = (await house.store.grants.of_user("auth0|ada"))[0]
        assert code.value
        assert grant.auth_time == signed_in

    async def test_silence_gives_the_code_to_whoever_is_signed_in(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, audience=BROKER, prompt="none")
        assert "code" in browser.returned

    async def test_silence_asks_for_no_consent(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, "stranger", audience=BROKER, prompt="none")
        assert browser.returned["error"] == "consent_required"

    async def test_somebody_else_than_the_hint_names_is_not_let_through(self, house: House) -> None:
        hint = (await house.tokens_for("web", "bob"))["id_token"]
        browser = await house.sign_in("ada")
        await house.authorize(browser, audience=BROKER, id_token_hint=hint, prompt="none")
        assert browser.returned["error"] == "login_required"
        await house.authorize(browser, audience=BROKER, id_token_hint=hint)
        await house.sign_in("ada", browser)
        assert browser.returned["error"] == "login_required"
        await house.authorize(browser, audience=BROKER, id_token_hint=hint)
        await house.sign_in("bob", browser)
        assert "code" in browser.returned

    async def test_a_login_hint_fills_the_field(self, house: House) -> None:
        browser = house.browser()
        await house.authorize(browser, login_hint="ada@example.com")
        assert browser.form.value("identifier") == "ada@example.com"

    async def test_strength_that_nobody_can_reach_is_an_error(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, audience=BROKER, acr_values="urn:remit:acr:2fa")
        assert browser.returned["error"] == "unmet_authentication_requirements"

    async def test_an_errand_is_the_browsers_own(self, house: House) -> None:
        mine, other = house.browser(), house.browser()
        await house.authorize(mine)
        page = await other.get(str(mine.page.request.url))
        assert page.status_code == 400
        assert "another browser" in page.text

    async def test_an_errand_ends_in_plain_words(self, house: House) -> None:
        browser = house.browser()
        await house.authorize(browser)
        house.clock.forward(901)
        page = await browser.submit(identifier="ada@example.com", password="x")
        assert page.status_code == 400
        assert "took too long" in page.text


class TestConsent:
    async def test_the_page_says_who_asks_for_what(self, house: House) -> None:
        browser = await house.sign_in("ada")
        page = await house.authorize(browser, "agent", audience=[NOTES], scope="openid email notes:read offline_access")
        for words in (
            "Trading assistant", "Ada Lovelace", "Watches prices", "read your notes", "see your e-mail address",
            "127.0.0.1", "yes, too", "ada@example.com",
        ):  # fmt: skip
            assert words in page.text
        assert "form-action 'self' http://127.0.0.1;" in page.headers["content-security-policy"]

    async def test_details_read_as_their_type_says(self, house: House) -> None:
        browser = await house.sign_in("ada")
        page = await house.authorize(browser, "web", audience=BROKER, authorization_details=json.dumps([ORDER]))
        assert "buy 10 shares of ZEKO" in page.text
        assert "412.00 USD" in page.text

    async def test_no_means_no(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, "stranger")
        await browser.submit(press=("answer", "cancel"))
        assert browser.returned["error"] == "access_denied"
        assert await house.events("consent.refused")
        assert not await house.store.grants.of_user("auth0|ada")

    async def test_what_is_unticked_is_not_granted(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, "stranger", audience=BROKER, scope="openid trade:write portfolio:read")
        form = browser.form
        form.fields = [(n, v) for n, v in form.fields if (n, v) != ("scope", "trade:write")]
        await browser.submit(form, press=("answer", "allow"))
        (grant,) = await house.store.grants.of_user("auth0|ada")
        assert grant.scopes == ("openid", "portfolio:read")

    async def test_nothing_can_be_ticked_that_was_not_asked_for(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, "stranger", audience=BROKER, scope="openid portfolio:read")
        browser.form.fields.append(("scope", "trade:write"))
        form = browser.form
        form.fields.append(("scope", "trade:write"))
        await browser.submit(form, press=("answer", "allow"))
        (grant,) = await house.store.grants.of_user("auth0|ada")
        assert grant.scopes == ("openid", "portfolio:read")

    async def test_it_is_remembered_for_the_same_and_for_less(self, house: House) -> None:
        code = await house.code_for("stranger", audience=BROKER, scope="openid trade:write portfolio:read")
        await house.authorize(code.browser, "stranger", audience=BROKER, scope="openid portfolio:read")
        assert "code" in code.browser.returned

    @pytest.mark.parametrize(
        "more",
        [
            {"scope": "openid portfolio:read trade:write"},
            {"audience": [BROKER, NOTES]},
            {"redirect_uri": "https://other.example/cb?x=1"},
            {"authorization_details": json.dumps([ORDER])},
            {"prompt": "consent"},
        ],
        ids=str,
    )
    async def test_it_is_asked_again_for_anything_more(self, house: House, more: dict[str, Any]) -> None:
        same = {"audience": BROKER, "scope": "openid portfolio:read"}
        code = await house.code_for("stranger", **same)
        await house.authorize(code.browser, "stranger", **{**same, **more})
        assert code.browser.form.action == "/consent"

    async def test_a_detail_is_agreed_to_each_time(self, house: House) -> None:
        same = {"audience": BROKER, "scope": "openid", "authorization_details": json.dumps([ORDER])}
        code = await house.code_for("web", **same)
        await house.authorize(code.browser, "web", **same)
        assert code.browser.form.action == "/consent"

    async def test_a_revoked_agreement_is_forgotten(self, house: House) -> None:
        code = await house.code_for("stranger", audience=BROKER)
        (grant,) = await house.store.grants.of_user("auth0|ada")
        await house.store.commit(house.store.grants.revoke(grant.id, house.clock.now(), "test"))
        await house.authorize(code.browser, "stranger", audience=BROKER)
        assert code.browser.form.action == "/consent"

    async def test_a_public_client_on_this_machine_is_asked_about_each_time(self, house: House) -> None:
        code = await house.code_for("public", audience=BROKER)
        await house.authorize(code.browser, "public", audience=BROKER)
        assert code.browser.form.action == "/consent"

    async def test_an_api_that_does_not_skip_consent_is_asked_about(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, "web", audience=NOTES, scope="openid notes:read")
        assert browser.form.action == "/consent"

    async def test_what_nobody_was_asked_is_not_remembered(self, house: House) -> None:
        """The organisation answered for Ada; when it wants her asked, she is, and from then on it is remembered."""
        same = {"audience": BROKER, "scope": "openid trade:write"}
        code = await house.code_for("web", **same)
        broker = await house.store.apis.get(BROKER)
        assert broker
        await house.store.commit(house.store.apis.put(replace(broker, skip_consent=False)))
        await house.authorize(code.browser, "web", **same)
        assert code.browser.form.action == "/consent"
        await code.browser.submit(press=("answer", "allow"))
        await house.authorize(code.browser, "web", **same)
        assert "code" in code.browser.returned

    async def test_it_is_answered_once(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, "stranger")
        page, form = browser.page, browser.form
        await browser.submit(press=("answer", "allow"))
        assert "code" in browser.returned
        browser.page = page
        again = await browser.submit(form, press=("answer", "allow"))
        assert again.status_code == 400
        assert "answered already" in again.text
        assert len(await house.store.grants.of_user("auth0|ada")) == 1


async def test_a_client_that_registered_itself_is_unverified_and_always_asked_about(tmp_path: Path) -> None:
    stray = Client(
        id="stray", name="Google Drive Agent", redirect_uris=(WEB,), grants=("authorization_code",), dynamic=True,
        first_party=True, auth_methods=("none",),
    )  # fmt: skip
    async with built(sqlite(tmp_path), stray) as house:
        for _ in range(2):
            browser = await house.sign_in("ada")
            page = await house.authorize(browser, "stray", redirect_uri=WEB)
            assert browser.form.action == "/consent"
            assert "self-registered" in page.text
            await browser.submit(press=("answer", "allow"))
            assert "code" in browser.returned


async def test_dpop_jkt_binds_the_code(house: House) -> None:
    jkt = challenge("a key")
    code = await house.code_for("web", dpop_jkt=jkt)
    stored = await house.store.codes.get(hashed(code.value))
    assert stored is not None
    assert stored.code.dpop_jkt == jkt
    assert (await house.redeem(code)).json()["error"] == "invalid_grant"


async def test_pages_carry_their_headers(house: House) -> None:
    page = await house.authorize(house.browser())
    policy = page.headers["content-security-policy"]
    for directive in ("default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"):
        assert directive in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"


async def test_an_agent_on_loopback_may_use_any_port(house: House) -> None:
    code = await house.code_for("agent", redirect_uri="http://127.0.0.1:49152/callback")
    assert (code.browser.left_for or "").startswith("http://127.0.0.1:49152/callback?")
    assert (await house.redeem(code)).status_code == 200
    assert code.redirect_uri != AGENT


async def test_an_address_that_no_policy_can_name_is_reached_by_a_page(house: House) -> None:
    client = await house.store.clients.get("agent")
    assert client is not None
    await house.store.commit(house.store.clients.put(replace(client, redirect_uris=("http://[::1]/callback",))))
    browser = await house.sign_in("ada")
    page = await house.authorize(browser, "agent", redirect_uri="http://[::1]:4000/callback", audience=BROKER)
    await browser.submit(press=("answer", "allow")) if "/consent" in page.text else None
    assert 'http-equiv="refresh" content="0; url=http://[::1]:4000/callback?code=' in browser.page.text

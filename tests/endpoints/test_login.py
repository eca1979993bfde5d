"""Signing in: by password, and through another provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from msgspec.structs import replace
from tests.fixtures.house import BROKER, PASSWORD, Browser, House, built, challenge, request_of, sqlite
from tests.ledger import proves

from remit_server.records import Connection, User
from remit_server.runtime.ids import hashed
from remit_server.runtime.outbound import Reply


async def tried(house: House, browser: Browser, identifier: str, password: str = "wrong") -> Any:
    await browser.get("/login")
    return await browser.submit(identifier=identifier, password=password)


class TestPassword:
    async def test_by_address_in_any_case_or_by_user_name(self, house: House) -> None:
        for name in ("ada@example.com", " ADA@Example.com ", "auth0|ada"):
            browser = house.browser()
            await tried(house, browser, name, PASSWORD)
            assert "remit" in browser.cookies

    async def test_who_it_was_that_failed_is_not_told(self, house: House) -> None:
        ada = await house.store.users.get("auth0|ada")
        assert ada is not None
        await house.store.commit(house.store.users.put(User(**{
            name: getattr(ada, name) for name in ada.__struct_fields__
        } | {"id": "auth0|eve", "email": "eve@example.com", "state": "blocked"})))  # fmt: skip
        texts = set()
        for name, password in (
            ("ada@example.com", "wrong"),
            ("nobody@example.com", "wrong"),
            ("eve@example.com", PASSWORD),
        ):
            browser = house.browser()
            page = await tried(house, browser, name, password)
            assert page.status_code == 401
            assert "remit" not in browser.cookies
            texts.add(page.text.replace(name, "").replace(browser.form.value("csrf") or "", ""))
        assert len(texts) == 1

    async def test_a_stranger_takes_as_much_hashing_as_a_user(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked: list[str | None] = []
        real = house.machines.passwords.verify

        async def counted(stored: str | None, password: str) -> bool:
            checked.append(stored)
            return await real(stored, password)

        monkeypatch.setattr(house.machines.passwords, "verify", counted)
        for name in ("ada@example.com", "nobody@example.com"):
            await tried(house, house.browser(), name)
        assert len(checked) == 2

    async def test_an_event_tells_of_it_without_what_was_typed(self, house: House) -> None:
        await tried(house, house.browser(), "nobody@example.com", "hunter2-in-the-wrong-field")
        (event,) = await house.events("user.sign_in_failed")
        assert "hunter2" not in repr(event)
        assert "nobody@" not in repr(event)


class TestSession:
    @proves("attack.session-fixation")
    async def test_its_value_is_new_with_each_sign_in(self, house: House) -> None:
        browser = house.browser()
        browser.http.cookies.set("remit", "planted-by-somebody-else-beforehand", domain="127.0.0.1", path="/")
        await house.sign_in("ada", await opened(browser))
        first = browser.cookies["remit"]
        assert first != "planted-by-somebody-else-beforehand"
        await house.authorize(browser, audience=BROKER, prompt="login")
        await house.sign_in("ada", browser)
        assert browser.cookies["remit"] != first
        old = await house.store.sessions.get(hashed(first))
        assert old is not None
        assert old.session.ended_at is not None

    async def test_its_cookie_is_out_of_reach_of_scripts_and_other_sites(self, house: House) -> None:
        browser = await opened(house.browser())
        answer = await house.http.post(
            "/login", data={"csrf": browser.form.value("csrf"), "identifier": "ada@example.com", "password": PASSWORD},
            headers={"Cookie": f"remit-browser={browser.cookies['remit-browser']}"},
        )  # fmt: skip
        assert answer.status_code == 303
        (line,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith("remit=")]
        for attribute in ("HttpOnly", "SameSite=Lax", "Path=/"):
            assert attribute in line

    async def test_over_tls_it_is_secure_and_of_this_host_only(self, tmp_path: Path) -> None:
        async with built(sqlite(tmp_path), issuer="https://remit.example/") as house:
            browser = await house.sign_in("ada")
            assert browser.cookies.keys() == {"__Host-remit", "__Host-remit-browser"}
            assert "max-age" in browser.page.headers["strict-transport-security"]

    async def test_it_ends_by_itself(self, house: House) -> None:
        browser = await house.sign_in("ada")
        house.clock.forward(house.machines.settings.session_lifetime)
        await house.authorize(browser, audience=BROKER)
        assert browser.form.action == "/login"

    async def test_a_blocked_person_has_none(self, house: House) -> None:
        browser = await house.sign_in("ada")
        ada = await house.store.users.get("auth0|ada")
        assert ada is not None
        await house.store.commit(house.store.users.put(replace(ada, state="blocked")))
        await house.authorize(browser, audience=BROKER)
        assert browser.form.action == "/login"


async def opened(browser: Browser) -> Browser:
    await browser.get("/login")
    return browser


@proves("attack.cross-site-form")
class TestCsrf:
    @pytest.mark.parametrize("token", ["", "0" * 64, "other"])
    async def test_a_form_without_its_token_is_refused(self, house: House, token: str) -> None:
        browser, other = await opened(house.browser()), await opened(house.browser())
        sent = (other.form.value("csrf") or "") if token == "other" else token
        page = await browser.post("/login", {"csrf": sent, "identifier": "ada@example.com", "password": PASSWORD})
        assert page.status_code == 403
        assert "remit" not in browser.cookies

    @pytest.mark.parametrize("headers", [
        {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ], ids=str)  # fmt: skip
    async def test_a_form_that_another_site_sent_is_refused(self, house: House, headers: dict[str, str]) -> None:
        browser = await opened(house.browser())
        form = {"csrf": browser.form.value("csrf"), "identifier": "ada@example.com", "password": PASSWORD}
        page = await browser.post("/login", form, headers=headers)
        assert page.status_code == 403

    async def test_a_form_of_a_page_without_referrer_is_accepted(self, house: House) -> None:
        browser = await opened(house.browser())
        form = {"csrf": browser.form.value("csrf"), "identifier": "ada@example.com", "password": PASSWORD}
        await browser.post("/login", form, headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"})
        assert "remit" in browser.cookies

    async def test_consent_needs_the_sessions_token(self, house: House) -> None:
        browser = await house.sign_in("ada")
        await house.authorize(browser, "stranger")
        form = browser.form
        form.fields = [(n, "0" * 64 if n == "csrf" else v) for n, v in form.fields]
        page = await browser.submit(form, press=("answer", "allow"))
        assert page.status_code == 403
        assert not await house.store.grants.of_user("auth0|ada")


class TestTooMany:
    async def test_a_pause_follows_and_ends_by_itself(self, house: House) -> None:
        browser = house.browser()
        statuses = [(await tried(house, browser, "ada@example.com")).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        page = await tried(house, browser, "ada@example.com", PASSWORD)
        assert page.status_code == 429
        assert "60 seconds" in page.text
        assert page.headers["retry-after"] == "60"
        house.clock.forward(61)
        await tried(house, browser, "ada@example.com", PASSWORD)
        assert "remit" in browser.cookies

    async def test_the_pause_grows(self, house: House) -> None:
        browser = house.browser()
        for _ in range(2):
            for _ in range(5):
                await tried(house, browser, "ada@example.com")
            house.clock.forward(61)
        page = await tried(house, browser, "ada@example.com", PASSWORD)
        assert page.status_code == 429
        assert int(page.headers["retry-after"]) > 600
        house.clock.forward(900)
        await tried(house, browser, "ada@example.com", PASSWORD)
        assert "remit" in browser.cookies

    async def test_many_at_once_are_many(self, any_house: House) -> None:
        browsers = [await opened(any_house.browser()) for _ in range(12)]
        pages = await asyncio.gather(*(b.submit(identifier="ada@example.com", password="wrong") for b in browsers))
        assert sum(page.status_code == 401 for page in pages) == 5

    async def test_others_are_not_kept_out(self, house: House) -> None:
        for _ in range(6):
            await tried(house, house.browser(), "ada@example.com")
        await house.sign_in("bob", browser := await opened(house.browser()))
        assert "remit" in browser.cookies

    async def test_the_right_password_starts_anew(self, house: House) -> None:
        for _ in range(3):
            browser = house.browser()
            for _ in range(4):
                await tried(house, browser, "ada@example.com")
            await tried(house, browser, "ada@example.com", PASSWORD)
            assert "remit" in browser.cookies

    async def test_one_network_at_many_accounts_is_slowed_down(self, house: House) -> None:
        for number in range(100):
            await house.store.commit(*house.store.once.attempt("sign-in|127.0.0.1", house.clock.now(), 900))
            assert number < 100
        assert (await tried(house, house.browser(), "ada@example.com", PASSWORD)).status_code == 429


ACME = Connection(
    name="acme", provider="oidc", use=("authentication",), issuer="https://idp.example", display_name="Acme ID",
    authorization_endpoint="https://idp.example/authorize", token_endpoint="https://idp.example/token",
    jwks_uri="https://idp.example/jwks", client_id="remit", client_secret="upstream secret",
)  # fmt: skip


WAYS = {"authorization": "authorize", "token": "token"}


class Provider:
    """An OpenID provider that answers what a test tells it to."""

    key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
    issuer = "https://idp.example"

    def __init__(self, house: House) -> None:
        self.house, self.asked, self.claims = house, {}, {}
        self.asked: dict[str, str]
        self.claims: dict[str, Any]
        self.sent: dict[str, str] = {}
        self.signed_by = self.key

    async def send(self, method: str, url: str, **kwargs: Any) -> Reply:
        if url == "https://idp.example/.well-known/openid-configuration":
            named = {f"{name}_endpoint": f"https://idp.example/{path}" for name, path in WAYS.items()}
            return Reply(
                200, {}, json.dumps({"issuer": self.issuer, "jwks_uri": "https://idp.example/jwks", **named}).encode()
            )
        assert url == "https://idp.example/token"
        self.sent = dict(parse_qsl(kwargs["body"].decode()))
        now = self.house.clock.now()
        claims = {
            "iss": "https://idp.example", "sub": "u-1", "aud": "remit", "iat": now, "exp": now + 60, "name": "Carol",
            "nonce": self.asked["nonce"], "email": "carol@example.com", "email_verified": True, **self.claims,
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.signed_by)
        return Reply(200, {}, f'{{"id_token": "{token}"}}'.encode())

    async def jwks(self, uri: str) -> dict[str, Any]:
        assert uri == "https://idp.example/jwks"
        return {"keys": [self.key.as_dict(private=False)]}

    async def visit(self, browser: Browser, url: str = "/login/acme") -> None:
        await browser.get(url)
        assert browser.left_for is not None
        self.asked = dict(parse_qsl(urlsplit(browser.left_for).query))

    async def come_back(self, browser: Browser, **params: str) -> Any:
        return await browser.get("/login/callback/acme", params={"code": "c-1", "state": self.asked["state"], **params})


@pytest.fixture
async def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    other = replace(ACME, name="other", issuer="https://other.example")
    async with built(sqlite(tmp_path), ACME, other) as house:
        provider = Provider(house)
        monkeypatch.setattr(house.machines.outbound, "send", provider.send)
        monkeypatch.setattr(house.machines.outbound, "jwks", provider.jwks)
        yield provider


class TestAnotherProvider:
    async def test_a_person_is_made_on_the_first_visit_and_found_on_the_next(self, provider: Provider) -> None:
        house = provider.house
        for _ in range(2):
            browser = house.browser()
            await provider.visit(browser)
            await provider.come_back(browser)
            assert "remit" in browser.cookies
        user = await house.store.users.get("oidc|acme|u-1")
        assert user is not None
        assert (user.name, user.email) == ("Carol", "carol@example.com")
        assert len(await house.events("user.created")) == 1

    async def test_we_ask_as_we_want_to_be_asked(self, provider: Provider) -> None:
        browser = provider.house.browser()
        await provider.visit(browser)
        assert provider.asked["code_challenge_method"] == "S256"
        assert provider.asked["redirect_uri"].endswith("/login/callback/acme")
        await provider.come_back(browser)
        assert challenge(provider.sent["code_verifier"]) == provider.asked["code_challenge"]

    async def test_the_errand_goes_on_afterwards(self, provider: Provider) -> None:
        house, browser = provider.house, provider.house.browser()
        await house.authorize(browser, audience=BROKER, connection="acme", prompt="login")
        assert browser.left_for is not None
        provider.asked = dict(parse_qsl(urlsplit(browser.left_for).query))
        assert provider.asked["prompt"] == "login"
        await provider.come_back(browser)
        assert "code" in browser.returned

    @pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "60"}])
    @proves("oidc.reauthentication")
    async def test_who_was_not_asked_again_is_not_passed_off_as_such(self, provider: Provider, wish: Any) -> None:
        house = provider.house
        for ago, outcome in ((0, "code"), (3600, "error")):
            browser = house.browser()
            await house.authorize(browser, audience=BROKER, connection="acme", **wish)
            provider.asked = dict(parse_qsl(urlsplit(browser.left_for or "").query))
            assert provider.asked.get("max_age") == wish.get("max_age")
            provider.claims = {"auth_time": house.clock.now() - ago}
            await provider.come_back(browser)
            assert outcome in browser.returned
        assert browser.returned["error"] == "login_required"

    @pytest.mark.parametrize("issuer", ["https://idp.example", "https://idp.example/", "https://evil.example"])
    @proves("oidc.discovery")
    async def test_an_issuer_alone_is_enough_if_it_says_its_own_name(self, provider: Provider, issuer: str) -> None:
        house, browser = provider.house, provider.house.browser()
        alone = replace(ACME, authorization_endpoint="", token_endpoint="", jwks_uri=None)
        await house.store.commit(house.store.connections.put(alone))
        provider.issuer = issuer
        if issuer != ACME.issuer:
            assert (await house.http.get("/login/acme")).status_code == 502
            return
        await provider.visit(browser)
        await provider.come_back(browser)
        assert await house.store.users.get("oidc|acme|u-1") is not None

    async def test_the_sign_in_page_offers_it(self, provider: Provider) -> None:
        browser = await opened(provider.house.browser())
        assert "Acme ID" in browser.page.text

    async def test_an_address_that_somebody_has_here_links_nobody(self, provider: Provider) -> None:
        browser = provider.house.browser()
        provider.claims = {"email": "ada@example.com"}
        await provider.visit(browser)
        await provider.come_back(browser)
        user = await provider.house.store.users.get("oidc|acme|u-1")
        assert user is not None
        assert user.email is None
        assert (await provider.house.store.users.by_email("ada@example.com")).id == "auth0|ada"  # type: ignore[union-attr]

    async def test_an_address_that_nobody_verified_is_not_taken(self, provider: Provider) -> None:
        browser = provider.house.browser()
        provider.claims = {"email_verified": "true"}
        await provider.visit(browser)
        await provider.come_back(browser)
        user = await provider.house.store.users.get("oidc|acme|u-1")
        assert user is not None
        assert user.email is None

    @pytest.mark.parametrize("claims", [
        {"iss": "https://other.example"}, {"aud": "somebody"}, {"aud": ["remit", "x"]}, {"azp": "x"}, {"exp": 1},
        {"iat": 9_999_999_999}, {"nonce": "x"}, {"nonce": None}, {"sub": ""}, {"sub": 1},
    ], ids=str)  # fmt: skip
    async def test_an_id_token_that_is_not_for_us_now_is_not_believed(self, provider: Provider, claims: Any) -> None:
        browser = provider.house.browser()
        provider.claims = claims
        await provider.visit(browser)
        page = await provider.come_back(browser)
        assert page.status_code == 400
        assert "remit" not in browser.cookies

    async def test_nor_one_that_somebody_else_signed(self, provider: Provider) -> None:
        browser = provider.house.browser()
        provider.signed_by = RSAKey.generate_key(2048, {"kid": "k1"})
        await provider.visit(browser)
        assert (await provider.come_back(browser)).status_code == 400

    @proves("attack.mix-up")
    async def test_an_answer_of_another_issuer_is_refused_before_its_code_is_used(self, provider: Provider) -> None:
        browser = provider.house.browser()
        await provider.visit(browser)
        assert (await provider.come_back(browser, iss="https://other.example")).status_code == 400
        assert provider.sent == {}

    @proves("attack.mix-up")
    async def test_an_answer_at_another_providers_address_is_refused(self, provider: Provider) -> None:
        browser = provider.house.browser()
        await provider.visit(browser)
        page = await browser.get("/login/callback/other", params={"code": "c", "state": provider.asked["state"]})
        assert page.status_code == 400
        assert provider.sent == {}

    async def test_an_answer_in_another_browser_is_refused(self, provider: Provider) -> None:
        browser, victim = provider.house.browser(), await opened(provider.house.browser())
        await provider.visit(browser)
        assert (await provider.come_back(victim)).status_code == 400
        assert "remit" not in victim.cookies

    async def test_an_answer_works_once(self, provider: Provider) -> None:
        browser = provider.house.browser()
        await provider.visit(browser)
        await provider.come_back(browser)
        assert (await provider.come_back(browser)).status_code == 400

    async def test_a_refusal_there_is_told_here(self, provider: Provider) -> None:
        browser = provider.house.browser()
        await provider.visit(browser)
        page = await provider.come_back(browser, error="access_denied")
        assert page.status_code == 400
        assert "Acme ID did not sign you in" in page.text

    @pytest.mark.parametrize("name", ["nobody", "vault", "../device", ""])
    async def test_an_unknown_connection_is_told_to_the_app(self, provider: Provider, name: str) -> None:
        house = provider.house
        await house.store.commit(house.store.connections.put(replace(ACME, name="vault", use=("connected_accounts",))))
        browser = house.browser()
        await house.authorize(browser, connection=name)
        if name == "":
            assert not browser.left_for, "as if it were not there (RFC 6749 section 3.1)"
            return
        said = browser.returned
        assert (said["error"], said["state"]) == ("invalid_request", "st-4711")
        assert said["error_description"] == f"There is no connection '{name}' to sign in with."

    @pytest.mark.parametrize("name", ["../device?user_code=BCDF-GHJK&", "callback/acme?state=x&", "x#"])
    async def test_a_connection_is_one_word_of_the_path(self, house: House, name: str) -> None:
        """Else its name would choose any page of ours, and what it is told."""
        await house.store.commit(house.store.connections.put(replace(ACME, name=name)))
        answer = await house.http.get("/authorize", params=request_of("web", connection=name))
        path, _, query = answer.headers["location"].partition("?")
        assert path.count("/") == 2
        assert path.startswith("/login/")
        assert query.startswith("resume=")

    async def test_an_unknown_connection_is_not_there(self, house: House) -> None:
        assert (await house.http.get("/login/nobody")).status_code == 404


async def test_errands_that_nobody_proved_anything_for_are_limited(house: House) -> None:
    house.machines.throttle._monotonic = lambda: 0.0  # a slow machine would refill the bucket meanwhile
    browser = house.browser()
    answers = [await browser.http.get("/approvals", follow_redirects=False) for _ in range(601)]
    assert {answer.status_code for answer in answers[:600]} == {303}
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "1"

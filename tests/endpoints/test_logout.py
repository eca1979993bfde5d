"""Signing out: by the page, by the client, and what the clients hear of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from msgspec.structs import replace
from tests.fixtures.house import BROKER, Browser, House, request_of

from remit_server.identity import sign_out
from remit_server.runtime.outbound import OutboundRefused, Reply

HOME = "https://app.example/"


async def signed_in(browser: Browser, house: House) -> bool:
    await house.authorize(browser, audience=BROKER, prompt="none")
    return "code" in browser.returned


async def visit(house: House) -> tuple[Browser, str]:
    """A browser in which Ada went through `web`, and the ID token that `web` got."""
    code = await house.code_for("web", audience=BROKER, scope="openid offline_access trade:write")
    id_token: str = (await house.redeem(code)).json()["id_token"]
    return code.browser, id_token


class TestByTheClient:
    async def test_a_hint_of_this_session_ends_it_at_once(self, house: House) -> None:
        browser, hint = await visit(house)
        await browser.get("/oidc/logout", params={
            "id_token_hint": hint, "post_logout_redirect_uri": HOME, "state": "s&1",
        })  # fmt: skip
        assert browser.left_for == HOME + "?state=s%261"
        assert "remit" not in browser.cookies
        assert not await signed_in(browser, house)
        assert await house.events("user.signed_out")

    async def test_an_expired_hint_is_as_good(self, house: House) -> None:
        browser, hint = await visit(house)
        house.clock.forward(2 * 3600)
        await browser.get("/oidc/logout", params={"id_token_hint": hint})
        assert not await signed_in(browser, house)

    async def test_it_may_be_posted(self, house: House) -> None:
        browser, hint = await visit(house)
        await browser.post("/oidc/logout", {"id_token_hint": hint, "post_logout_redirect_uri": HOME})
        assert browser.left_for == HOME

    async def test_without_a_hint_the_person_is_asked(self, house: House) -> None:
        browser, _ = await visit(house)
        page = await browser.get("/oidc/logout", params={"client_id": "web", "post_logout_redirect_uri": HOME})
        assert browser.form.action == "/logout"
        assert "Trading desk" in page.text
        page, form = browser.page, browser.form
        await browser.submit(press=("answer", "stay"))
        assert await signed_in(browser, house)
        browser.page = page
        await browser.submit(form, press=("answer", "sign_out"))
        assert browser.left_for == HOME
        assert not await signed_in(browser, house)

    async def test_a_hint_of_another_session_is_no_hint(self, house: House) -> None:
        browser, _ = await visit(house)
        _, hint = await visit(house)
        await browser.get("/oidc/logout", params={"id_token_hint": hint, "post_logout_redirect_uri": HOME})
        assert browser.form.action == "/logout"

    async def test_whoever_is_signed_out_already_goes_on(self, house: House) -> None:
        browser = house.browser()
        await browser.get("/oidc/logout", params={"client_id": "web", "post_logout_redirect_uri": HOME})
        assert browser.left_for == HOME
        page = await browser.get("/oidc/logout")
        assert "You are signed out" in page.text

    @pytest.mark.parametrize("params", [
        {"client_id": "web", "post_logout_redirect_uri": "https://evil.example/"},
        {"client_id": "web", "post_logout_redirect_uri": HOME + "x"},
        {"client_id": "stranger", "post_logout_redirect_uri": HOME},
        {"client_id": "nobody", "post_logout_redirect_uri": HOME},
        {"post_logout_redirect_uri": HOME},
        {"id_token_hint": "ey.ey.ey"},
    ], ids=str)  # fmt: skip
    async def test_nobody_is_sent_where_the_client_did_not_register(self, house: House, params: dict[str, str]) -> None:
        browser, _ = await visit(house)
        page = await browser.get("/oidc/logout", params=params)
        assert page.status_code == 400
        assert browser.left_for is None
        assert await signed_in(browser, house)

    async def test_a_hint_of_another_client_is_refused(self, house: House) -> None:
        browser, hint = await visit(house)
        page = await browser.get("/oidc/logout", params={"id_token_hint": hint, "client_id": "stranger"})
        assert page.status_code == 400

    async def test_an_access_token_is_no_hint(self, house: House) -> None:
        code = await house.code_for("web", audience=BROKER)
        token = (await house.redeem(code)).json()["access_token"]
        page = await code.browser.get("/oidc/logout", params={"id_token_hint": token})
        assert page.status_code == 400


class TestPlain:
    async def test_it_signs_out_and_returns(self, house: House) -> None:
        browser, _ = await visit(house)
        await browser.get("/v2/logout", params={"client_id": "web", "returnTo": HOME})
        assert browser.left_for == HOME
        assert not await signed_in(browser, house)

    @pytest.mark.parametrize("target", ["https://evil.example/", HOME + "?x", "//app.example/"])
    async def test_only_to_what_is_registered(self, house: House, target: str) -> None:
        page = await house.http.get("/v2/logout", params={"client_id": "web", "returnTo": target})
        assert page.status_code == 400


async def test_the_old_cookie_means_nothing_afterwards(house: House) -> None:
    browser, _ = await visit(house)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    await browser.get("/logout")
    await browser.submit(press=("answer", "sign_out"))
    params = request_of(audience=BROKER, prompt="none")
    answer = await house.http.get("/authorize", params=params, headers={"Cookie": cookies})
    assert "error=login_required" in answer.headers["location"]


async def test_the_page_needs_its_token(house: House) -> None:
    browser, _ = await visit(house)
    page = await browser.post("/logout", {"csrf": "0" * 64, "answer": "sign_out"})
    assert page.status_code == 403
    assert await signed_in(browser, house)


async def test_what_was_agreed_to_stays(house: House) -> None:
    code = await house.code_for("web", audience=BROKER, scope="openid offline_access trade:write")
    refresh = (await house.redeem(code)).json()["refresh_token"]
    await code.browser.get("/logout")
    await code.browser.submit(press=("answer", "sign_out"))
    form = {"grant_type": "refresh_token", "refresh_token": refresh, **house.proof("web")}
    assert (await house.http.post("/oauth/token", data=form)).status_code == 200


class Inbox:
    """Where logout tokens arrive."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.bodies = list(answers), []
        self.bodies: list[dict[str, str]]

    async def send(self, method: str, url: str, **kwargs: Any) -> Reply:
        assert (method, url) == ("POST", "https://app.example/signed-out")
        self.bodies.append(dict(parse_qsl(kwargs["body"].decode())))
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            raise OutboundRefused(detail="nobody there")
        return Reply(status, {}, b"")


class TestTellingClients:
    async def _out(self, house: House, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, browser: Browser) -> None:
        monkeypatch.setattr(house.machines.outbound, "send", inbox.send)
        monkeypatch.setattr(sign_out, "PAUSES", (0, 0, 0))
        await browser.get("/logout")
        await browser.submit(press=("answer", "sign_out"))
        await house.machines.background.finish()

    @pytest.fixture(autouse=True)
    async def _listens(self, house: House) -> None:
        client = await house.store.clients.get("web")
        assert client is not None
        wants = replace(client, backchannel_logout_uri="https://app.example/signed-out")
        await house.store.commit(house.store.clients.put(wants))

    async def test_a_client_of_the_session_gets_a_logout_token(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser, id_token = await visit(house)
        inbox = Inbox()
        await self._out(house, inbox, monkeypatch, browser)
        (body,) = inbox.bodies
        keys = KeySet.import_key_set((await house.http.get("/.well-known/jwks.json")).json())
        token = jwt.decode(body["logout_token"], keys)
        assert token.header["typ"] == "logout+jwt"
        assert token.claims["sid"] == jwt.decode(id_token, keys).claims["sid"]
        assert token.claims["aud"] == "web"
        assert "http://schemas.openid.net/event/backchannel-logout" in token.claims["events"]
        assert "nonce" not in token.claims
        assert await house.events("logout.sent")

    async def test_also_of_the_session_before_a_second_sign_in(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser, _ = await visit(house)
        await house.authorize(browser, audience=BROKER, prompt="login")
        await house.sign_in("ada", browser)
        inbox = Inbox()
        await self._out(house, inbox, monkeypatch, browser)
        assert len(inbox.bodies) == 2

    async def test_a_client_that_does_not_answer_is_asked_again(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser, _ = await visit(house)
        inbox = Inbox(0, 503)
        await self._out(house, inbox, monkeypatch, browser)
        assert len(inbox.bodies) == 3
        assert await house.events("logout.sent")

    async def test_and_given_up_in_the_end(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        browser, _ = await visit(house)
        inbox = Inbox(500, 500, 500)
        await self._out(house, inbox, monkeypatch, browser)
        (event,) = await house.events("logout.failed")
        assert event.about["why"] == "it answered 500"

    async def test_a_client_of_another_session_hears_nothing(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await visit(house)
        inbox = Inbox()
        await self._out(house, inbox, monkeypatch, await house.sign_in("ada"))
        assert inbox.bodies == []

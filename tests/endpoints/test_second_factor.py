"""A second factor: setting it up, signing in with it, becoming a stronger session by it, taking it away."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import structlog
from joserfc import jws
from msgspec.structs import replace
from tests.fixtures.browser import Form, forms
from tests.fixtures.house import BROKER, PASSWORD, Browser, House
from tests.ledger import proves

from remit_server.errors import Conflict, NotFound
from remit_server.identity import enrol
from remit_server.records import SecondFactor
from remit_server.rules import totp
from remit_server.runtime.ids import hashed

KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
TWO = "urn:remit:acr:2fa"


async def with_factor(house: House, user: str = "auth0|ada") -> None:
    """As if set up long ago."""
    factor = SecondFactor(user_id=user, secret=KEY, confirmed_at=house.clock.at - 900, last_step=0)
    await house.store.commit(house.store.second_factors.add(factor))


def code(house: House, key: str = KEY, off: int = 0) -> str:
    return totp.code_at(key, house.clock.at // 30 + off)


def wrong(house: House) -> str:
    right = {code(house, off=off) for off in (-1, 0, 1)}
    return next(guess for guess in ("000000", "111111", "222222", "333333") if guess not in right)


async def setting_up(house: House, browser: Browser) -> str:
    """The page with the key; the key."""
    await browser.get("/security")
    await browser.submit(the(browser, "/security/enrol"))
    return browser.page.text.partition('class="paste">')[2].partition("<")[0].replace(" ", "")


def the(browser: Browser, action: str) -> Form:
    return next(form for form in forms(browser.page.text) if form.action == action)


def written(folder: Path) -> bytes:
    """Every byte of the database."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def parked(form: Form) -> dict[str, str]:
    return dict(form.fields)


class TestSettingUp:
    async def test_the_whole_way(self, house: House) -> None:
        browser = await house.sign_in()
        key = await setting_up(house, browser)
        assert len(key) == 32
        assert await house.store.second_factors.get("auth0|ada") is None  # until the person has shown that it works
        await browser.submit(code=code(house, key))
        assert browser.page.status_code == 200
        assert "is set up" in browser.page.text
        factor = await house.store.second_factors.get("auth0|ada")
        assert factor is not None
        assert factor.secret == key
        assert (await house.events())[0].kind == "user.second_factor_added"

    async def test_a_wrong_code_keeps_the_same_key(self, house: House) -> None:
        browser = await house.sign_in()
        key = await setting_up(house, browser)
        page = await browser.submit(code="12345x")
        assert page.status_code == 401
        assert key in page.text.replace(" ", "")
        assert await house.store.second_factors.get("auth0|ada") is None

    async def test_the_picture_is_for_its_person_and_no_cache(self, house: House) -> None:
        browser, other = await house.sign_in(), await house.sign_in("bob")
        key = await setting_up(house, browser)
        url = browser.page.text.partition('src="/security/qr')[2].partition('"')[0]
        picture = await browser.http.get(f"/security/qr{url}")
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
        assert picture.headers["cache-control"] == "no-store"
        assert key not in url
        for browser_ in (other, house.browser()):
            assert (await browser_.http.get(f"/security/qr{url}")).status_code in {400, 403}

    async def test_somebody_elses_key_is_not_shown_in_the_same_browser(self, house: House) -> None:
        browser = await house.sign_in()
        await setting_up(house, browser)
        where = str(browser.page.request.url)
        await browser.get("/logout")
        await browser.submit(press=("answer", "sign_out"))
        await browser.get("/login")
        await house.sign_in("bob", browser)
        assert (await browser.get(where)).status_code == 400

    async def test_only_after_a_recent_sign_in(self, house: House) -> None:
        browser = await house.sign_in()
        await setting_up(house, browser)
        where, form = str(browser.page.request.url), browser.form
        house.clock.forward(600)
        picture = await browser.http.get("/security/qr?" + where.partition("?")[2])
        assert picture.status_code == 403
        for url in ("/security", where):
            await browser.get(url)
            assert browser.form.action == "/login"
        await browser.post("/security/enrol", parked(form) | {"code": code(house)})
        assert browser.form.action == "/login"
        await house.sign_in("ada", browser)
        assert str(browser.page.request.url).endswith("/security")

    async def test_one_that_is_there_is_not_replaced(self, house: House) -> None:
        browser = await house.sign_in()
        key = await setting_up(house, browser)
        await with_factor(house)
        page = await browser.submit(code=code(house, key))
        assert page.status_code == 409
        factor = await house.store.second_factors.get("auth0|ada")
        assert factor is not None
        assert factor.secret == KEY


@proves("signin.second-factor")
class TestSigningIn:
    async def test_a_password_alone_is_no_session(self, any_house: House) -> None:
        await with_factor(any_house)
        browser = await any_house.sign_in()
        assert browser.form.action == "/login/second-factor"
        assert "remit" not in browser.cookies
        assert await any_house.store.sessions.of_user("auth0|ada") == []
        await browser.get("/approvals")
        assert browser.form.action == "/login"

    async def test_with_the_code_it_is_one_of_two_factors(self, any_house: House) -> None:
        await with_factor(any_house)
        browser = await any_house.sign_in()
        await browser.submit(code=f" {code(any_house)[:3]} {code(any_house)[3:]}")
        (session,) = await any_house.store.sessions.of_user("auth0|ada")
        assert (session.amr, session.acr) == (("pwd", "otp", "mfa"), TWO)
        assert session.hash == hashed(browser.cookies["remit"])

    async def test_a_code_works_once(self, any_house: House) -> None:
        await with_factor(any_house)
        browser = await any_house.sign_in()
        await browser.submit(code=code(any_house))
        assert "remit" in browser.cookies
        for off in (0, -1):  # older ones are spent with it
            again = await any_house.sign_in()
            page = await again.submit(code=code(any_house, off=off))
            assert page.status_code == 401
            assert "remit" not in again.cookies
        any_house.clock.forward(30)
        await again.submit(code=code(any_house))
        assert "remit" in again.cookies

    async def test_of_many_who_send_one_code_one_gets_in(self, any_house: House) -> None:
        await with_factor(any_house)
        browsers = [await any_house.sign_in() for _ in range(4)]
        sent = [(browser, parked(browser.form) | {"code": code(any_house)}) for browser in browsers]
        await asyncio.gather(*(browser.post("/login/second-factor", form) for browser, form in sent * 2))
        assert len(await any_house.store.sessions.of_user("auth0|ada")) == 1
        assert sum("remit" in browser.cookies for browser in browsers) == 1

    async def test_guesses_are_limited_for_the_account_wherever_they_come_from(self, house: House) -> None:
        await with_factor(house)
        browsers = [await house.sign_in(), await house.sign_in()]
        for i in range(house.machines.settings.login_attempts):
            assert (await browsers[i % 2].submit(code=wrong(house))).status_code == 401
        page = await browsers[0].submit(code=code(house))
        assert page.status_code == 429
        assert int(page.headers["retry-after"]) <= 900
        assert "remit" not in browsers[0].cookies
        house.clock.forward(900)
        late = await house.sign_in()
        await late.submit(code=code(house))
        assert "remit" in late.cookies

    async def test_a_spent_code_does_not_begin_the_count_anew(self, house: House) -> None:
        await with_factor(house)
        await (await house.sign_in()).submit(code=code(house))
        browser = await house.sign_in()
        for i in range(house.machines.settings.login_attempts):
            assert (await browser.submit(code=code(house) if i % 2 else wrong(house))).status_code == 401
        assert (await browser.submit(code=wrong(house))).status_code == 429

    async def test_wrong_and_spent_look_alike(self, house: House) -> None:
        await with_factor(house)
        await (await house.sign_in()).submit(code=code(house))
        browser = await house.sign_in()
        texts = {(await browser.submit(code=typed)).text for typed in (wrong(house), code(house), "12 34", "")}
        assert len(texts) == 1
        assert len(await house.events("user.second_factor_refused")) == 4

    async def test_a_password_that_is_wrong_tells_nothing_of_the_second_step(self, house: House) -> None:
        async def answer() -> str:
            browser = house.browser()
            await browser.get("/login")
            page = await browser.submit(identifier="ada@example.com", password="wrong")
            return page.text.replace(browser.form.value("csrf") or "", "")

        before = await answer()
        await with_factor(house)
        assert await answer() == before

    async def test_the_step_belongs_to_its_browser(self, house: House) -> None:
        await with_factor(house)
        browser, other = await house.sign_in(), house.browser()
        page = await other.get(str(browser.page.request.url))
        assert page.status_code == 400

    @proves("attack.cross-site-form")
    async def test_a_form_of_another_site_is_refused(self, house: House) -> None:
        await with_factor(house)
        browser = await house.sign_in()
        form = parked(browser.form) | {"code": code(house)}
        page = await browser.post("/login/second-factor", form | {"csrf": "0" * 64})
        assert page.status_code == 403
        assert "remit" not in browser.cookies

    @pytest.mark.parametrize("change", ["blocked", "new password", "factor removed"])
    async def test_what_changed_meanwhile_begins_anew(self, house: House, change: str) -> None:
        await with_factor(house)
        browser = await house.sign_in()
        house.clock.forward(1)
        store, ada = house.store, await house.store.users.get("auth0|ada")
        assert ada is not None
        step = {
            "blocked": store.users.put(replace(ada, state="blocked")),
            "new password": store.users.put(replace(ada, password_changed_at=house.clock.at)),
            "factor removed": store.second_factors.forget(ada.id),
        }[change]
        await store.commit(step)
        await browser.submit(code=code(house))
        assert browser.form.action == "/login"
        assert "remit" not in browser.cookies

    async def test_an_errand_goes_on_after_it(self, house: House) -> None:
        await with_factor(house)
        browser = house.browser()
        await house.authorize(browser, audience=BROKER, prompt="login")
        await house.sign_in("ada", browser)
        assert "form-action 'self' https://app.example" in browser.page.headers["content-security-policy"]
        await browser.submit(code=code(house))
        assert "code" in browser.returned


@proves("signin.second-factor")
class TestSteppingUp:
    async def test_a_weaker_session_is_asked_for_the_code_alone(self, house: House) -> None:
        browser = await house.sign_in()
        (old,) = await house.store.sessions.of_user("auth0|ada")
        await with_factor(house)
        house.clock.forward(1200)
        await house.authorize(browser, audience=BROKER, acr_values=TWO)
        assert browser.form.action == "/login/second-factor"
        await browser.submit(code=code(house))
        assert "code" in browser.returned
        (new,) = await house.store.sessions.of_user("auth0|ada")
        assert (new.acr, new.amr) == (TWO, ("pwd", "otp", "mfa"))
        assert new.sid != old.sid
        assert new.auth_time == old.auth_time  # the password is as old as it was

    async def test_the_id_token_says_so(self, house: House) -> None:
        await with_factor(house)
        browser = await house.sign_in()
        await browser.submit(code=code(house))
        tokens = await house.tokens_for("web", browser=browser, audience=BROKER, acr_values=TWO)
        claims = json.loads(jws.extract_compact(tokens["id_token"].encode()).payload)
        assert (claims["acr"], claims["amr"]) == (TWO, ["pwd", "otp", "mfa"])

    async def test_who_must_not_be_asked_is_not(self, house: House) -> None:
        browser = await house.sign_in()
        await with_factor(house)
        await house.authorize(browser, audience=BROKER, acr_values=TWO, prompt="none")
        assert browser.returned["error"] == "login_required"

    async def test_who_has_no_second_factor_cannot(self, house: House) -> None:
        browser = await house.sign_in()
        await house.authorize(browser, audience=BROKER, acr_values=TWO)
        assert browser.returned["error"] == "unmet_authentication_requirements"

    async def test_not_from_a_session_that_has_ended(self, house: House) -> None:
        browser = await house.sign_in()
        await with_factor(house)
        await house.authorize(browser, audience=BROKER, acr_values=TWO)
        await house.store.commit(house.store.sessions.end_all("auth0|ada", house.clock.at))
        await browser.get(str(browser.page.request.url))
        assert browser.form.action == "/login"

    async def test_a_wrong_code_leaves_the_session_as_it_was(self, house: House) -> None:
        browser = await house.sign_in()
        await with_factor(house)
        await house.authorize(browser, audience=BROKER, acr_values=TWO)
        await browser.submit(code=wrong(house))
        (session,) = await house.store.sessions.of_user("auth0|ada")
        assert session.hash == hashed(browser.cookies["remit"])
        assert session.acr == "urn:remit:acr:1fa"

    async def test_both_strengths_are_in_the_metadata(self, house: House) -> None:
        metadata = (await house.http.get("/.well-known/openid-configuration")).json()
        assert metadata["acr_values_supported"] == ["urn:remit:acr:1fa", TWO]


class TestTakingAway:
    async def signed_in(self, house: House) -> Browser:
        browser = await house.sign_in()
        await with_factor(house)
        await browser.get("/security")
        return browser

    async def test_with_a_code(self, any_house: House) -> None:
        browser = await self.signed_in(any_house)
        await browser.submit(the(browser, "/security/remove"), code=code(any_house))
        assert "is removed" in browser.page.text
        assert await any_house.store.second_factors.get("auth0|ada") is None
        assert len(await any_house.events("user.second_factor_removed")) == 1
        assert "remit" in (await any_house.sign_in()).cookies

    async def test_not_without_one_and_not_by_guessing(self, house: House) -> None:
        browser = await self.signed_in(house)
        for _ in range(house.machines.settings.login_attempts):
            await browser.submit(the(browser, "/security/remove"), code=wrong(house))
            assert browser.page.status_code == 401
        await browser.submit(the(browser, "/security/remove"), code=code(house))
        assert browser.page.status_code == 429
        assert await house.store.second_factors.get("auth0|ada") is not None

    async def test_not_by_a_spent_one(self, house: House) -> None:
        browser = await self.signed_in(house)
        await house.store.commit(house.store.second_factors.spend("auth0|ada", house.clock.at // 30))
        await browser.submit(the(browser, "/security/remove"), code=code(house))
        assert browser.page.status_code == 401

    async def test_not_from_another_site_or_an_old_sign_in(self, house: House) -> None:
        browser = await self.signed_in(house)
        form = parked(the(browser, "/security/remove")) | {"code": code(house)}
        assert (await browser.post("/security/remove", form | {"csrf": "x"})).status_code == 403
        house.clock.forward(600)
        await browser.post("/security/remove", form | {"code": code(house)})
        assert browser.form.action == "/login"
        assert await house.store.second_factors.get("auth0|ada") is not None


async def test_an_operator_helps_who_lost_the_app(house: House) -> None:
    await with_factor(house)
    await enrol.forget(house.store, house.clock, "ada@example.com", by="command line, root")
    assert "remit" in (await house.sign_in()).cookies
    (event,) = await house.events("user.second_factor_removed")
    assert (event.subject, event.about) == ("auth0|ada", {"by": "command line, root"})
    with pytest.raises(Conflict, match="no second factor"):
        await enrol.forget(house.store, house.clock, "auth0|ada")
    with pytest.raises(NotFound, match="no person"):
        await enrol.forget(house.store, house.clock, "nobody@example.com")


@proves("attack.audit-secrets")
async def test_neither_key_nor_codes_are_in_the_log_the_trail_or_the_database(house: House, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        browser = await house.sign_in()
        key = await setting_up(house, browser)
        await browser.submit(code="000000")
        first = code(house, key)
        await browser.submit(code=first)
        house.clock.forward(60)
        second = code(house, key)
        other = await house.sign_in()
        await other.submit(code=first)
        await other.submit(code=second)
        assert "remit" in other.cookies
    assert key.encode() not in written(tmp_path)
    trail = repr(await house.events())
    for secret in (key, first, second, PASSWORD):
        assert secret not in repr(logged)
        assert secret not in trail

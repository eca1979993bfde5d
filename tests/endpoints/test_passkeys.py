"""Passkeys: adding one, signing in with it, becoming a stronger session by it, naming it, taking it away."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jws
from msgspec.structs import replace
from tests.fixtures.authenticator import UP, Authenticator, spoiled
from tests.fixtures.browser import Form, forms
from tests.fixtures.house import BROKER, PASSWORD, Browser, House, built, sqlite
from tests.ledger import proves

from remit_server.errors import Conflict
from remit_server.identity import enrol
from remit_server.identity.passkeys import asking, remove
from remit_server.records import Passkey, SecondFactor, User
from remit_server.rules import passkeys, totp
from remit_server.rules.proof import key_fingerprint
from remit_server.runtime.ids import hashed
from remit_server.runtime.ports import Act, Permit
from remit_server.wire.visitor import Visitor

ISSUER = "http://localhost:8080/"
ORIGIN = ISSUER[:-1]
TWO = "urn:remit:acr:2fa"
KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
ADA = "auth0|ada"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Where passkeys can be: at a name. On SQLite."""
    async with built(sqlite(tmp_path), issuer=ISSUER) as house:
        yield house


@pytest.fixture
async def any_home(database_url: str) -> AsyncIterator[House]:
    """On SQLite, then on PostgreSQL."""
    async with built(database_url, issuer=ISSUER) as house:
        yield house


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator(ORIGIN)


def options(browser: Browser) -> dict[str, Any]:
    """What the page asks the browser for."""
    found = re.search(r'data-options="([^"]*)"', browser.page.text)
    assert found, browser.page.text
    asked: dict[str, Any] = json.loads(html.unescape(found[1]))
    return asked


def the(browser: Browser, action: str, field: str = "csrf") -> Form:
    return next(
        form
        for form in forms(browser.page.text)
        if form.action == action and field in [name for name, _ in form.fields]
    )


async def answer(browser: Browser, credential: str, **typed: str) -> httpx2.Response:
    """Send the page's form for a passkey."""
    form = next(form for form in forms(browser.page.text) if ("credential", "") in form.fields)
    return await browser.submit(form, credential=credential, **typed)


async def add(browser: Browser, phone: Authenticator, name: str = "Phone") -> httpx2.Response:
    await browser.get("/security/passkeys")
    return await answer(browser, phone.create(options(browser)), name=name)


async def with_passkey(house: House, phone: Authenticator, who: str = "ada") -> Passkey:
    """As if added long ago."""
    await add(await house.sign_in(who), phone)
    passkey = (await house.store.passkeys.of_user(f"auth0|{who}"))[-1]
    await house.store.commit(house.store.sessions.end_all(f"auth0|{who}", house.clock.at))
    return passkey


async def with_app(house: House) -> None:
    factor = SecondFactor(user_id=ADA, secret=KEY, confirmed_at=house.clock.at - 900, last_step=0)
    await house.store.commit(house.store.second_factors.add(factor))


async def at_login(house: House) -> Browser:
    browser = house.browser()
    await browser.get("/login")
    return browser


def inside(browser: Browser) -> bool:
    return "remit" in browser.cookies


async def changed(house: House, user_id: str, **members: Any) -> User:
    user = await house.store.users.get(user_id)
    assert user
    user = replace(user, **members)
    await house.store.commit(house.store.users.put(user))
    return user


class TestAdding:
    async def test_the_whole_way(self, any_home: House, phone: Authenticator) -> None:
        browser = await any_home.sign_in()
        await browser.get("/security/passkeys")
        asked = options(browser)
        assert asked["rp"] == {"id": "localhost", "name": "Remit"}
        assert asked["user"]["name"] == "ada@example.com"
        assert asked["excludeCredentials"] == []
        page = await answer(browser, phone.create(asked), name="  My   phone ")
        assert page.status_code == 200
        assert "My phone is added" in html.unescape(page.text)
        (passkey,) = await any_home.store.passkeys.of_user(ADA)
        assert (passkey.name, passkey.credential, passkey.used_at) == ("My phone", phone.held[0].id, None)
        (event,) = await any_home.events("passkey.added")
        assert (event.actor.user, event.subject, event.about) == (
            ADA, passkey.id, {"name": "My phone", "key": key_fingerprint(passkey.public_key)},
        )  # fmt: skip
        await browser.get("/security/passkeys")
        assert [each["id"] for each in options(browser)["excludeCredentials"]]

    async def test_people_have_one_handle_that_says_nothing(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        await with_passkey(home, phone, "bob")
        browser = await at_login(home)
        await answer(browser, phone.get(options(browser), phone.held[0]))
        await add(browser, phone, "Key")
        ada, bob, again = (held.handle for held in phone.held)
        assert ada == again != bob
        assert b"ada" not in ada

    async def test_only_after_a_recent_sign_in(self, home: House, phone: Authenticator) -> None:
        browser = await home.sign_in()
        await browser.get("/security/passkeys")
        credential, form = phone.create(options(browser)), dict(browser.form.fields)
        home.clock.forward(600)
        await browser.post("/security/passkeys", form | {"credential": credential, "name": "x"})
        assert browser.form.action == "/login"
        assert await home.store.passkeys.of_user(ADA) == []

    @pytest.mark.parametrize("name", ["", "x" * 61, "a\u202eb"])
    async def test_a_name_that_is_none(self, home: House, phone: Authenticator, name: str) -> None:
        page = await add(await home.sign_in(), phone, name)
        assert page.status_code == 400
        assert "all of which can be seen" in page.text
        assert await home.store.passkeys.of_user(ADA) == []

    async def test_one_that_is_there_is_not_added_twice(self, home: House, phone: Authenticator) -> None:
        browser = await home.sign_in()
        await add(browser, phone)
        await browser.get("/security/passkeys")
        credential = phone.create(options(browser))
        (first,) = await home.store.passkeys.of_user(ADA)
        answered = passkeys.read(credential)
        assert answered
        await home.store.commit(home.store.passkeys.add(replace(first, id=answered.id, user_id="auth0|bob")))
        page = await answer(browser, credential, name="x")
        assert page.status_code == 409
        assert len(await home.store.passkeys.of_user(ADA)) == 1

    async def test_twenty_are_enough(self, home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(home, phone)
        more = [replace(passkey, id=str(i)) for i in range(19)]
        await home.store.commit(*map(home.store.passkeys.add, more))
        browser = await at_login(home)
        await answer(browser, phone.get(options(browser)))
        page = await add(browser, phone)
        assert page.status_code == 409
        assert "You have 20 passkeys" in page.text

    async def test_at_a_number_there_are_none(self, house: House, phone: Authenticator) -> None:
        browser = await house.sign_in()
        page = await browser.get("/security/passkeys")
        assert "numeric address" in page.text
        assert "data-options" not in page.text
        browser = await at_login(house)
        assert "passkey" not in browser.page.text
        page = await browser.submit(identifier="", password="", credential="{}")
        assert page.status_code == 401


@proves("signin.passkey")
class TestSigningIn:
    async def test_alone_it_is_two_factors(self, any_home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(any_home, phone)
        browser = await at_login(any_home)
        assert options(browser)["allowCredentials"] == []  # nobody has said who they are
        await answer(browser, phone.get(options(browser)))
        (session,) = await any_home.store.sessions.of_user(ADA)
        assert session.hash == hashed(browser.cookies["remit"])
        assert (session.amr, session.acr, session.auth_time) == (("swk", "user", "mfa"), TWO, any_home.clock.at)
        kept = await any_home.store.passkeys.get(passkey.id)
        assert kept
        assert (kept.sign_count, kept.used_at) == (1, any_home.clock.at)
        assert [event.kind for event in (await any_home.events())[:2]] == ["user.signed_in", "passkey.used"]

    async def test_an_errand_goes_on_after_it(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        browser = home.browser()
        await home.authorize(browser, audience=BROKER, prompt="login", acr_values=TWO, max_age=0)
        await answer(browser, phone.get(options(browser)))
        tokens = await home.tokens_for("web", browser=browser, audience=BROKER, acr_values=TWO)
        claims = json.loads(jws.extract_compact(tokens["id_token"].encode()).payload)
        assert (claims["sub"], claims["acr"], claims["amr"]) == (ADA, TWO, ["swk", "user", "mfa"])

    async def test_a_password_alone_is_not_enough_any_more(self, home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(home, phone)
        browser = await home.sign_in()
        assert browser.page.status_code == 200
        assert not inside(browser)
        assert "authenticator app" not in browser.page.text
        assert options(browser)["allowCredentials"][0]["id"] == json.loads(phone.get(options(browser)))["id"]
        await answer(browser, phone.get(options(browser)))
        (session,) = await home.store.sessions.of_user(ADA)
        assert (session.amr, session.acr) == (("pwd", "swk", "user", "mfa"), TWO)
        assert (await home.events("passkey.used"))[0].subject == passkey.id

    async def test_the_app_does_as_well(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        browser = await home.sign_in()
        page = await browser.submit(the(browser, "/login/second-factor", "credential"), credential="", code="123456")
        assert page.status_code == 401  # there is no app
        await with_app(home)
        for way in ("code", "passkey"):
            browser = await home.sign_in()
            if way == "code":
                await browser.submit(code=totp.code_at(KEY, home.clock.at // 30))
            else:
                await answer(browser, phone.get(options(browser)))
            assert inside(browser)

    async def test_a_key_that_stays_in_its_device_is_said_to(self, home: House, phone: Authenticator) -> None:
        phone.flags, phone.counts = 0x05, False
        await with_passkey(home, phone)
        for _ in range(2):  # one that does not count
            browser = await at_login(home)
            await answer(browser, phone.get(options(browser)))
            assert inside(browser)
        sessions = await home.store.sessions.of_user(ADA)
        assert {session.amr for session in sessions} == {("hwk", "user", "mfa")}

    async def test_whoever_may_not_sign_in_learns_nothing(self, home: House, phone: Authenticator) -> None:
        """Unknown, removed, somebody's who is blocked, a signature that does not hold: one answer."""
        await with_passkey(home, phone)
        stranger = Authenticator(ORIGIN)
        browser = await home.sign_in("bob")
        await browser.get("/security/passkeys")
        stranger.create(options(browser))
        await changed(home, "auth0|bob", state="blocked")

        async def said(credential: str) -> str:
            page = await answer(browser, credential)
            assert page.status_code == 401
            return re.sub(r'data-options="[^"]*"', "", page.text)

        browser = await at_login(home)
        texts = {await said(stranger.get(options(browser)))}
        texts.add(await said(phone.get(options(browser) | {"challenge": "eA"})))
        texts.add(await said("{"))
        texts.add(await said(""))
        await changed(home, ADA, state="blocked")
        texts.add(await said(phone.get(options(browser))))
        assert len(texts) == 1
        assert not inside(browser)
        assert {event.about["why"] for event in await home.events("passkey.refused")} == {"person"}
        assert len(await home.events("user.sign_in_failed")) == 4

    async def test_the_page_shows_nothing_of_who_has_one(self, home: House, phone: Authenticator) -> None:
        async def page() -> str:
            browser = await at_login(home)
            page = await browser.submit(identifier="ada@example.com", password="wrong")
            return re.sub(r'data-options="[^"]*"|[0-9a-f]{64}', "", page.text)

        before = await page()
        await with_passkey(home, phone)
        assert await page() == before

    async def test_too_many_wait(self, home: House) -> None:
        browser = await at_login(home)
        statuses = [(await answer(browser, "{}")).status_code for _ in range(61)]
        assert statuses[-1] == 429
        assert set(statuses[:30]) == {401}
        assert int(browser.page.headers["retry-after"]) >= 1


@proves("signin.passkey")
class TestSteppingUp:
    async def test_a_weaker_session_is_asked_for_it(self, home: House, phone: Authenticator) -> None:
        browser = await home.sign_in()
        await add(browser, phone)
        (old,) = await home.store.sessions.of_user(ADA)
        home.clock.forward(1200)
        await home.authorize(browser, audience=BROKER, acr_values=TWO)
        await answer(browser, phone.get(options(browser)))
        assert "code" in browser.returned
        (new,) = await home.store.sessions.of_user(ADA)
        assert (new.acr, new.amr, new.auth_time) == (TWO, ("pwd", "swk", "user", "mfa"), old.auth_time)

    async def test_somebody_elses_does_not_do(self, home: House, phone: Authenticator) -> None:
        theirs = Authenticator(ORIGIN)
        await with_passkey(home, theirs, "bob")
        browser = await home.sign_in()
        await add(browser, phone)
        await home.authorize(browser, audience=BROKER, acr_values=TWO)
        page = await answer(browser, theirs.get(options(browser)))
        assert page.status_code == 401
        (session,) = await home.store.sessions.of_user(ADA)
        assert session.acr == "urn:remit:acr:1fa"
        (event,) = await home.events("passkey.refused")
        assert (event.actor.user, event.about["why"]) == ("auth0|bob", "person")


class TestWhatIsRefused:
    @proves("attack.passkey-replayed")
    async def test_an_answer_counts_once(self, any_home: House, phone: Authenticator) -> None:
        phone.counts = False
        await with_passkey(any_home, phone)
        browser = await at_login(any_home)
        form = next(form for form in forms(browser.page.text) if ("credential", "") in form.fields)
        sent = dict(form.fields) | {"credential": phone.get(options(browser))}
        first = httpx2.Cookies(browser.http.cookies)
        pages = await asyncio.gather(*(browser.http.post("/login", data=sent, cookies=None) for _ in range(4)))
        assert sorted(page.status_code for page in pages).count(303) == 1
        assert len(await any_home.store.sessions.of_user(ADA)) == 1
        browser.http.cookies = first
        assert (await browser.post("/login", sent)).status_code == 401
        assert "used before" in {event.about["why"] for event in await any_home.events("passkey.refused")}

    @proves("attack.passkey-replayed")
    async def test_nor_in_another_browser_or_too_late_or_on_another_page(
        self, home: House, phone: Authenticator
    ) -> None:
        await with_passkey(home, phone)
        browser, other = await at_login(home), await at_login(home)
        credential = phone.get(options(browser))
        assert (await answer(other, credential)).status_code == 401
        second = await home.sign_in()
        assert (await answer(second, phone.get(options(browser)))).status_code == 401
        assert (await answer(browser, phone.get(options(second)))).status_code == 401
        for challenge in ("", "AA", "A" * 75, options(browser)["challenge"][:-2] + "AA"):
            assert (await answer(browser, phone.get(options(browser) | {"challenge": challenge}))).status_code == 401
        late = phone.get(options(browser))
        home.clock.forward(home.machines.settings.interaction_lifetime)
        assert (await answer(browser, late)).status_code == 401
        assert not inside(browser) and not inside(other) and not inside(second)

    @proves("attack.passkey-replayed")
    async def test_a_challenge_is_for_one_purpose_and_one_errand(self, home: House, phone: Authenticator) -> None:
        who = Visitor("browser", "csrf")
        ask = asking(home.machines, who, "second_factor", "errand")
        assert ask
        challenge = ask.challenge()
        assert ask.is_ours(challenge)
        others = (
            replaced(ask, purpose="sign_in"), replaced(ask, bound="another"), replaced(ask, who=Visitor("another", "csrf")),
        )  # fmt: skip
        assert not any(other.is_ours(challenge) for other in others)

        await with_passkey(home, phone)
        browser = await home.sign_in()
        first = options(browser)
        await browser.get("/login")
        await home.sign_in(browser=browser)
        assert (await answer(browser, phone.get(first))).status_code == 401
        assert not inside(browser)

    @proves("attack.passkey-replayed")
    async def test_a_new_one_is_added_once_and_in_its_own_session(self, home: House, phone: Authenticator) -> None:
        browser = await home.sign_in()
        await browser.get("/security/passkeys")
        asked = options(browser)
        await answer(browser, phone.create(asked), name="First")
        await browser.get("/security/passkeys")
        page = await answer(browser, phone.create(asked), name="Second")
        assert page.status_code == 409
        other = await home.sign_in("bob")
        await other.get("/security/passkeys")
        theirs = phone.create(options(other))
        await browser.get("/security/passkeys")
        page = await answer(browser, theirs, name="Third")
        assert page.status_code == 400
        assert [each.name for each in await home.store.passkeys.of_user(ADA)] == ["First"]

    @proves("attack.passkey-forged")
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"origin": "https://evil.example"}, "proof"), ({"rp_id": "evil.example"}, "proof"), ({"flags": UP}, "proof"),
            ({"frame": True}, "proof"), ({"flags": 0x05}, "device"),
        ],
        ids=str,
    )  # fmt: skip
    async def test_an_answer_that_was_made_elsewhere(
        self, home: House, phone: Authenticator, change: dict[str, Any], why: str
    ) -> None:
        await with_passkey(home, phone)
        for name, value in change.items():
            setattr(phone, name, value)
        browser = await at_login(home)
        assert (await answer(browser, phone.get(options(browser)))).status_code == 401
        assert not inside(browser)
        (event,) = await home.events("passkey.refused")
        assert event.about["why"] == why

    @proves("attack.passkey-forged")
    async def test_a_key_with_another_persons_name_on_it(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        await with_passkey(home, phone, "bob")
        ada, bob = phone.held
        ada.handle = bob.handle
        browser = await at_login(home)
        assert (await answer(browser, phone.get(options(browser), ada))).status_code == 401
        assert (await answer(browser, spoiled(phone.get(options(browser), bob), userHandle=None))).status_code == 401
        assert not inside(browser)

    @proves("attack.passkey-copied")
    async def test_a_copy(self, any_home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(any_home, phone)
        for _ in range(2):
            browser = await at_login(any_home)
            await answer(browser, phone.get(options(browser)))
        copy = await at_login(any_home)
        assert (await answer(copy, phone.get(options(copy), count=1))).status_code == 401
        assert not inside(copy)
        (event,) = await any_home.events("passkey.refused")
        assert (event.subject, event.about["why"]) == (passkey.id, "count")
        kept = await any_home.store.passkeys.get(passkey.id)
        assert kept
        assert kept.sign_count == 2

    @proves("attack.cross-site-form")
    @pytest.mark.parametrize("path", ["/login", "/security/passkeys", "/security/passkeys/x"])
    async def test_a_form_of_another_site(self, home: House, phone: Authenticator, path: str) -> None:
        browser = await at_login(home) if path == "/login" else await home.sign_in()
        form = {"csrf": "0" * 64, "credential": "{}", "name": "x"}
        assert (await browser.post(path, form)).status_code == 403

    @pytest.mark.parametrize("text", ["{", "[" * 30_000, "x" * 100_000, '{"rawId":{}}', "null", "\ufeff"])
    async def test_garbage_is_refused_in_plain_words(self, home: House, phone: Authenticator, text: str) -> None:
        await with_passkey(home, phone)
        browser = await at_login(home)
        assert (await answer(browser, text)).status_code == 401
        browser = await home.sign_in()
        assert (await answer(browser, text)).status_code == 401
        browser = await home.sign_in("bob")
        await browser.get("/security/passkeys")
        page = await answer(browser, text, name="x")
        assert page.status_code == 400
        assert "Try again" in page.text


class TestKeeping:
    async def strong(self, home: House, phone: Authenticator) -> Browser:
        await with_passkey(home, phone)
        browser = await at_login(home)
        await answer(browser, phone.get(options(browser)))
        await browser.get("/security")
        return browser

    async def test_renaming(self, home: House, phone: Authenticator) -> None:
        browser = await self.strong(home, phone)
        (passkey,) = await home.store.passkeys.of_user(ADA)
        action = f"/security/passkeys/{passkey.id}"
        page = await browser.submit(the(browser, action, "name"), name="<b>Tablet</b>")
        assert "&lt;b&gt;Tablet" in page.text
        page = await browser.submit(the(browser, action, "name"), name="")
        assert page.status_code == 400
        assert (await home.store.passkeys.of_user(ADA))[0].name == "<b>Tablet</b>"

    async def test_removing(self, any_home: House, phone: Authenticator) -> None:
        browser = await self.strong(any_home, phone)
        (passkey,) = await any_home.store.passkeys.of_user(ADA)
        page = await browser.submit(the(browser, f"/security/passkeys/{passkey.id}", "remove"))
        assert "is removed" in page.text
        (event,) = await any_home.events("passkey.removed")
        assert (event.subject, event.about) == (passkey.id, {"name": "Phone"})
        browser = await at_login(any_home)
        assert (await answer(browser, phone.get(options(browser)))).status_code == 401
        assert inside(await any_home.sign_in())  # the password alone is enough again

    async def test_not_by_the_password_alone(self, home: House, phone: Authenticator) -> None:
        browser = await home.sign_in()
        await add(browser, phone)
        (passkey,) = await home.store.passkeys.of_user(ADA)
        await browser.submit(the(browser, f"/security/passkeys/{passkey.id}", "remove"))
        assert browser.form.action == "/login"
        assert len(await home.store.passkeys.of_user(ADA)) == 1

    async def test_not_somebody_elses_and_not_late(self, home: House, phone: Authenticator) -> None:
        theirs = Authenticator(ORIGIN)
        other = await with_passkey(home, theirs, "bob")
        browser = await self.strong(home, phone)
        form = {"csrf": browser.form.value("csrf") or "", "remove": "yes"}
        assert (await browser.post(f"/security/passkeys/{other.id}", form)).status_code == 404
        assert (
            await browser.post(f"/security/passkeys/{other.id}", form | {"remove": "", "name": "x"})
        ).status_code == 404
        home.clock.forward(600)
        await browser.post(f"/security/passkeys/{other.id}", form)
        assert browser.form.action == "/login"
        assert (await home.store.passkeys.of_user("auth0|bob")) == [other]

    async def test_not_the_only_way_in(self, home: House, phone: Authenticator) -> None:
        browser = await self.strong(home, phone)
        (passkey,) = await home.store.passkeys.of_user(ADA)
        await changed(home, ADA, password=None)
        page = await browser.submit(the(browser, f"/security/passkeys/{passkey.id}", "remove"))
        assert page.status_code == 409
        assert "your only way in" in page.text
        await add(browser, phone, "Key")
        page = await browser.submit(the(browser, f"/security/passkeys/{passkey.id}", "remove"))
        assert page.status_code == 200

    async def test_of_the_last_two_only_one_goes(self, home: House, phone: Authenticator) -> None:
        await self.strong(home, phone)
        (passkey,) = await home.store.passkeys.of_user(ADA)
        await home.store.commit(home.store.passkeys.add(replace(passkey, id="another", credential=b"another")))
        await changed(home, ADA, password=None)
        ada = await home.store.users.get(ADA)
        assert ada
        gone = await asyncio.gather(
            *(remove(home.machines, ada, each) for each in (passkey.id, "another")), return_exceptions=True
        )
        assert sum(isinstance(each, Conflict) for each in gone) == 1
        assert len(await home.store.passkeys.of_user(ADA)) == 1

    async def test_an_operator_forgets_them_all(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        await enrol.forget(home.store, home.clock, ADA, by="command line, root")
        assert await home.store.passkeys.of_user(ADA) == []
        (event,) = await home.events("passkey.removed")
        assert event.about == {"by": "command line, root"}
        with pytest.raises(Conflict, match="no second factor"):
            await enrol.forget(home.store, home.clock, ADA)


class TestApps:
    """What a page does, an app of the organisation's own may do."""

    async def bearer(
        self, home: House, scope: str, client: str = "web", *, browser: Browser | None = None
    ) -> dict[str, str]:
        tokens = await home.tokens_for(
            client, browser=browser, audience=home.machines.settings.url("/me/"), scope=scope
        )
        return {"Authorization": f"Bearer {tokens['access_token']}"}

    async def test_list_rename_remove(self, any_home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(any_home, phone)
        browser = await at_login(any_home)
        await answer(browser, phone.get(options(browser)))
        app = await self.bearer(
            any_home, "openid read:me:passkeys update:me:passkeys delete:me:passkeys", browser=browser
        )
        (shown,) = (await any_home.http.get("/me/v1/passkeys", headers=app)).json()["passkeys"]
        assert shown == {
            "id": passkey.id, "name": "Phone", "synced": True, "backed_up": True, "transports": ["hybrid", "internal"],
            "created_at": passkey.created_at, "used_at": any_home.clock.at,
        }  # fmt: skip
        url = f"/me/v1/passkeys/{passkey.id}"
        renamed = await any_home.http.patch(url, headers=app, json={"name": "Tablet"})
        assert (renamed.status_code, renamed.json()["name"]) == (200, "Tablet")
        for body in (b"", b"[]", b'{"name":7}', b'{"name":""}', b'{"name":"x","id":"y"}', b"\xff", b"[" * 9999):
            assert (await any_home.http.patch(url, headers=app, content=body)).status_code == 400
        assert (await any_home.http.delete("/me/v1/passkeys/other", headers=app)).status_code == 404
        assert (await any_home.http.delete(url, headers=app)).status_code == 204
        assert (await any_home.http.get("/me/v1/passkeys", headers=app)).json() == {"passkeys": []}
        (event,) = await any_home.events("passkey.removed")
        assert (event.actor.user, event.actor.client) == (ADA, "web")

    async def test_removing_takes_two_factors_lately(self, home: House, phone: Authenticator) -> None:
        browser = await home.sign_in()
        app = await self.bearer(home, "openid delete:me:passkeys", browser=browser)
        await add(browser, phone)
        (passkey,) = await home.store.passkeys.of_user(ADA)
        refused = await home.http.delete(f"/me/v1/passkeys/{passkey.id}", headers=app)
        assert (refused.status_code, refused.json()["error"]) == (401, "insufficient_user_authentication")
        assert 'acr_values="urn:remit:acr:2fa", max_age="600"' in refused.headers["www-authenticate"]
        browser = await at_login(home)
        await answer(browser, phone.get(options(browser)))
        home.clock.forward(600)
        app = await self.bearer(home, "openid delete:me:passkeys", browser=browser)
        assert (await home.http.delete(f"/me/v1/passkeys/{passkey.id}", headers=app)).status_code == 401
        assert len(await home.store.passkeys.of_user(ADA)) == 1

    async def test_scopes_and_whose_apps(self, home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(home, phone, "bob")
        app = await self.bearer(home, "openid read:me:passkeys")
        assert (await home.http.get("/me/v1/passkeys", headers=app)).json() == {"passkeys": []}
        assert (await home.http.delete(f"/me/v1/passkeys/{passkey.id}", headers=app)).status_code == 403
        assert (await home.http.get("/me/v1/passkeys")).status_code == 401
        agent, ada = await home.store.clients.get("agent"), await home.store.users.get(ADA)
        assert agent and ada
        act = Act(
            kind="token", client=agent, user=ada, audiences=(home.machines.settings.url("/me/"),), scopes=("read:me:passkeys",)
        )  # fmt: skip
        minted = await home.machines.mint.access_token(Permit(act=act))
        await home.store.commit(home.store.tokens.add(minted.token))
        refused = await home.http.get("/me/v1/passkeys", headers={"Authorization": f"Bearer {minted.value}"})
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")


@proves("attack.audit-secrets")
async def test_no_challenge_and_no_signature_is_in_the_trail(home: House, phone: Authenticator) -> None:
    await with_passkey(home, phone)
    browser = await at_login(home)
    asked = options(browser)
    await answer(browser, phone.get(asked))
    trail = repr(await home.events())
    assert asked["challenge"] not in trail
    assert PASSWORD not in trail

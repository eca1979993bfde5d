"""Meridian, the made-up upstream, over real HTTP: the vault's tests stand on it, so it must be strict itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from remit_demo.browser import Browser
from remit_demo.provider import Account, Authority, Client, Faults, create_app
from remit_demo.provider.authority import s256
from remit_demo.provider.workspace import furnished
from remit_demo.serving import loopback_socket, served, url_of

ADA = Account("mer_ada", "ada@meridian.example", "Ada L.", "ada-at-meridian")
BOB = Account("mer_bob", "bob@meridian.example", "Bob", "bob-at-meridian")
VERIFIER = "v" * 64
CREDENTIALS = ("remit", "s3cret")


@dataclass
class Provider:
    """A running Meridian and the switches behind it."""

    url: str
    authority: Authority
    faults: Faults
    http: httpx2.AsyncClient
    callback: str
    now: list[float] = field(default_factory=list)

    def link(self, **changes: str) -> str:
        """An authorization request; a change to '' leaves the parameter out."""
        asked = {
            "response_type": "code",
            "client_id": "remit",
            "redirect_uri": self.callback,
            "scope": "calendar.read calendar.write",
            "state": "st&te",
            "code_challenge": s256(VERIFIER),
            "code_challenge_method": "S256",
        } | changes
        return f"{self.url}/authorize?" + urlencode({k: v for k, v in asked.items() if v})

    async def code(self, **changes: str) -> str:
        """Sign Ada in at the page, press Allow, and return the code."""
        browser = await self.at_consent(**changes)
        page = await browser.press("Allow")
        await browser.close()
        return dict(parse_qsl(urlsplit(page.url).query))["code"]

    async def at_consent(self, **changes: str) -> Browser:
        browser = Browser()
        await browser.open(self.link(**changes))
        await browser.press("Sign in", {"email": ADA.email, "password": ADA.password})
        return browser

    async def token(self, auth: tuple[str, str] | None = CREDENTIALS, **form: str) -> httpx2.Response:
        return await self.http.post("/token", data=form, auth=auth)

    async def redeem(self, code: str, /, **changes: str) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
            "code_verifier": VERIFIER,
        }
        return await self.token(**form | changes)

    async def rotate(self, refresh_token: str, **more: str) -> httpx2.Response:
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token, **more)

    async def connected(self) -> dict[str, str]:
        return (await self.redeem(await self.code())).json()

    async def calendar(self, token: str) -> httpx2.Response:
        return await self.http.get("/calendar/events", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def running() -> Iterator[Provider]:
    bound = loopback_socket()
    url, now, faults = url_of(bound), [1_800_000_000.0], Faults()
    callback = f"{url}/static/meridian.css"  # any page that answers will do as the client's callback
    clients = [Client("remit", "s3cret", "Remit", (callback,)), Client("rival", "s3cret", "Rival", (callback,))]
    authority = Authority([ADA, BOB], clients, clock=lambda: now[0])
    workspace = furnished(date(2027, 1, 15), {"ada": ADA.id, "bob": BOB.id})
    with served(create_app(url, authority, workspace, faults), bound):
        yield Provider(url, authority, faults, httpx2.AsyncClient(base_url=url), callback, now)


@pytest.fixture
async def provider(running: Provider) -> AsyncIterator[Provider]:
    async with running.http:
        yield running


async def test_a_person_connects_and_the_calendar_is_read(provider: Provider) -> None:
    tokens = await provider.connected()
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "calendar.read calendar.write"
    events = (await provider.calendar(tokens["access_token"])).json()["events"]
    assert [event["title"] for event in events] == ["Stand-up", "Zeko results call", "Dinner with Charles"]
    me = await provider.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json() == {"sub": ADA.id, "email": ADA.email, "name": ADA.name}


async def test_the_answer_carries_state_and_issuer(provider: Provider) -> None:
    browser = await provider.at_consent()
    page = await browser.press("Allow")
    answer = dict(parse_qsl(urlsplit(page.url).query))
    assert (answer["state"], answer["iss"]) == ("st&te", provider.url)
    await browser.close()


async def test_cancel_is_an_answer_too(provider: Provider) -> None:
    browser = await provider.at_consent()
    page = await browser.press("Cancel")
    answer = dict(parse_qsl(urlsplit(page.url).query))
    assert (answer["error"], answer["state"]) == ("access_denied", "st&te")
    await browser.close()


async def test_a_wrong_password_stays_on_the_sign_in_page(provider: Provider) -> None:
    browser = Browser()
    await browser.open(provider.link())
    page = await browser.press("Sign in", {"email": ADA.email, "password": BOB.password})
    assert page.status == 403
    page.must_say("do not belong together")
    assert not page.offers("Allow")
    await browser.close()


async def test_another_account_can_be_chosen(provider: Provider) -> None:
    browser = await provider.at_consent()
    assert browser.page.says(ADA.email)
    await browser.press("Use another account")
    page = await browser.press("Sign in", {"email": BOB.email, "password": BOB.password})
    page.must_say(BOB.email)
    await browser.close()


async def test_a_planted_session_is_worth_nothing_after_the_sign_in(provider: Provider) -> None:
    planted = {"Cookie": "meridian_session=planted"}
    page = await provider.http.get(provider.link(), headers=planted)
    csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"csrf": csrf, "query": urlsplit(provider.link()).query, "email": ADA.email, "password": ADA.password}
    provider.http.cookies.clear()
    signed_in = await provider.http.post("/signin", data=form, headers=planted)
    assert signed_in.status_code == 303
    provider.http.cookies.clear()
    assert ADA.email not in (await provider.http.get(provider.link(), headers=planted)).text


async def test_a_form_from_another_site_is_refused(provider: Provider) -> None:
    browser = await provider.at_consent()
    form, _ = browser.page.form("Allow")
    form.fields = [(name, "forged" if name == "csrf" else value) for name, value in form.fields]
    page = await browser.press("Allow")
    assert page.status == 403
    await browser.close()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "calendar.read everything"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
async def test_an_unfit_request_goes_back_with_its_error(
    provider: Provider, changes: dict[str, str], error: str
) -> None:
    answer = await provider.http.get(provider.link(**changes))
    assert answer.status_code == 303
    said = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert (said["error"], said["state"], said["iss"]) == (error, "st&te", provider.url)


@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/cb"}])
async def test_an_untrusted_address_is_never_redirected_to(provider: Provider, changes: dict[str, str]) -> None:
    answer = await provider.http.get(provider.link(**changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_repeated_parameter_is_refused(provider: Provider) -> None:
    answer = await provider.http.get(provider.link() + "&state=two")
    assert answer.status_code == 400


async def test_pages_carry_their_defences(provider: Provider) -> None:
    answer = await provider.http.get(provider.link(login_hint='"><script>alert(1)</script>'))
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in answer.text
    assert "httponly" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 64}, {"redirect_uri": "http://127.0.0.1:1/other"}, {"code": "guess"}]
)
async def test_a_code_needs_its_verifier_and_its_redirect(provider: Provider, changes: dict[str, str]) -> None:
    answer = await provider.redeem(await provider.code(), **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_code_lives_for_a_minute(provider: Provider) -> None:
    code = await provider.code()
    provider.now[0] += 60
    assert (await provider.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_used_twice_ends_what_it_issued(provider: Provider) -> None:
    code = await provider.code()
    first = (await provider.redeem(code)).json()
    assert (await provider.redeem(code)).json()["error"] == "invalid_grant"
    assert (await provider.calendar(first["access_token"])).status_code == 401


async def test_of_many_racing_redemptions_one_wins(provider: Provider) -> None:
    code = await provider.code()
    answers = await asyncio.gather(*(provider.redeem(code) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


@pytest.mark.parametrize("auth", [("remit", "wrong"), ("nobody", "s3cret"), ("remit", "")])
async def test_a_client_must_know_its_secret(provider: Provider, auth: tuple[str, str]) -> None:
    answer = await provider.token(auth, grant_type="refresh_token", refresh_token="x")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_what_was_issued_to_one_client_is_worth_nothing_to_another(provider: Provider) -> None:
    code, tokens, rival = await provider.code(), await provider.connected(), ("rival", "s3cret")
    form = {"code": code, "redirect_uri": provider.callback, "code_verifier": VERIFIER}
    stolen = await provider.token(rival, grant_type="authorization_code", **form)
    assert stolen.json()["error"] == "invalid_grant"
    stolen = await provider.token(rival, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert stolen.json()["error"] == "invalid_grant"
    for kind in ("refresh_token", "access_token"):
        await provider.http.post("/revoke", data={"token": tokens[kind]}, auth=rival)
    assert (await provider.calendar(tokens["access_token"])).status_code == 200
    assert (await provider.redeem(code)).status_code == 200
    assert (await provider.rotate(tokens["refresh_token"])).status_code == 200


async def test_a_client_may_send_its_secret_in_the_body(provider: Provider) -> None:
    answer = await provider.token(
        None,
        client_id="remit",
        client_secret="s3cret",
        grant_type="authorization_code",
        code=await provider.code(),
        redirect_uri=provider.callback,
        code_verifier=VERIFIER,
    )
    assert answer.status_code == 200


async def test_unknown_grants_are_unsupported(provider: Provider) -> None:
    assert (await provider.token(grant_type="password")).json()["error"] == "unsupported_grant_type"


async def test_refresh_tokens_rotate(provider: Provider) -> None:
    first = await provider.connected()
    second = (await provider.rotate(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await provider.calendar(second["access_token"])).status_code == 200
    assert (await provider.rotate(second["refresh_token"])).status_code == 200


async def test_a_reused_refresh_token_ends_the_family(provider: Provider) -> None:
    first = await provider.connected()
    second = (await provider.rotate(first["refresh_token"])).json()
    assert (await provider.rotate(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await provider.rotate(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await provider.calendar(second["access_token"])).status_code == 401


async def test_one_family_ends_and_the_other_lives(provider: Provider) -> None:
    first, other = await provider.connected(), await provider.connected()
    await provider.rotate(first["refresh_token"])
    await provider.rotate(first["refresh_token"])
    assert (await provider.rotate(other["refresh_token"])).status_code == 200


async def test_a_refresh_may_ask_for_less_and_never_for_more(provider: Provider) -> None:
    tokens = await provider.connected()
    refused = await provider.rotate(tokens["refresh_token"], scope="chat.write")
    assert refused.json()["error"] == "invalid_scope"
    narrow = (await provider.rotate(tokens["refresh_token"], scope="calendar.write")).json()
    assert narrow["scope"] == "calendar.write"
    assert (await provider.calendar(narrow["access_token"])).status_code == 403


async def test_revoking_a_refresh_token_ends_its_access_tokens(provider: Provider) -> None:
    tokens = await provider.connected()
    answer = await provider.http.post("/revoke", data={"token": tokens["refresh_token"]}, auth=CREDENTIALS)
    assert answer.status_code == 200
    assert (await provider.calendar(tokens["access_token"])).status_code == 401
    assert (await provider.rotate(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_revoking_an_access_token_ends_only_it(provider: Provider) -> None:
    tokens = await provider.connected()
    await provider.http.post("/revoke", data={"token": tokens["access_token"]}, auth=CREDENTIALS)
    assert (await provider.calendar(tokens["access_token"])).status_code == 401
    assert (await provider.rotate(tokens["refresh_token"])).status_code == 200


async def test_revoking_nonsense_tells_nothing(provider: Provider) -> None:
    assert (await provider.http.post("/revoke", data={"token": "x"}, auth=CREDENTIALS)).status_code == 200
    assert (await provider.http.post("/revoke", data={"token": "x"})).status_code == 401


async def test_access_tokens_are_short_lived(provider: Provider) -> None:
    tokens = await provider.connected()
    provider.now[0] += provider.authority.access_seconds
    answer = await provider.calendar(tokens["access_token"])
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [
        ("GET", "/calendar/events", None, "calendar.read"),
        ("POST", "/calendar/events", {"title": "Tea", "starts_at": 1, "ends_at": 2}, "calendar.write"),
        ("POST", "/chat/messages", {"channel": "general", "text": "hello"}, "chat.write"),
    ],
)
async def test_each_call_needs_its_scope(
    provider: Provider, method: str, path: str, body: dict[str, str] | None, scope: str
) -> None:
    everything = "calendar.read calendar.write chat.write"
    for granted, status in ((scope, {200, 201}), (everything.replace(scope, "").strip(), {403})):
        tokens = (await provider.redeem(await provider.code(scope=granted))).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        answer = await provider.http.request(method, path, json=body, headers=headers)
        assert answer.status_code in status, granted
    assert (await provider.http.request(method, path, json=body)).status_code == 401


async def test_people_see_their_own_calendar_only(provider: Provider) -> None:
    browser = Browser()
    await browser.open(provider.link())
    await browser.press("Sign in", {"email": BOB.email, "password": BOB.password})
    page = await browser.press("Allow")
    code = dict(parse_qsl(urlsplit(page.url).query))["code"]
    events = (await provider.calendar((await provider.redeem(code)).json()["access_token"])).json()["events"]
    assert [event["title"] for event in events] == ["Risk committee"]
    await browser.close()


async def test_faults_refuse_and_pass(provider: Provider) -> None:
    tokens = await provider.connected()
    fault = {"path": "/token", "kind": "refuse", "status": 429, "times": 2}
    assert (await provider.http.post("/admin/faults", json=fault)).status_code == 204
    for _ in range(2):
        answer = await provider.rotate(tokens["refresh_token"])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert (await provider.rotate(tokens["refresh_token"])).status_code == 200


async def test_a_dropped_reply_was_still_done(provider: Provider) -> None:
    tokens = await provider.connected()
    await provider.http.post("/admin/faults", json={"path": "/token", "kind": "drop"})
    with pytest.raises(httpx2.RemoteProtocolError):
        await provider.rotate(tokens["refresh_token"])
    assert (await provider.rotate(tokens["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("kind", ["garbage", "html", "huge"])
async def test_an_answer_that_nobody_can_read_was_still_done(provider: Provider, kind: str) -> None:
    tokens = await provider.connected()
    await provider.http.post("/admin/faults", json={"path": "/token", "kind": kind})
    answer = await provider.rotate(tokens["refresh_token"])
    assert answer.status_code == 200
    assert "mdr_" not in answer.text
    assert (await provider.rotate(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_reply_that_drips_is_whole_in_the_end(provider: Provider) -> None:
    tokens = await provider.connected()
    await provider.http.post("/admin/faults", json={"path": "/token", "kind": "drip", "seconds": 0.1})
    assert (await provider.rotate(tokens["refresh_token"])).json()["access_token"].startswith("mda_")


async def test_a_redirect_and_a_refusal_do_nothing(provider: Provider) -> None:
    tokens = await provider.connected()
    await provider.http.post("/admin/faults", json={"path": "/token", "kind": "redirect"})
    await provider.http.post(
        "/admin/faults", json={"path": "/token", "kind": "refuse", "status": 503, "retry_after": "9"}
    )
    assert (await provider.rotate(tokens["refresh_token"])).headers["location"] == "/elsewhere"
    assert (await provider.rotate(tokens["refresh_token"])).headers["retry-after"] == "9"
    assert (await provider.rotate(tokens["refresh_token"])).status_code == 200


async def test_a_repeat_may_be_forgiven_for_a_while(provider: Provider) -> None:
    tokens = await provider.connected()
    provider.authority.grace_seconds = 10
    for later in (0, 9):
        provider.now[0] += later
        assert (await provider.rotate(tokens["refresh_token"])).status_code == 200
    provider.now[0] += 1
    assert (await provider.rotate(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_refresh_tokens_need_not_rotate(provider: Provider) -> None:
    tokens = await provider.connected()
    provider.authority.rotates = False
    for _ in range(3):
        assert (await provider.rotate(tokens["refresh_token"])).status_code == 200


async def test_a_slow_reply_comes_late(provider: Provider) -> None:
    await provider.http.post("/admin/faults", json={"path": "/userinfo", "kind": "slow", "seconds": 5})
    with pytest.raises(httpx2.ReadTimeout):
        await provider.http.get("/userinfo", timeout=0.2)


async def test_the_switches_expire_and_revoke(provider: Provider) -> None:
    tokens = await provider.connected()
    assert (await provider.http.post("/admin/expire", json={"account": BOB.id})).json() == {"expired": 0}
    assert (await provider.http.post("/admin/expire")).json() == {"expired": 1}
    assert (await provider.calendar(tokens["access_token"])).status_code == 401
    again = (await provider.rotate(tokens["refresh_token"])).json()
    assert (await provider.http.post("/admin/revoke", json={"account": ADA.id})).json() == {"revoked": 1}
    assert (await provider.rotate(again["refresh_token"])).json()["error"] == "invalid_grant"
    calls = (await provider.http.get("/admin/calls")).json()
    assert calls["/token"] == 3


async def test_the_switches_exist_only_on_loopback_and_on_request(provider: Provider) -> None:
    def client(app: object, address: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=app, client=(address, 1))  # type: ignore[arg-type]
        return httpx2.AsyncClient(transport=transport, base_url="http://meridian")

    async with client(create_app("http://meridian", provider.authority, faults=Faults()), "192.0.2.7") as far:
        assert (await far.get("/admin/calls")).status_code == 404
        assert (await far.post("/admin/revoke")).status_code == 404
    async with client(create_app("http://meridian", provider.authority), "127.0.0.1") as plain:
        assert (await plain.get("/admin/calls")).status_code == 404

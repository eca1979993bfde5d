"""Attack 16: whoever reads the log, the trail, an error or the database finds nothing to present.

Everything that this house hands out is used, and misused, once; then all that it wrote is searched for all that it said.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fixtures.asking import CIBA, DEVICE, answer, asked, own_app, poll, waiting
from tests.fixtures.canaries import Canaries, kept, logged
from tests.fixtures.dpop import dpop_key, proof
from tests.fixtures.house import BROKER, SECRET, VERIFIER, WEB, Code, House, request_of
from tests.fixtures.keys import asserted, assertion, give_key, new_key
from tests.fixtures.vault import Vault, vault_on
from tests.ledger import proves

from remit_server.runtime import logs

IN_A_FORM = frozenset({"csrf", "resume", "user_code", "cookie remit", "cookie remit-browser"})
"""A page that says what was wrong with a form shows the form again, and sets its cookies."""
A_LINK = frozenset({"ticket"})
"""The refusal of an account that is not connected brings the link to connect it, which only its person can use."""


@dataclass
class Day:
    """What a day in this house left behind."""

    vault: Vault
    canaries: Canaries
    lines: list[dict[str, Any]]
    database: str


@asynccontextmanager
async def a_day(database: str) -> AsyncIterator[Day]:
    async with vault_on(database, registration="token", registration_token="initial registration token") as vault:
        canaries = Canaries(vault.house.transport)
        canaries.attend(vault.house)
        with logged() as lines:
            for part in (codes, refusals, questions, devices, keys, registration, lending, strange_places):
                await part(vault.house if part is not lending else vault)
            yield Day(vault, canaries, lines, database)


async def codes(house: House) -> None:
    """Sign in, consent, redeem, refresh, look, sign out; with a pushed request, and with a form that posts back."""
    tokens = await house.tokens_for("web", audience=BROKER, scope="openid offline_access profile", nonce="n")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **house.proof("web")}
    fresh = (await house.http.post("/oauth/token", data=form)).json()
    await house.http.get("/userinfo", headers={"Authorization": f"Bearer {fresh['access_token']}"})
    await house.http.post("/oauth/introspect", data={"token": fresh["access_token"], **house.proof("web")})
    pushed = await house.http.post("/oauth/par", data={**request_of(audience=BROKER), **house.proof("web")})
    browser = await house.sign_in()
    await browser.get("/authorize", params={"client_id": "web", "request_uri": pushed.json()["request_uri"]})
    await house.redeem(Code(browser.returned["code"], "web", WEB, VERIFIER, browser, browser.returned))
    await house.code_for("stranger", browser=browser)
    await browser.get("/oidc/logout", params={"id_token_hint": tokens["id_token"]})
    await house.http.post("/oauth/revoke", data={"token": fresh["refresh_token"], **house.proof("web")})


async def refusals(house: House) -> None:
    """What is spent, wrong, or somebody else's."""
    code = await house.code_for("web", scope="openid offline_access", audience=BROKER)
    tokens = (await house.redeem(code)).json()
    await house.redeem(code)
    await house.redeem(await house.code_for("web"), code_verifier="w" * 43)
    code = await house.code_for("web", scope="openid offline_access", audience=BROKER)
    tokens = (await house.redeem(code)).json()
    for client in ("web", "agent", "web"):
        house.clock.forward(31)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **house.proof(client)}
        await house.http.post("/oauth/token", data=form)
    await house.http.post("/oauth/token", data={**form, "client_secret": "a wrong secret that was typed"})
    await house.http.post("/oauth/token", data=form, auth=("web", SECRET))
    await house.http.get("/userinfo", headers={"Authorization": f"DPoP {tokens['access_token']}"})
    await house.http.get("/userinfo", headers={"Authorization": f"Basic {tokens['access_token']}"})
    browser = house.browser()
    await browser.get("/login")
    await browser.submit(identifier="ada@example.com", password="a password with a slip of the finger")
    await browser.submit(identifier="nobody@example.com", password="correct horse, wrong person")
    await browser.post(
        "/login",
        {"csrf": "a csrf token of another page", "identifier": "ada@example.com", "password": "typed elsewhere"},
    )
    await house.authorize(browser, redirect_uri="https://evil.example/")


async def questions(house: House) -> None:
    """CIBA: asked, answered, fetched, fetched again; and one that is denied."""
    app = await own_app(house)
    for said in ("approve", "deny"):
        request = await asked(house)
        await poll(house, request["auth_req_id"])
        (approval,) = await waiting(house, app)
        await answer(house, app, approval, answer=said, reason="because")
        for _ in range(2):
            house.clock.forward(6)
            await poll(house, request["auth_req_id"])
    form = {"grant_type": CIBA, "auth_req_id": request["auth_req_id"], **house.proof("web")}
    await house.http.post("/oauth/token", data=form)


async def devices(house: House) -> None:
    form = {"scope": "openid offline_access", "audience": BROKER, **house.proof("public")}
    device = (await house.http.post("/oauth/device/code", data=form)).json()
    browser = await house.sign_in("bob")
    await browser.get("/device")
    await browser.submit(user_code="BCDF-GHJK")
    await browser.get(device["verification_uri_complete"])
    await browser.submit(user_code=device["user_code"])
    await browser.submit(press=("answer", "allow"))
    sent = {"grant_type": DEVICE, "device_code": device["device_code"], **house.proof("public")}
    for _ in range(2):
        assert (await house.http.post("/oauth/token", data=sent)).status_code in {200, 400}


async def keys(house: House) -> None:
    """private_key_jwt and DPoP, good, replayed and broken."""
    key = new_key()
    await give_key(house, "service", key)
    form = {"grant_type": "client_credentials", "audience": BROKER, **asserted(assertion(house, key))}
    shown = proof(house, dpop_key())
    for _ in range(2):
        await house.http.post("/oauth/token", data=form, headers={"DPoP": shown})
    broken = asserted(assertion(house, new_key()))
    await house.http.post("/oauth/token", data={**form, **broken}, headers={"DPoP": shown + "x"})


async def registration(house: House) -> None:
    members = {"redirect_uris": ["https://client.example/cb"], "client_name": "Visitor"}
    for initial in ("a guess at the token", "initial registration token"):
        answered = await house.http.post("/oidc/register", json=members, headers={"Authorization": f"Bearer {initial}"})
    client = answered.json()
    for token in (client["registration_access_token"], "a guess at the access"):
        headers = {"Authorization": f"Bearer {token}"}
        await house.http.get(client["registration_client_uri"], headers=headers)
    await house.http.put(
        client["registration_client_uri"], headers={"Authorization": f"Bearer {client['registration_access_token']}"},
        json={**members, "client_id": client["client_id"], "client_secret": client["client_secret"], "jwks_uri": "no"},
    )  # fmt: skip


async def lending(vault: Vault) -> None:
    """Connect, borrow, refresh upstream, and be refused upstream."""
    await vault.connected()
    assert (await vault.exchange()).status_code == 200
    vault.later(4000)
    await vault.exchange()
    await vault.begin()


async def strange_places(house: House) -> None:
    """Tokens and secrets where they do not belong."""
    tokens = await house.tokens_for("web", audience=BROKER, scope="openid offline_access")
    for value in (tokens["access_token"], tokens["refresh_token"], SECRET):
        for path in ("/userinfo", "/oauth/token", "/authorize", "/device", "/login", "/connect", "/setup"):
            await house.http.get(path, params={"access_token": value, "ticket": value, "resume": value, "code": value})
        await house.http.get(f"/me/v1/approvals/{value}", headers={"Authorization": f"Bearer {value}"})
        await house.http.get(f"/nowhere/{value}")
        await house.http.post("/oauth/token", json={"grant_type": value, "scope": value, **house.proof("web")})
        await house.http.post("/oauth/token", content=value, headers={"Content-Type": "application/json"})
        await house.http.post("/oauth/token", data={"grant_type": "client_credentials", "client_id": value})
        await house.http.post("/oauth/revoke", data={"token": value, "client_id": "public"})
        await house.http.get("/oidc/logout", params={"id_token_hint": value})


@pytest.fixture
async def day(database_url: str) -> AsyncIterator[Day]:
    async with a_day(database_url) as day:
        yield day


@proves("attack.audit-secrets", "storage.hashed-bearers")
async def test_nothing_that_was_handed_out_is_written_down(day: Day) -> None:
    canaries, store = day.canaries, day.vault.house.store
    account = await day.vault.account()
    canaries.secrets |= {account.access_token: "upstream access token", account.refresh_token: "upstream refresh token"}
    canaries.secrets |= {"initial registration token": "initial registration token"}
    assert set(canaries.secrets.values()) >= {
        "access_token", "refresh_token", "id_token", "code", "device_code", "user_code", "auth_req_id", "request_uri",
        "client_secret", "registration_access_token", "client_assertion", "code_verifier", "password", "csrf", "ticket",
        "cookie remit", "cookie remit-browser",
    }, "the day was too short"  # fmt: skip

    events = [event async for _, event, _ in store.trail.everything()]
    assert {"token.issued", "token.reused", "code.reused", "approval.taken", "vault.exchanged"} <= {
        e.kind for e in events
    }
    assert canaries.found_in(msgspec.json.encode(events)) == [], "in the trail"

    assert len(day.lines) > 100
    assert [line for line in day.lines if canaries.found_in(repr(line))] == [], (
        "in the log, even before anything is hidden"
    )

    assert len(canaries.errors) > 40
    for error in canaries.errors:
        meant = IN_A_FORM if "text/html" in error else A_LINK if "connect_uri" in error else frozenset()
        assert canaries.found_in(error, but=meant) == [], error

    assert canaries.found_in(kept(day.database)) == [], "in the database"


async def test_the_search_would_find_it(day: Day) -> None:
    """The net has no hole: what is written on purpose is caught."""
    house, canaries = day.vault.house, day.canaries
    secret = next(value for value, kind in canaries.secrets.items() if kind == "refresh_token")
    logs.log.debug("on purpose", words=f"see {secret}")
    assert canaries.found_in(repr(day.lines)) == ["refresh_token"]
    await house.store.commit(events=(house.machines.event("token.refused", subject=secret),))
    assert "refresh_token" in canaries.found_in(kept(day.database))


@proves("attack.audit-secrets")
async def test_what_slips_into_a_log_line_is_hidden(tmp_path: Path, house: House) -> None:
    """The second line: a stray secret under a telling name, or one that looks like one, is not written out."""
    tokens = await house.tokens_for("web", scope="openid offline_access", audience=BROKER)
    entry = {
        "event": f"refused Bearer {tokens['access_token']}", "refresh_token": tokens["refresh_token"],
        "url": f"https://x.example/cb?code={tokens['refresh_token']}&state=s", "form": {"client_secret": SECRET},
        "exception": f"ValueError: {tokens['id_token']}", "list": [f"device_code={tokens['refresh_token']}"],
    }  # fmt: skip
    text = json.dumps(logs.redact(None, "info", entry))
    for secret in (tokens["access_token"], tokens["refresh_token"], tokens["id_token"], SECRET):
        assert secret not in text

"""Attacks 2 and 13 at the vault: a token that is not for the vault's hands, and an exchange for more than one may have."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.fixtures.dpop import proof
from tests.fixtures.house import BROKER, NOTES, SECRET
from tests.fixtures.vault import ACCESS, REFRESH, Vault
from tests.ledger import proves

from remit_server.records import Policy
from remit_server.rules.connection import Use
from remit_server.rules.exchange import FEDERATED as FEDERATED_TYPE
from remit_server.vault.grants.token_exchange import FEDERATED, RFC_8693
from remit_server.vault.refresh import Refresher

pytestmark = proves("vault.subject-proven")

KEY = ECKey.generate_key("P-256")
READ = ("calendar.read",)
EXCHANGES = ("authorization_code", "refresh_token", "token_exchange")


async def refused(vault: Vault, client: str = "agent", error: str = "invalid_grant", **params: Any) -> str:
    """Its description. Nothing was lent, nothing was asked of the provider, and no link gets into wrong hands."""
    before = vault.meridian.calls()
    answer = await vault.exchange(client, **params)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (400, error), body
    assert body.keys() <= {"error", "error_description"}
    assert vault.meridian.calls() == before
    assert await vault.house.events("vault.exchanged") == []
    return str(body["error_description"])


@pytest.fixture
async def connected(any_vault: Vault) -> Vault:
    """Ada has connected; the broker's API and the web app may borrow, too."""
    await any_vault.connected()
    for client in ("broker-api", "web"):
        await any_vault.allow(client, calendar=READ)
    await any_vault.change("web", grants=EXCHANGES)
    return any_vault


async def broker_token(vault: Vault, **params: Any) -> str:
    wanted = {"audience": BROKER, "scope": "openid trade:write", **params}
    value: str = (await vault.tokens("agent", **wanted))["access_token"]
    return value


async def test_a_refresh_token_of_another_client(connected: Vault) -> None:
    token = await connected.refresh_token("agent")
    for grant_type in (FEDERATED, RFC_8693):
        await refused(connected, "web", subject_token=token, grant_type=grant_type)


async def test_an_access_token_for_another_api(connected: Vault) -> None:
    """Attack 2: whoever was sent a token for somebody else passes it on."""
    notes = await broker_token(connected, audience=NOTES, scope="openid notes:read")
    userinfo = await broker_token(connected, audience=None, scope="openid")
    for token in (notes, userinfo):
        await refused(connected, "broker-api", subject_token=token, subject_token_type=ACCESS)
    # The agent that it was issued to is not the API either, nor is an app that found it.
    token = await broker_token(connected)
    for client in ("agent", "web"):
        await refused(connected, client, "unauthorized_client", subject_token=token, subject_token_type=ACCESS)


async def test_one_kind_of_token_for_another(connected: Vault) -> None:
    refresh, access = await connected.refresh_token(), await broker_token(connected)
    id_token = (await connected.tokens("agent", scope="openid profile offline_access"))["id_token"]
    await refused(connected, subject_token=refresh, subject_token_type=ACCESS)
    await refused(connected, "broker-api", subject_token=access, subject_token_type=REFRESH)
    for kind in (REFRESH, ACCESS):
        await refused(connected, subject_token=id_token, subject_token_type=kind)
    for kind in ("id_token", "jwt", "saml2"):
        await refused(
            connected, error="invalid_request", subject_token=id_token,
            subject_token_type=f"urn:ietf:params:oauth:token-type:{kind}",
        )  # fmt: skip


async def test_a_token_that_is_bound_to_a_key_without_its_proof(connected: Vault) -> None:
    house = connected.house
    code = await house.code_for("agent", "ada", audience=BROKER, scope="openid trade:write")
    form = {
        "grant_type": "authorization_code", "code": code.value, "redirect_uri": code.redirect_uri,
        "code_verifier": code.verifier, **house.proof("agent"),
    }  # fmt: skip
    bound = await house.http.post("/oauth/token", data=form, headers={"DPoP": proof(house, KEY)})
    assert bound.json()["token_type"] == "DPoP"
    token = bound.json()["access_token"]
    await refused(connected, "broker-api", subject_token=token, subject_token_type=ACCESS)
    exchange = {
        "grant_type": FEDERATED, "connection": "calendar", "subject_token": token, "subject_token_type": ACCESS,
        **house.proof("broker-api"),
    }  # fmt: skip
    for key, status in ((ECKey.generate_key("P-256"), 400), (KEY, 200)):
        answer = await house.http.post("/oauth/token", data=exchange, headers={"DPoP": proof(house, key)})
        assert answer.status_code == status, answer.text


async def test_it_was_spent_or_revoked_though_its_agreement_lives(connected: Vault) -> None:
    http, proof_of = connected.house.http, connected.house.proof
    wanted = {"audience": BROKER, "scope": "openid trade:write offline_access"}
    tokens = await connected.house.tokens_for("agent", "ada", **wanted)
    renewed = await http.post(
        "/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **proof_of("agent")},
    )
    assert renewed.status_code == 200
    await refused(connected, subject_token=tokens["refresh_token"])
    revoked = await http.post("/oauth/revoke", data={"token": tokens["access_token"], **proof_of("agent")})
    assert revoked.status_code == 200
    await refused(connected, "broker-api", subject_token=tokens["access_token"], subject_token_type=ACCESS)
    answer = await connected.exchange(subject_token=renewed.json()["refresh_token"])
    assert answer.status_code == 200, "the agreement lives"


async def test_the_parent_was_revoked(connected: Vault) -> None:
    refresh = await connected.refresh_token()
    tokens = await connected.house.tokens_for(
        "agent", "ada", audience=BROKER, scope="openid trade:write offline_access"
    )
    for token in (refresh, tokens["refresh_token"]):
        form = {"token": token, **connected.house.proof("agent")}
        assert (await connected.house.http.post("/oauth/revoke", data=form)).status_code == 200
        await refused(connected, subject_token=token)
    await refused(connected, "broker-api", subject_token=tokens["access_token"], subject_token_type=ACCESS)


async def test_it_has_expired_or_was_never_issued(connected: Vault) -> None:
    access, refresh = await broker_token(connected), await connected.refresh_token()
    settings = connected.house.machines.settings
    for token in ("", "x" * 40, access[:-1], access + "A", refresh.upper()):
        await refused(connected, error="invalid_request" if not token else "invalid_grant", subject_token=token)
    connected.later(settings.access_token_lifetime)
    await refused(connected, "broker-api", subject_token=access, subject_token_type=ACCESS)
    connected.later(settings.refresh_token_lifetime)
    await refused(connected, subject_token=refresh)


async def test_the_one_who_asked_for_it_was_suspended(connected: Vault) -> None:
    access = await broker_token(connected)
    await connected.change("agent", state="suspended")
    await refused(connected, "broker-api", subject_token=access, subject_token_type=ACCESS)


async def test_an_app_without_a_secret(connected: Vault) -> None:
    await connected.allow("public", calendar=READ)
    await connected.change("public", grants=EXCHANGES)
    token = await connected.refresh_token("public")
    await refused(connected, "public", "unauthorized_client", subject_token=token)


async def test_a_client_without_the_grant(connected: Vault) -> None:
    await connected.change("agent", grants=EXCHANGES[:2])
    await refused(connected, error="unauthorized_client", subject_token=await connected.refresh_token())


@pytest.mark.parametrize(
    "more",
    [
        {"actor_token": "x", "actor_token_type": ACCESS}, {"requested_token_type": REFRESH},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    ],
)  # fmt: skip
async def test_more_than_is_handed_out_here(connected: Vault, more: dict[str, str]) -> None:
    await refused(connected, error="invalid_request", subject_token=await connected.refresh_token(), **more)


async def test_a_repeated_parameter(connected: Vault) -> None:
    """Of two subjects, hints or connections, a proxy in front of us may have read the other one."""
    token = await connected.refresh_token()
    form = [
        ("grant_type", FEDERATED), ("connection", "calendar"), ("subject_token", token), ("subject_token_type", REFRESH),
        ("requested_token_type", FEDERATED_TYPE), ("client_id", "agent"), ("client_secret", SECRET),
    ]  # fmt: skip
    for name, value in (("subject_token", token), ("login_hint", "a"), ("connection", "mail"), ("scope", "x")):
        twice = [*form, (name, value), (name, value)]
        content = "&".join(f"{k}={v.replace('+', '%2B')}" for k, v in twice)
        answer = await connected.house.http.post(
            "/oauth/token", content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), name


async def test_more_scopes_than_the_client_or_the_person_allows(connected: Vault) -> None:
    assert "calendar.write" in await refused(
        connected, error="invalid_scope", subject_token=await connected.refresh_token(), scope="calendar.write"
    )
    await connected.allow("agent", calendar=("calendar.read", "calendar.write"))
    answer = (await connected.exchange(scope="calendar.read calendar.write")).json()
    assert answer["scope"] == "calendar.read", "what the person did not grant is asked of them, and not taken"


async def test_an_agreement_of_another_person_with_the_same_agent(connected: Vault) -> None:
    """Bob's token, Ada's account: by its id, by the provider's id, by its name, by the id of a lending that is Ada's."""
    account = await connected.account("ada")
    token = await connected.refresh_token("agent", "bob")
    for hint in (account.id, account.upstream_id, account.label, "auth0|ada"):
        answer = await connected.exchange(subject_token=token, login_hint=hint)
        assert (answer.status_code, answer.json()["reason"]) == (401, "not_connected")
    nobody = await connected.exchange(subject_token=token, login_hint="nobody")
    assert nobody.json().keys() == answer.json().keys()
    assert nobody.json()["error_description"] == answer.json()["error_description"]


async def test_the_person_is_gone_or_blocked(connected: Vault) -> None:
    token, users = await connected.refresh_token(), connected.house.store.users
    ada = await users.get("auth0|ada")
    assert ada is not None
    await connected.house.store.commit(users.put(msgspec.structs.replace(ada, state="blocked")))
    await refused(connected, error="access_denied", subject_token=token)
    await connected.house.store.commit(users.remove(ada.id))
    await refused(connected, subject_token=token)


NO_WRITING = """permit(principal, action, resource);
@id("no-writing") @reason("Nobody writes calendars.")
forbid(principal, action == Action::"exchange", resource) when { context.scopes.contains("calendar.write") };"""


async def test_a_policy_judges_what_would_be_handed_out(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names no scope would get all of them: the policy is asked about those, and about more if the provider gives more."""
    await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
    await vault.connected()
    token = await vault.refresh_token()
    await vault.house.store.commit(vault.house.store.policies.put(Policy(name="no.cedar", text=NO_WRITING)))
    for scope in (None, "calendar.write", "calendar.read calendar.write"):
        assert (
            await refused(vault, error="access_denied", subject_token=token, scope=scope) == "Nobody writes calendars."
        )

    async def wider(*_: Any, **__: Any) -> Use:
        return Use(access_token="too-wide", scopes=("calendar.read", "calendar.write"), expires_at=None)

    with monkeypatch.context() as patch:
        patch.setattr(Refresher, "usable", wider)
        await refused(vault, error="access_denied", subject_token=token, scope="calendar.read")
    answer = await vault.exchange(subject_token=token, scope="calendar.read")
    assert answer.json()["scope"] == "calendar.read"

"""Auth0's toolkits for agents and its SDKs for servers and APIs, pinned and unmodified, borrow from our vault over TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.house import BROKER, NOTES, SECRET, WEB
from tests.fixtures.vault import Vault, meridian
from tests.interop.live import Borrowing, RealTime, Trust, bound, live
from tests.interop.play import play_node, play_python
from tests.ledger import proves

from remit_server.errors import NotConnected

pytestmark = proves("interop.token-vault")

EXCHANGES = ("authorization_code", "refresh_token", "token_exchange")


@pytest.fixture
async def lender(tmp_path: Path, trust: Trust) -> AsyncIterator[Borrowing]:
    """`https://localhost:<port>/`, with Meridian as the connection `calendar`."""
    at, port = bound()
    with meridian(RealTime(), issuer=f"https://localhost:{port}/") as upstream:
        async with live(tmp_path, trust, upstream.connection(), at=at) as server:
            vault = Vault(server.house, upstream)
            for client in ("web", "broker-api"):
                await vault.allow(client, calendar=("calendar.read",))
            await vault.change("web", grants=EXCHANGES)
            yield Borrowing(server.issuer, trust, server.house, server.calls, vault)


async def subject_of(vault: Vault, kind: str) -> tuple[str, dict[str, str]]:
    """Who exchanges what: the agent its refresh token, or the API the access token that it was called with."""
    if kind == "refresh_token":
        return "agent", {kind: await vault.refresh_token("agent", "ada")}
    tokens = await vault.tokens("agent", "ada", audience=BROKER, scope="openid trade:write")
    return "broker-api", {kind: tokens["access_token"]}


def whose(vault: Vault, token: str) -> str:
    return str(vault.meridian.authority.bearer(token, "calendar.read").id)


def interrupted(value: dict[str, Any], *missing: str) -> str:
    """What an interrupt says, after a look at what else it holds."""
    assert (value["name"], value["code"]) == ("AUTH0_AI_INTERRUPT", "TOKEN_VAULT_ERROR")
    assert value["connection"] == "calendar"
    assert set(value.get("required_scopes") or value["requiredScopes"]) == set(missing)
    return str(value["message"])


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
@pytest.mark.parametrize("script", ["ai_langchain", "ai_llamaindex"])
async def test_agents_in_python(lender: Borrowing, script: str, kind: str) -> None:
    """Rows 3 and 4: interrupted until the person has connected, then the token; never one of somebody else's account."""
    vault = lender.vault
    client, subject = await subject_of(vault, kind)
    got = await play_python(
        lender, script, packages="python-agents", answers={"connects": lambda: vault.connected(client=client, **of(subject))},
        client=client, secret=SECRET, subject=subject,
    )  # fmt: skip
    for name in ("before", "wrong_hint"):
        assert interrupted(got[name], "calendar.read") == NotConnected.text
    for name in ("after", "hinted"):
        assert whose(vault, got[name]["access_token"]) == "mer_ada"
        assert (got[name]["scope"], got[name]["token_type"]) == (["calendar.read"], "Bearer")
        assert 0 < got[name]["expires_in"] <= 300
    assert "calendar.write" in interrupted(got["too_much"], "calendar.read", "calendar.write")
    assert "subject token" in interrupted(got["stranger"], "calendar.read")


@pytest.mark.node
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_agents_in_javascript(lender: Borrowing, kind: str) -> None:
    vault = lender.vault
    client, subject = await subject_of(vault, kind)
    got = await play_node(
        lender, "ai_vercel", answers={"connects": lambda: vault.connected(client=client, **of(subject))}, client=client,
        secret=SECRET, subject=subject,
    )  # fmt: skip
    for name in ("before", "wrong_hint"):
        interrupted(got[name], "calendar.read")
    for name in ("after", "hinted"):
        assert whose(vault, got[name]["accessToken"]) == "mer_ada"
        assert (got[name]["scopes"], got[name]["tokenType"]) == (["calendar.read"], "Bearer")
    assert "Missing scopes: calendar.write" in interrupted(got["too_much"], "calendar.read", "calendar.write")


def of(subject: dict[str, str]) -> dict[str, str]:
    """The parameters of an exchange with this subject."""
    ((kind, token),) = subject.items()
    return {"subject_token": token, "subject_token_type": f"urn:ietf:params:oauth:token-type:{kind}"}


async def test_an_api_borrows_with_the_token_that_it_was_called_with(lender: Borrowing) -> None:
    """Row 4: and no other client does, and with no other token."""
    vault = lender.vault
    _, subject = await subject_of(vault, "access_token")
    other = (await vault.tokens("agent", "ada", audience=NOTES, scope="openid notes:read"))["access_token"]
    got = await play_python(
        lender, "auth0_borrow", answers={"connects": lambda: vault.connected(client="broker-api", **of(subject))},
        secret=SECRET, audience=BROKER, token=subject["access_token"], other=other,
    )  # fmt: skip
    not_found = "federated_connection_refresh_token_not_found"
    for name in ("before", "wrong_hint"):
        assert (got[name]["code"], got[name]["status"]) == (not_found, 401)
        assert NotConnected.text in got[name]["message"]
    for name in ("after", "hinted"):
        assert whose(vault, got[name]["access_token"]) == "mer_ada"
        assert got[name]["scope"] == "calendar.read"
    assert (got["other_api"]["code"], got["other_api"]["status"]) == ("invalid_grant", 400)
    assert (got["no_api"]["code"], got["no_api"]["status"]) == ("unauthorized_client", 400)


async def test_an_app_connects_uses_lists_and_deletes_an_account(lender: Borrowing) -> None:
    """Row 8, all of it through the SDK and a person's browser."""
    got = await play_python(lender, "auth0_connect", client="web", secret=SECRET, redirect_uri=WEB)
    assert [(each["name"], each["scopes"]) for each in got["offered"]] == [("calendar", ["calendar.read"])]
    assert got["link"].startswith(f"{lender.issuer}connect?ticket=")
    assert got["completed"]["connection"] == "calendar"
    assert got["completed"]["scopes"] == ["calendar.read"]
    assert [each["id"] for each in got["listed"]] == [got["completed"]["id"]]
    assert got["completed"]["app_state"] == {"from": "/orders"}
    assert got["left"] == []
    for name in ("before", "gone"):
        assert NotConnected.text in got[name]["message"]
    events = {event.kind: event for event in await lender.house.events()}
    assert events["vault.exchanged"].actor.client == "web"
    assert events["vault.disconnected"].about["upstream_confirmed"] is True

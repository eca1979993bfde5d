"""Attack 5: a provider's name that points inside, or an answer that sends the vault elsewhere. What the vault has to show there
is worth stealing: codes, refresh tokens, our client's secret."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.house import Clock, House, built, sqlite
from tests.fixtures.quirks import Quirky, quirky
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.records import ConnectAttempt, ConnectedAccount, Connection
from remit_server.rules.connection import Issued, home_of
from remit_server.runtime.outbound import OutboundRefused
from remit_server.vault import upstream

INSIDE = ("127.0.0.1", "10.0.0.5", "169.254.169.254", "100.64.0.1", "[::1]", "[::ffff:10.0.0.5]", "[fd00::1]")
"""Loopback, private, cloud metadata, carrier NAT, and their IPv6 disguises."""


def at(origin: str, **more: Any) -> Connection:
    """A connection whose every endpoint is there."""
    return Connection(
        name="calendar", provider="oauth2", authorization_endpoint=f"{origin}/authorize", token_endpoint=f"{origin}/token",
        revocation_endpoint=f"{origin}/revoke", userinfo_endpoint=f"{origin}/userinfo", client_id="remit",
        client_secret="s3cret", scopes=("calendar.read",), **more,
    )  # fmt: skip


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[House]:
    """A server on the Internet."""
    async with built(sqlite(tmp_path), clock=Clock(), issuer="https://id.example/") as house:
        yield house


async def everything(house: House, connection: Connection) -> list[Any]:
    """All that the vault ever says to a provider's own endpoints."""
    machines = house.machines
    attempt = ConnectAttempt(ticket="t", user_id="auth0|ada", connection="calendar", upstream_verifier="v" * 43)
    account = ConnectedAccount(
        id="a", user_id="auth0|ada", connection="calendar", home=home_of(connection), access_token="at", refresh_token="rt"
    )  # fmt: skip
    outcomes: list[Any] = [
        await upstream.redeem(machines, connection, attempt, "code", "https://id.example/connect/callback/calendar"),
        await upstream.refresh(machines, connection, "rt", ("calendar.read",), ()),
        await upstream.revoke(machines, connection, account),
    ]
    try:
        outcomes.append(await upstream.identity(machines, connection, "at"))
    except OutboundRefused as refused:
        outcomes.append(refused)
    return outcomes


@pytest.mark.parametrize("host", INSIDE)
@proves("attack.inner-addresses")
async def test_nothing_is_said_to_an_inner_address(far: House, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        redeemed, refreshed, revoked, whose = await everything(far, at(f"https://{host}:{listener.getsockname()[1]}"))
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not isinstance(redeemed, Issued)
    assert not isinstance(refreshed, Issued)
    assert revoked is False
    assert "not a public address" in whose.detail


@proves("attack.inner-addresses")
async def test_a_name_that_resolves_inside_is_an_inner_address(far: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_, **__: [(2, 1, 6, "", ("169.254.169.254", port))])
    *_, whose = await everything(far, at("https://provider.example"))
    assert "169.254.169.254, which is not a public address" in whose.detail


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[Quirky, Quirky]]:
    with quirky() as provider, quirky() as thief:
        yield provider, thief


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@proves("attack.mix-up")
async def test_a_redirect_takes_nothing_to_another_provider(
    house: House, two: tuple[Quirky, Quirky], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, thief = two
    thief.asked.clear()
    for path in ("token", "revoke"):
        provider.says(f"POST /{path}", {}, status)
    provider.says("GET /userinfo", {}, status)
    monkeypatch.setattr(provider, "headers", [(b"location", f"{thief.url}/steal".encode())])
    redeemed, refreshed, revoked, whose = await everything(house, at(provider.url))
    assert thief.asked == []
    assert not isinstance(redeemed, Issued)
    assert not isinstance(refreshed, Issued)
    assert revoked is False
    assert isinstance(whose, OutboundRefused)


async def test_a_connect_flow_to_an_inner_address_ends_in_words(vault: Vault) -> None:
    """What the person reads, and what they do not: an address of ours."""
    link = (await vault.exchange()).json()["connect_uri"]
    browser = await vault.house.sign_in("ada")
    await browser.get(link)
    back = await vault.meridian.agree(await vault.leave(browser))
    await vault.house.store.commit(vault.house.store.connections.put(at("https://10.0.0.5")))
    page = await browser.get(back)
    assert "is not connected" in page.text
    assert "10.0.0.5" not in page.text
    assert not await vault.house.store.connected_accounts.of_user("auth0|ada")

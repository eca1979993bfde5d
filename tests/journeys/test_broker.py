"""The broker, an API behind `remit.Verifier`, over real HTTP with an issuer whose keys the tests hold."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from remit import ProofKey, Verifier
from remit_demo.broker import Book, Depot, Market, create_app
from remit_demo.serving import loopback_socket, served, url_of

AUDIENCE = "https://broker.example"
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
ORDER: dict[str, Any] = {
    "side": "buy",
    "ticker": "ZEKO",
    "quantity": 10,
    "limit": {"amount": 4120, "currency": "USD"},
    "account": "...4821",
}
DETAILS = [{"type": "trade_order", **ORDER}]

_serial = itertools.count()


@dataclass
class Running:
    """A broker, its customer, and the issuer that it trusts."""

    issuer: str
    url: str
    depot: Depot
    http: httpx2.AsyncClient
    ticks: list[float]

    def token(self, key: RSAKey = KEY, typ: str = "at+jwt", **changes: Any) -> str:
        """An access token for Ada; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "auth0|ada",
            "client_id": "trading-assistant",
            "iat": now,
            "exp": now + 300,
            "jti": f"t{next(_serial)}",
            "scope": "trade:write portfolio:read",
            "authorization_details": DETAILS,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "k1", "typ": typ}, claims, key)

    async def order(self, token: str, order: dict[str, Any] = ORDER) -> httpx2.Response:
        return await self.http.post("/orders", json=order, headers={"Authorization": f"Bearer {token}"})

    async def portfolio(self, token: str | None) -> httpx2.Response:
        return await self.http.get("/portfolio", headers={"Authorization": f"Bearer {token}"} if token else {})


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    bound = loopback_socket()
    url = url_of(bound) + "/"

    async def metadata(_: Request) -> JSONResponse:
        return JSONResponse({"issuer": url, "jwks_uri": f"{url}jwks"})

    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})

    paths = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
    with served(Starlette(routes=[*(Route(path, metadata) for path in paths), Route("/jwks", jwks)]), bound):
        yield url


@pytest.fixture
async def broker(issuer: str) -> AsyncIterator[Running]:
    bound, ticks = loopback_socket(), [100.0]
    depot = Depot("...4821", cash=100_000)
    market = Market(tick_seconds=1, clock=lambda: ticks[0])
    market.price("ZEKO")
    ticks[0] += 12
    app = create_app(url_of(bound), Verifier(issuer, AUDIENCE), Book({"auth0|ada": depot}), market)
    with served(app, bound) as url:
        async with httpx2.AsyncClient(base_url=url) as http:
            yield Running(issuer, url, depot, http, ticks)


def test_the_price_falls_below_the_limit_in_the_same_way_each_time() -> None:
    def watched() -> list[int]:
        now = itertools.count(step=2)
        market = Market(tick_seconds=2, clock=lambda: next(now))
        return [market.price("ZEKO") for _ in range(20)]

    assert watched() == watched()
    assert watched()[0] > 4120 > watched()[-1]


async def test_prices_are_public(broker: Running) -> None:
    quote = (await broker.http.get("/prices/ZEKO")).json()
    assert quote == {"ticker": "ZEKO", "name": "Zeko Industries", "price": {"amount": 4103, "currency": "USD"}}
    assert (await broker.http.get("/prices/NONE")).status_code == 404


async def test_an_approved_order_is_filled(broker: Running) -> None:
    answer = await broker.order(broker.token())
    assert answer.status_code == 201
    assert answer.json()["price"] == {"amount": 4103, "currency": "USD"}
    held = (await broker.portfolio(broker.token())).json()
    assert held["shares"] == {"ZEKO": 10}
    assert held["cash"] == {"amount": 100_000 - 10 * 4103, "currency": "USD"}


async def test_an_approval_is_spent_once(broker: Running) -> None:
    token = broker.token()
    assert (await broker.order(token)).status_code == 201
    replay = await broker.order(token)
    assert (replay.status_code, replay.json()["error"]) == (403, "already_spent")
    assert broker.depot.shares == {"ZEKO": 10}


async def test_of_many_racing_orders_one_is_filled(broker: Running) -> None:
    token = broker.token()
    broker.depot.cash = 10_000_000
    answers = await asyncio.gather(*(broker.order(token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 19
    assert broker.depot.shares == {"ZEKO": 10}
    assert broker.depot.cash == 10_000_000 - 10 * 4103


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 1000},
        {"quantity": 9},
        {"ticker": "ORBT"},
        {"side": "sell"},
        {"limit": {"amount": 9999, "currency": "USD"}},
    ],
)
async def test_another_order_than_the_approved_one_is_refused(broker: Running, change: dict[str, Any]) -> None:
    broker.depot.cash, broker.depot.shares = 10**12, {"ZEKO": 10_000}
    token = broker.token()
    if change == {"side": "sell"}:
        broker.ticks[0] -= 12  # the price is above the limit, so that only the approval stands in the way
    answer = await broker.order(token, ORDER | change)
    assert (answer.status_code, answer.json()["error"]) == (403, "details_changed")
    assert (broker.depot.cash, broker.depot.shares) == (10**12, {"ZEKO": 10_000})


async def test_an_approval_of_nothing_buys_nothing(broker: Running) -> None:
    answer = await broker.order(broker.token(authorization_details=None))
    assert (answer.status_code, answer.json()["error"]) == (403, "not_allowed")
    other = [{"type": "payment", **ORDER}]
    assert (await broker.order(broker.token(authorization_details=other))).status_code == 403


async def test_each_call_needs_its_scope(broker: Running) -> None:
    answer = await broker.order(broker.token(scope="portfolio:read"))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert 'scope="trade:write"' in answer.headers["www-authenticate"]
    assert (await broker.portfolio(broker.token(scope="trade:write"))).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "http://127.0.0.1:1/"},
        {"aud": "https://other.example"},
        {"exp": 1},
        {"typ": "JWT"},
        {"key": RSAKey.generate_key(2048, {"kid": "k1"})},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_token_that_is_not_for_this_api_is_refused(broker: Running, changes: dict[str, Any]) -> None:
    for answer in (await broker.order(broker.token(**changes)), await broker.portfolio(broker.token(**changes))):
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_no_token_is_a_bare_challenge(broker: Running) -> None:
    answer = await broker.portfolio(None)
    assert answer.status_code == 401
    assert "error=" not in answer.headers["www-authenticate"]


async def test_a_bound_token_needs_its_key_and_each_proof_once(broker: Running) -> None:
    key = ProofKey.generate()
    token, url = broker.token(cnf={"jkt": key.thumbprint}), f"{broker.url}/portfolio"
    assert (await broker.portfolio(token)).status_code == 401

    proof = key.proof("GET", url, now=time.time(), access_token=token)
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert (await broker.http.get("/portfolio", headers=headers)).status_code == 200
    again = await broker.http.get("/portfolio", headers=headers)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_dpop_proof")

    stranger = ProofKey.generate().proof("GET", url, now=time.time(), access_token=token)
    answer = await broker.http.get("/portfolio", headers={"Authorization": f"DPoP {token}", "DPoP": stranger})
    assert answer.status_code == 401


async def test_an_order_that_cannot_be_filled_leaves_the_approval_unspent(broker: Running) -> None:
    token = broker.token()
    broker.ticks[0] -= 12
    early = await broker.order(token)
    assert (early.status_code, early.json()["error"]) == (409, "limit_not_met")
    broker.ticks[0] += 12
    broker.depot.cash = 1
    assert (await broker.order(token)).json()["error"] == "insufficient_funds"
    broker.depot.cash = 100_000
    assert (await broker.order(token)).status_code == 201


async def test_shares_that_are_not_there_cannot_be_sold(broker: Running) -> None:
    sale = ORDER | {"side": "sell", "limit": {"amount": 4000, "currency": "USD"}}
    token = broker.token(authorization_details=[{"type": "trade_order", **sale}])
    assert (await broker.order(token, sale)).json()["error"] == "insufficient_shares"
    broker.depot.shares["ZEKO"] = 10
    assert (await broker.order(token, sale)).status_code == 201
    assert broker.depot.shares == {"ZEKO": 0}
    assert broker.depot.cash == 100_000 + 10 * 4103


async def test_nobody_trades_for_somebody_else(broker: Running) -> None:
    assert (await broker.order(broker.token(sub="auth0|bob"))).json()["error"] == "no_account"
    other = ORDER | {"account": "...9999"}
    details = [{"type": "trade_order", **other}]
    assert (await broker.order(broker.token(authorization_details=details), other)).json()["error"] == "no_account"


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 0},
        {"quantity": True},
        {"quantity": 1.5},
        {"quantity": "10"},
        {"side": "short"},
        {"limit": {"amount": 4120, "currency": "EUR"}},
        {"limit": {"amount": 4120, "currency": "USD", "fee": 1}},
        {"leverage": 10},
    ],
)
async def test_a_malformed_order_is_refused(broker: Running, change: dict[str, Any]) -> None:
    answer = await broker.order(broker.token(), ORDER | change)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_order")

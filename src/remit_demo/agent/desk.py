"""The assistant's trading desk: watch a price, ask for one exact order, place it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx2

from remit import Grant, User
from remit_demo.agent.screen import Screen


@dataclass(frozen=True, slots=True)
class Order:
    """What the person wants: at most or at least ``limit`` cents per share."""

    side: str
    ticker: str
    quantity: int
    limit: int
    account: str

    def to_json(self) -> dict[str, Any]:
        """Return the order as the broker takes it."""
        limit = {"amount": self.limit, "currency": "USD"}
        return {
            "side": self.side,
            "ticker": self.ticker,
            "quantity": self.quantity,
            "limit": limit,
            "account": self.account,
        }

    def to_details(self) -> dict[str, Any]:
        """Return the order as an approval request: the type ``trade_order`` and the very same members."""
        return {"type": "trade_order", **self.to_json()}


@dataclass(frozen=True, slots=True)
class Placed:
    """What the broker answered."""

    status: int
    body: dict[str, Any]


class Desk:
    """Talks to the broker.

    Args:
        http: a client whose base URL is the broker's.
        audience: the broker's identifier, for which tokens are asked.
        screen: where the person is asked to answer.
        poll_seconds: how often to look at the price.
    """

    def __init__(self, http: httpx2.AsyncClient, audience: str, screen: Screen, *, poll_seconds: float = 1.0) -> None:
        self._http = http
        self._audience = audience
        self._screen = screen
        self._poll_seconds = poll_seconds
        self.filled: list[tuple[Order, Grant]] = []

    async def price(self, ticker: str) -> tuple[str, int] | None:
        """Return a share's full name and its price in cents, or ``None`` when it is not traded."""
        answer = await self._http.get(f"/prices/{ticker}")
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        quote = answer.json()
        return quote["name"], quote["price"]["amount"]

    async def watch(self, order: Order) -> int:
        """Wait until the price meets the order's limit; return that price in cents."""
        seen = None
        while True:
            quote = await self.price(order.ticker)
            assert quote is not None, "the share was quoted before"
            _, price = quote
            if price != seen:
                self._screen.note(f"{order.ticker} {dollars(price)}")
                seen = price
            if price <= order.limit if order.side == "buy" else price >= order.limit:
                return price
            await asyncio.sleep(self._poll_seconds)

    async def ask(self, user: User, order: Order) -> Grant:
        """Ask the person for exactly this order, and wait for the answer.

        Raises:
            remit.ApprovalDenied: they said no.
            remit.ApprovalExpired: they did not answer in time.
        """
        approval = await user.request(
            order.to_details(),
            audience=self._audience,
            scopes=["trade:write"],
            message=f"{order.ticker} met your limit of {dollars(order.limit)}",
        )
        await self._screen.offer("The price is right. I need your word for this one order.", approval.url)
        return await approval

    async def place(self, order: Order, grant: Grant) -> Placed:
        """Send the order with the token that the approval gave."""
        answer = await self._http.post("/orders", json=order.to_json(), auth=grant.token.auth)
        if answer.status_code == 201:
            self.filled.append((order, grant))
        return Placed(answer.status_code, answer.json())


def dollars(cents: int) -> str:
    """Return an amount of cents as ``41.20``."""
    return f"{cents // 100}.{cents % 100:02d}"

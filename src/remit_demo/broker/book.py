"""The broker's books: who holds what, and the orders that were filled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from remit_demo.broker.market import CURRENCY


class Declined(Exception):
    """The order is allowed, and still cannot be filled."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Order:
    """An order as its caller sent it; ``limit`` in cents per share."""

    side: Literal["buy", "sell"]
    ticker: str
    quantity: int
    limit: int
    account: str

    @classmethod
    def from_json(cls, body: object) -> Order:
        """Read an order; nothing may be missing and nothing may be added.

        Raises:
            Declined: ``invalid_order``.
        """
        match body:
            case {
                "side": "buy" | "sell" as side,
                "ticker": str(ticker),
                "quantity": int(quantity),
                "limit": {"amount": int(amount), "currency": str(currency), **more_limit},
                "account": str(account),
                **more,
            } if (
                quantity > 0
                and amount > 0
                and currency == CURRENCY
                and not (more or more_limit)
                and not isinstance(quantity, bool)
                and not isinstance(amount, bool)
            ):
                return cls(side, ticker, quantity, amount, account)
        raise Declined("invalid_order", "side, ticker, quantity, limit and account, please, and nothing else")

    def to_details(self) -> dict[str, Any]:
        """Return the order's members as an approval of type ``trade_order`` holds them."""
        limit = {"amount": self.limit, "currency": CURRENCY}
        return {
            "side": self.side,
            "ticker": self.ticker,
            "quantity": self.quantity,
            "limit": limit,
            "account": self.account,
        }


@dataclass(slots=True)
class Depot:
    """One customer's account; ``cash`` in cents."""

    account: str
    cash: int
    shares: dict[str, int] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def setting_aside(self, order: Order) -> Iterator[None]:
        """Hold what the order needs, and give it back when the block fails.

        Raises:
            Declined: ``insufficient_funds`` or ``insufficient_shares``.
        """
        if order.side == "buy":
            needed = order.quantity * order.limit
            if needed > self.cash:
                raise Declined("insufficient_funds", "there is not enough cash in the account")
            self.cash -= needed
            try:
                yield
            except BaseException:
                self.cash += needed
                raise
        else:
            held = self.shares.get(order.ticker, 0)
            if order.quantity > held:
                raise Declined("insufficient_shares", "there are not that many shares in the account")
            self.shares[order.ticker] = held - order.quantity
            try:
                yield
            except BaseException:
                self.shares[order.ticker] += order.quantity
                raise

    def fill(self, number: int, order: Order, price: int) -> dict[str, Any]:
        """Book an order whose means were set aside, at ``price`` cents per share."""
        if order.side == "buy":
            self.shares[order.ticker] = self.shares.get(order.ticker, 0) + order.quantity
            self.cash += order.quantity * (order.limit - price)
        else:
            self.cash += order.quantity * price
        filled = {"order": number, **order.to_details(), "price": {"amount": price, "currency": CURRENCY}}
        self.orders.append(filled)
        return filled


class Book:
    """Every customer's account, by the subject that Remit names in a token."""

    def __init__(self, depots: dict[str, Depot]) -> None:
        self._depots = depots
        self._last_order = 80

    def depot(self, subject: str) -> Depot:
        """Return a customer's account.

        Raises:
            Declined: ``no_account``.
        """
        try:
            return self._depots[subject]
        except KeyError:
            raise Declined("no_account", "you have no account here") from None

    def next_number(self) -> int:
        """Return the number of the next order."""
        self._last_order += 1
        return self._last_order

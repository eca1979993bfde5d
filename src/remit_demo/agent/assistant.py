"""The assistant: hears a sentence, plans, uses a tool on behalf of the person who signed in, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2

from remit import Client, ConnectRequired, RemitError, User
from remit_demo.agent.desk import Desk, Order, dollars
from remit_demo.agent.planner import Final, Message, Planner, Tool, ToolCall
from remit_demo.agent.screen import Screen
from remit_demo.agent.tools import CALENDAR, DOCUMENTS, PORTFOLIO, PRICE, READ, TRADE
from remit_demo.documents.archive import Document
from remit_demo.documents.papers import Papers, only_cited, quoted

_MAX_STEPS = 6
_CONNECT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Places:
    """What the assistant knows of the world: the audience of the broker's tokens, and the account there."""

    broker_audience: str
    account: str


class Assistant:
    """One conversation with one person.

    Args:
        client: the assistant's own registration at Remit.
        planner: what to do next.
        desk: the way to the broker.
        places: the rest of the world.
        screen: the way to the person.
        broker: an HTTP client whose base URL is the broker's.
        papers: the office's documents.
    """

    def __init__(
        self,
        *,
        client: Client,
        planner: Planner,
        desk: Desk,
        places: Places,
        screen: Screen,
        broker: httpx2.AsyncClient,
        papers: Papers,
    ) -> None:
        self.client = client
        self._planner = planner
        self._places = places
        self._screen = screen
        self._broker = broker
        self._messages: list[Message] = []
        self._shown: set[str] = set()
        self.papers = papers
        self.desk = desk
        self.user: User | None = None
        self.done: list[tuple[ToolCall, str]] = []

    async def sign_in(self) -> User:
        """Let a person take this terminal over by device flow; from then on it acts for them."""
        prompt = await self.client.device_sign_in(
            scope="openid profile offline_access portfolio:read", audience=self._places.broker_audience
        )
        why = "Open this page, sign in, and check that it shows this code."
        await self._screen.offer(why, prompt.verification_uri_complete, prompt.user_code)
        self.user = await prompt
        self._messages.clear()  # a new person, a new conversation
        self._shown.clear()
        return self.user

    async def hear(self, sentence: str) -> str:
        """Answer a sentence; also shows the answer."""
        self._messages.append(Message("user", sentence))
        for _ in range(_MAX_STEPS):
            step = await self._planner.plan(self._messages, self._tools())
            if isinstance(step, Final):
                text = only_cited(step.text, self._shown)
                self._messages.append(Message("assistant", text))
                self._screen.say(text)
                return text
            result = await self.use(step)
            self._messages += [Message("assistant", call=step), Message("tool", result, step)]
        raise RuntimeError("the planner went in circles")

    def _tools(self) -> Sequence[Tool]:
        return [PRICE] if self.user is None else [PRICE, CALENDAR, PORTFOLIO, DOCUMENTS, READ, TRADE]

    async def use(self, call: ToolCall) -> str:
        """Use a tool as a planner wants it, on behalf of whoever signed in and of nobody else."""
        result = await self._run(call)
        self.done.append((call, result))
        return result

    async def _run(self, call: ToolCall) -> str:
        try:
            match call.name, self.user:
                case "price", _:
                    doing = self._price(str(call.arguments["ticker"]))
                case "calendar", User() as user:
                    doing = self._calendar(user)
                case "portfolio", User() as user:
                    doing = self._portfolio(user)
                case "documents", User() as user:
                    doing = self._documents(user, str(call.arguments["query"]))
                case "read_document", User() as user:
                    doing = self._read(user, str(call.arguments["id"]))
                case "trade", User() as user:
                    doing = self._trade(user, call.arguments)
                case _:
                    return "That cannot be done."
            return await doing
        except RemitError as error:
            return error.for_model()  # what a planner reads holds no link and no secret

    async def _documents(self, user: User, query: str) -> str:
        return self._show(await self.papers.search(user, query))

    async def _read(self, user: User, id_: str) -> str:
        return self._show([await self.papers.read(user, id_)])

    def _show(self, documents: Sequence[Document]) -> str:
        self._shown.update(each.id for each in documents)
        return quoted(documents)

    async def _price(self, ticker: str) -> str:
        quote = await self.desk.price(ticker)
        return f"{quote[0]} ({ticker}) is at {dollars(quote[1])} USD." if quote else f"{ticker} is not traded."

    async def _calendar(self, user: User) -> str:
        answer = await self._once_connected("calendar", lambda: self._events(user))
        events = answer.json()["events"]
        lines = [f"{datetime.fromtimestamp(e['starts_at'], UTC):%H:%M}  {e['title']}" for e in events]
        return "\n".join(["Today:", *lines]) if lines else "Nothing today."

    async def _events(self, user: User) -> httpx2.Response:
        # Through the vault: no token of the provider ever comes here.
        async with user.vault.client("calendar") as api:
            return (await api.get("/calendar/events")).raise_for_status()

    async def _once_connected(self, connection: str, call: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        """Make the call; the user is asked to connect the account when it is not."""
        shown = False
        deadline = asyncio.get_running_loop().time() + _CONNECT_SECONDS
        while True:
            try:
                return await call()
            except ConnectRequired as needed:
                if needed.url is None or asyncio.get_running_loop().time() > deadline:
                    raise
                if not shown:
                    await self._screen.offer(f"I need your {connection} for that.", needed.url)
                    shown = True
            await asyncio.sleep(1)

    async def _portfolio(self, user: User) -> str:
        token = await user.access_token(audience=self._places.broker_audience, scopes=["portfolio:read"])
        answer = await self._broker.get("/portfolio", auth=token.auth)
        answer.raise_for_status()
        held = answer.json()
        shares = ", ".join(f"{count} {ticker}" for ticker, count in held["shares"].items()) or "no shares"
        return f"Account {held['account']}: {dollars(held['cash']['amount'])} USD, {shares}."

    async def _trade(self, user: User, wanted: Mapping[str, Any]) -> str:
        order = Order(
            wanted["side"],
            wanted["ticker"],
            int(wanted["quantity"]),
            int(wanted["limit_cents"]),
            self._places.account,
        )
        if await self.desk.price(order.ticker) is None:
            return f"{order.ticker} is not traded."
        self._screen.note(f"watching {order.ticker} for {dollars(order.limit)}")
        await self.desk.watch(order)
        grant = await self.desk.ask(user, order)
        placed = await self.desk.place(order, grant)
        if placed.status != 201:
            return f"The broker refused: {placed.body.get('message', placed.body.get('error'))}"
        price = dollars(placed.body["price"]["amount"])
        return f"Order {placed.body['order']} filled: {order.quantity} {order.ticker} at {price} USD."

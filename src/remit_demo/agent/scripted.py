"""A planner without a model: a few patterns with slots. It is what it says on the screen, and never called AI."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from remit_demo.agent.planner import Final, Message, Tool, ToolCall

_MONEY = r"\$?(?P<limit>\d+(?:\.\d{1,2})?)(?:\s*(?:usd|dollars?))?"
_TRADE = re.compile(
    rf"\b(?P<side>buy|sell)\s+(?P<quantity>\d+)\s+(?:shares?\s+(?:of\s+)?)?(?P<ticker>[a-z]{{1,6}})\b"
    rf"(?:.*?\b(?:under|below|at|over|above|limit)\s+{_MONEY})?",
    re.IGNORECASE,
)
_DOCUMENTS = re.compile(r"\b(?:documents?|papers?)\b.*?\b(?:about|on)\s+(?P<query>.+?)[?.!]*$", re.IGNORECASE)
_CALENDAR = re.compile(r"\b(calendar|appointments?|meetings?|schedule|today)\b", re.IGNORECASE)
_PRICE = re.compile(r"\b(?:price|quote|trading)\b.*?\b(?:of|for|is)\s+(?P<ticker>[a-z]{1,6})\b", re.IGNORECASE)
_PORTFOLIO = re.compile(r"\b(portfolio|holdings?|what do i (?:own|have)|cash)\b", re.IGNORECASE)
_LIMIT = re.compile(r"\blimit order\b", re.IGNORECASE)

_LIMIT_ORDER = (
    "A limit order names the worst price that you accept. It fills at that price or a better one, or not at all."
)
_HELP = (
    "I can look at your calendar, search the office's documents, quote a share, show your portfolio, and buy or sell at a "
    "limit. Try: buy 10 ZEKO if it drops under 41.20"
)


class ScriptedPlanner:
    """Matches the last thing that was said, calls one tool, and repeats what the tool answered."""

    label = "scripted planner (patterns, no model)"

    async def plan(self, messages: Sequence[Message], tools: Sequence[Tool]) -> ToolCall | Final:
        """Return the next step; see :class:`~remit_demo.agent.planner.Planner`."""
        last = messages[-1]
        if last.role == "tool":
            return Final(last.text)
        step = _match(last.text)
        if isinstance(step, ToolCall) and step.name not in {tool.name for tool in tools}:
            return Final("I do not know who you are, so I can only answer general questions. Sign in first.")
        return step


def _match(text: str) -> ToolCall | Final:
    for pattern, step in _STEPS:
        if found := pattern.search(text):
            return step(found)
    return Final(_HELP)


def _trade(found: re.Match[str]) -> ToolCall | Final:
    side, quantity, ticker = found["side"].lower(), found["quantity"], found["ticker"].upper()
    if found["limit"] is None:
        return Final(f"At what price? Say: {side} {quantity} {ticker} under 41.20")
    cents = int(Decimal(found["limit"]) * 100)
    return ToolCall("trade", {"side": side, "ticker": ticker, "quantity": int(quantity), "limit_cents": cents})


_STEPS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ToolCall | Final]], ...] = (
    (_DOCUMENTS, lambda found: ToolCall("documents", {"query": found["query"]})),
    (_TRADE, _trade),
    (_LIMIT, lambda _: Final(_LIMIT_ORDER)),
    (_PRICE, lambda found: ToolCall("price", {"ticker": found["ticker"].upper()})),
    (_PORTFOLIO, lambda _: ToolCall("portfolio", {})),
    (_CALENDAR, lambda _: ToolCall("calendar", {})),
)

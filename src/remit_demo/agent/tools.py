"""What the assistant can do, as its planner is told."""

from __future__ import annotations

from remit_demo.agent.planner import Tool

_TICKER = {"type": "string", "pattern": "^[A-Z]{1,6}$"}
PRICE = Tool("price", "Quote a share", {"type": "object", "properties": {"ticker": _TICKER}, "required": ["ticker"]})
CALENDAR = Tool("calendar", "List today's appointments of the user", {"type": "object", "properties": {}})
PORTFOLIO = Tool("portfolio", "Show the user's cash and shares at the broker", {"type": "object", "properties": {}})
DOCUMENTS = Tool(
    "documents",
    "Search the office's documents that the user may read. Cite what you use as [id]",
    {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)
READ = Tool(
    "read_document",
    "Read one document whole",
    {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
)
TRADE = Tool(
    "trade",
    "Wait for a price, ask the user to approve, and place one limit order",
    {
        "type": "object",
        "properties": {
            "side": {"enum": ["buy", "sell"]},
            "ticker": _TICKER,
            "quantity": {"type": "integer", "minimum": 1},
            "limit_cents": {"type": "integer", "minimum": 1, "description": "Worst price per share, in US cents"},
        },
        "required": ["side", "ticker", "quantity", "limit_cents"],
    },
)

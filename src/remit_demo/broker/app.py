"""The broker's API. What Remit does for it are the lines that begin with ``caller``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from remit import Caller, Challenge, Refused, Unavailable, Verifier
from remit_demo.broker.book import Book, Declined, Order
from remit_demo.broker.market import CURRENCY, NAMES, Market


def create_app(url: str, verify: Verifier, book: Book, market: Market) -> Starlette:
    """Return the broker as an ASGI app.

    Args:
        url: its own URL without a trailing slash, which DPoP proofs name.
        verify: who may call.
        book: the customers' accounts.
        market: where prices come from.
    """

    @asynccontextmanager
    async def closing(_app: Starlette) -> AsyncIterator[None]:
        yield
        await verify.aclose()

    app = Starlette(
        lifespan=closing,
        routes=[
            Route("/prices/{ticker}", prices),
            Route("/orders", orders, methods=["POST"]),
            Route("/portfolio", portfolio),
        ],
        exception_handlers={Challenge: challenged, Refused: refused, Unavailable: unavailable, Declined: declined},
    )
    app.state.url, app.state.verify, app.state.book, app.state.market = url, verify, book, market
    return app


async def prices(request: Request) -> Response:
    """Quote a share. Prices are public."""
    market: Market = request.app.state.market
    ticker = request.path_params["ticker"]
    if ticker not in NAMES:
        raise Declined("unknown_ticker", "that share is not traded here")
    price = {"amount": market.price(ticker), "currency": CURRENCY}
    return JSONResponse({"ticker": ticker, "name": NAMES[ticker], "price": price})


async def orders(request: Request) -> Response:
    """Fill an order that its customer approved, exactly as approved, once."""
    book: Book = request.app.state.book
    market: Market = request.app.state.market
    caller = await _caller(request)
    caller.requires("trade:write")
    order = Order.from_json(await _json(request))
    depot = book.depot(caller.sub)
    if order.account != depot.account:
        raise Declined("no_account", "that is not your account")
    if order.ticker not in NAMES:
        raise Declined("unknown_ticker", "that share is not traded here")
    price = market.price(order.ticker)
    if price > order.limit if order.side == "buy" else price < order.limit:
        raise Declined("limit_not_met", "the market is not at your limit")
    # Everything that could still stop the order came first: an approval is spent on an order that is filled.
    with depot.setting_aside(order):
        await caller.spend("trade_order", **order.to_details())
    return JSONResponse(depot.fill(book.next_number(), order, price), 201)


async def portfolio(request: Request) -> Response:
    """Show the caller's own account."""
    book: Book = request.app.state.book
    caller = await _caller(request)
    caller.requires("portfolio:read")
    depot = book.depot(caller.sub)
    cash = {"amount": depot.cash, "currency": CURRENCY}
    return JSONResponse({"account": depot.account, "cash": cash, "shares": depot.shares, "orders": depot.orders})


async def _caller(request: Request) -> Caller:
    verify: Verifier = request.app.state.verify
    return await verify(
        request.headers.get("authorization"),
        method=request.method,
        url=request.app.state.url + request.url.path,
        dpop=request.headers.getlist("dpop"),
    )


async def _json(request: Request) -> object:
    try:
        body: object = await request.json()
    except ValueError:
        raise Declined("invalid_order", "the body is not JSON") from None
    return body


async def challenged(_request: Request, error: Exception) -> Response:
    """401 or 403, with the challenge from which a client learns what to bring."""
    assert isinstance(error, Challenge)
    return JSONResponse(error.to_dict(), error.status, {"WWW-Authenticate": error.to_header()})


async def refused(_request: Request, error: Exception) -> Response:
    """403: the token is good, and this is not what was approved."""
    assert isinstance(error, Refused)
    return JSONResponse(error.to_dict(), 403)


async def unavailable(_request: Request, error: Exception) -> Response:
    """503: nobody can tell now whether this is allowed, so it is not."""
    assert isinstance(error, Unavailable)
    return JSONResponse(error.to_dict(), 503)


async def declined(_request: Request, error: Exception) -> Response:
    """The broker's own refusals."""
    assert isinstance(error, Declined)
    status = {"invalid_order": 400, "no_account": 403, "unknown_ticker": 404}.get(error.code, 409)
    return JSONResponse({"error": error.code, "message": error.sentence}, status)

"""For Starlette, and so for FastAPI: a guard that turns requests into callers, and refusals into the right answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from remit.caller import Caller
from remit.errors import AuthenticationRequired, Challenge, Refused, RemitError, Unavailable
from remit.verifier import Verifier

ExceptionHandler = Callable[[Request, Any], Response]


class Guard:
    """A ``Verifier`` at the door of an application.

    FastAPI::

        guard = Guard(Verifier(issuer=ISSUER, audience="https://broker.example"), base_url="https://broker.example")
        app = FastAPI(exception_handlers=guard.exception_handlers)
        app.router.routes.append(guard.metadata_route())

        @app.post("/orders")
        async def orders(order: Order, caller: Annotated[Caller, Depends(guard.requires("trade:write"))]):
            await caller.spend("trade_order", side=order.side, ticker=order.ticker, qty=order.qty)

    Args:
        verifier: whom to trust, for what.
        base_url: this API as its clients see it, without a final slash. A DPoP proof names the URL that was called, and a
            ``Host`` field may be anybody's invention, so it is stated here.
        scopes: every scope there is, for the metadata document.
    """

    def __init__(self, verifier: Verifier, *, base_url: str, scopes: Sequence[str] = ()) -> None:
        self._verifier = verifier
        self._base_url = base_url.rstrip("/")
        self._scopes = tuple(scopes)
        # RFC 9728 section 3.1: the well-known part comes between the host and the path of the resource's identifier.
        self._metadata_path = "/.well-known/oauth-protected-resource" + urlsplit(verifier.audience).path.rstrip("/")
        if verifier.resource_metadata is None:
            verifier.resource_metadata = self._base_url + self._metadata_path

    async def __call__(self, request: Request) -> Caller:
        """The caller of this request. Fit for FastAPI's ``Depends``.

        Raises:
            AuthenticationRequired, Unavailable: see ``Verifier``; ``exception_handlers`` answer them.
        """
        known = request.scope.get("remit.caller")
        if isinstance(known, Caller):
            return known  # a proof is good once, so a request is verified once
        authorization = request.headers.getlist("authorization")
        if len(authorization) > 1:
            raise AuthenticationRequired("two Authorization fields", resource_metadata=self._verifier.resource_metadata)
        caller = await self._verifier(
            authorization[0] if authorization else None,
            method=request.method,
            url=self._base_url + request.scope.get("root_path", "") + _raw_path(request.scope),
            dpop=request.headers.getlist("dpop"),
        )
        request.scope["remit.caller"] = caller
        return caller

    def requires(self, *scopes: str) -> Callable[[Request], Awaitable[Caller]]:
        """A dependency that gives the caller and demands these scopes."""

        async def caller(request: Request) -> Caller:
            found = await self(request)
            found.requires(*scopes)
            return found

        return caller

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Close a whole application but for its metadata document: ``app.add_middleware(guard.middleware)``."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] == self._metadata_path):
                await app(scope, receive, send)
                return
            if scope["type"] != "http":
                raise RuntimeError("only HTTP can be guarded")
            request = Request(scope, receive)
            try:
                await self(request)
            except RemitError as refusal:
                await answer(request, refusal)(scope, receive, send)
                return
            await app(scope, receive, send)

        return guarded

    def metadata_route(self) -> Route:
        """The route of the protected resource metadata (RFC 9728), from which clients learn their way to a token."""

        async def metadata(request: Request) -> JSONResponse:  # noqa: ARG001
            return JSONResponse(self.metadata(), headers={"Access-Control-Allow-Origin": "*"})

        return Route(self._metadata_path, metadata, methods=["GET"])

    def metadata(self) -> dict[str, Any]:
        """The document itself."""
        return {
            "resource": self._verifier.audience,
            "authorization_servers": [self._verifier.issuer],
            "bearer_methods_supported": ["header"],
            **({"scopes_supported": list(self._scopes)} if self._scopes else {}),
        }

    @property
    def exception_handlers(self) -> Mapping[type[Exception], ExceptionHandler]:
        """For the application's ``exception_handlers``: what is refused is answered as OAuth wants it."""
        return {RemitError: answer}


def answer(request: Request, error: RemitError) -> Response:  # noqa: ARG001
    """401 and 403 with their challenge, 403 for what is refused, 503 for what cannot be known."""
    if isinstance(error, Challenge):
        body = {"error": error.code, "error_description": error.sentence} if error.code else None
        return JSONResponse(body, error.status, headers={"WWW-Authenticate": error.to_header()})
    if isinstance(error, Unavailable):
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else None
        return JSONResponse(error.to_dict(), 503, headers=headers)
    return JSONResponse(error.to_dict(), 403 if isinstance(error, Refused) else 500)


def _raw_path(scope: Scope) -> str:
    # As it was sent: a proof covers the encoded path. Some servers do not pass it on.
    raw = scope.get("raw_path")
    path: str = raw.decode("ascii", "replace").partition("?")[0] if raw else scope["path"]
    return path

"""Meridian over HTTP: every URL on one screen."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from remit_demo.provider import admin, api, authorize, token
from remit_demo.provider.authority import SCOPES, Authority, OAuthError
from remit_demo.provider.faults import Faults
from remit_demo.provider.pages import STATIC, Sessions
from remit_demo.provider.workspace import Workspace


def create_app(
    issuer: str,
    authority: Authority,
    workspace: Workspace | None = None,
    faults: Faults | None = None,
    *,
    secure_cookies: bool = False,
) -> Starlette:
    """Return the provider as an ASGI app.

    Args:
        issuer: its own URL, without a trailing slash.
        authority: people, clients and tokens.
        workspace: what people keep there; empty when absent.
        faults: when given, the fault switches under ``/admin`` exist, for callers on loopback only.
        secure_cookies: set when ``issuer`` is https.
    """
    routes = [
        Route("/.well-known/oauth-authorization-server", metadata),
        Route("/authorize", authorize.authorize),
        Route("/signin", authorize.sign_in, methods=["POST"]),
        Route("/signout", authorize.sign_out, methods=["POST"]),
        Route("/consent", authorize.consent, methods=["POST"]),
        Route("/token", token.token, methods=["POST"]),
        Route("/revoke", token.revoke, methods=["POST"]),
        Route("/userinfo", api.userinfo),
        Route("/calendar/events", api.events),
        Route("/calendar/events", api.add_event, methods=["POST"]),
        Route("/chat/messages", api.post_message, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    if faults is not None:
        routes += [
            Route("/admin/faults", admin.set_fault, methods=["POST"]),
            Route("/admin/faults", admin.clear_faults, methods=["DELETE"]),
            Route("/admin/calls", admin.calls),
            Route("/admin/expire", admin.expire, methods=["POST"]),
            Route("/admin/revoke", admin.revoke, methods=["POST"]),
        ]
    middleware = [Middleware(_Faulty, faults=faults)] if faults is not None else []
    app = Starlette(routes=routes, middleware=middleware, exception_handlers={OAuthError: refused})
    app.state.issuer = issuer
    app.state.authority = authority
    app.state.workspace = workspace if workspace is not None else Workspace()
    app.state.faults = faults
    app.state.sessions = Sessions(secure_cookies=secure_cookies)
    return app


class _Faulty:
    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = faults.around(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


async def metadata(request: Request) -> Response:
    """Answer with the authorization server's metadata (RFC 8414)."""
    issuer: str = request.app.state.issuer
    return JSONResponse(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "revocation_endpoint": f"{issuer}/revoke",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


async def refused(_request: Request, error: Exception) -> Response:
    """Answer an OAuthError as JSON, with the challenge that its status asks for."""
    assert isinstance(error, OAuthError)
    headers = {"Cache-Control": "no-store"}
    if error.code in {"invalid_token", "insufficient_scope"}:
        headers["WWW-Authenticate"] = f'Bearer error="{error.code}", error_description="{error.description}"'
    elif error.code == "invalid_client":
        headers["WWW-Authenticate"] = "Basic"
    return JSONResponse({"error": error.code, "error_description": error.description}, error.status, headers)

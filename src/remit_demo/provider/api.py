"""Meridian's API: who you are, your calendar, the chat. Each call needs its scope."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from remit_demo.provider.authority import Account, Authority, OAuthError
from remit_demo.provider.workspace import CHANNELS, Event, Workspace

_MAX_TEXT = 500


async def userinfo(request: Request) -> Response:
    """Answer with the account behind the token."""
    account = _caller(request, None)
    return JSONResponse({"sub": account.id, "email": account.email, "name": account.name})


async def events(request: Request) -> Response:
    """List the caller's appointments."""
    account = _caller(request, "calendar.read")
    workspace: Workspace = request.app.state.workspace
    return JSONResponse({"account": account.email, "events": [e.to_json() for e in workspace.events(account.id)]})


async def add_event(request: Request) -> Response:
    """Add an appointment to the caller's calendar."""
    account = _caller(request, "calendar.write")
    body = await _body(request)
    match body:
        case {"title": str(title), "starts_at": int(start), "ends_at": int(end)} if (
            0 < len(title) <= _MAX_TEXT and start < end
        ):
            event = Event(title, start, end)
        case _:
            raise OAuthError("invalid_request", "title, starts_at and ends_at, please")
    workspace: Workspace = request.app.state.workspace
    workspace.add(account.id, event)
    return JSONResponse(event.to_json(), 201)


async def post_message(request: Request) -> Response:
    """Post in a channel under the caller's name."""
    account = _caller(request, "chat.write")
    match await _body(request):
        case {"channel": str(channel), "text": str(text)} if channel in CHANNELS and 0 < len(text) <= _MAX_TEXT:
            message = {"channel": channel, "text": text, "author": account.name}
        case _:
            raise OAuthError("invalid_request", f"channel (one of {', '.join(CHANNELS)}) and text, please")
    workspace: Workspace = request.app.state.workspace
    workspace.messages.append(message)
    return JSONResponse(message, 201)


def _caller(request: Request, scope: str | None) -> Account:
    authority: Authority = request.app.state.authority
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return authority.bearer(token if scheme.lower() == "bearer" else "", scope)


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise OAuthError("invalid_request", "the body is not JSON") from None

"""The fault switches over HTTP. They exist only when asked for, and only for callers on loopback."""

from __future__ import annotations

import ipaddress
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from remit_demo.provider.authority import Authority
from remit_demo.provider.faults import KINDS, Fault, Faults, Kind


async def set_fault(request: Request) -> Response:
    """Set a fault: ``{"path": "/token", "kind": "refuse", "status": 429, "times": 1}``."""
    faults = _faults(request)
    body: dict[str, Any] = await request.json()
    match body:
        case {"path": str(path), "kind": str(kind)} if kind in KINDS:
            times, status, seconds = body.get("times", 1), body.get("status", 500), body.get("seconds", 0.0)
        case _:
            raise HTTPException(400, f"path and kind ({', '.join(KINDS)}), please")
    after = str(body["retry_after"]) if "retry_after" in body else None
    faults.set(Fault(path, cast("Kind", kind), int(times), int(status), float(seconds), after))
    return Response(status_code=204)


async def clear_faults(request: Request) -> Response:
    """Behave again."""
    _faults(request).clear()
    return Response(status_code=204)


async def calls(request: Request) -> Response:
    """Answer with the number of requests to each path so far."""
    return JSONResponse(dict(_faults(request).calls))


async def expire(request: Request) -> Response:
    """Age the access tokens, of one account when ``{"account": id}`` is sent."""
    _faults(request)
    authority: Authority = request.app.state.authority
    return JSONResponse({"expired": authority.expire_access(_account(await request.body() and await request.json()))})


async def revoke(request: Request) -> Response:
    """End the consents, of one account when ``{"account": id}`` is sent."""
    _faults(request)
    authority: Authority = request.app.state.authority
    return JSONResponse({"revoked": authority.withdraw(_account(await request.body() and await request.json()))})


def _account(body: Any) -> str | None:
    return str(body["account"]) if isinstance(body, dict) and "account" in body else None


def _faults(request: Request) -> Faults:
    if request.client is None or not ipaddress.ip_address(request.client.host).is_loopback:
        raise HTTPException(404)
    faults: Faults = request.app.state.faults
    return faults

"""Errors out: every refusal in the form that its reader expects, and never a stack trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from remit_server.errors import ProtocolError, RemitError, ServerError
from remit_server.runtime.ids import new_id
from remit_server.wire.http import Answer, App, Endpoint, Receive, Request, Scope, Send, Sendable, json_answer

log = structlog.get_logger("remit")


def error_answer(error: ProtocolError) -> Answer:
    """The JSON error of RFC 6749 section 5.2. WWW-Authenticate is there only if the error brings it: clients that meet it
    on the token endpoint look no further for the code."""
    body: dict[str, Any] = {"error": error.code, "error_description": error.description, **error.members}
    return json_answer(body, error.status, headers=[(k.lower(), v) for k, v in error.headers.items()])


def refusal(error: Exception, request: Request) -> ProtocolError:
    """What an exception means to the outside, logged with a reference when it is our fault."""
    if isinstance(error, ProtocolError):
        if error.detail:
            log.info("refused", route=request.route, error=error.code, detail=error.detail)
        return error
    reference = new_id()
    log.error(
        "failed",
        route=request.route,
        reference=reference,
        exc_info=not isinstance(error, RemitError),
        fault=str(type(error)),
    )
    return ServerError(f"Something failed on the server. Nothing was changed. Reference: {reference}")


Refuse = Callable[[ProtocolError, Request], Answer]
"""How a refusal looks to its reader: JSON for a program, a page for a person."""


def serve(endpoint: Endpoint, refuse: Refuse = lambda error, _: error_answer(error)) -> App:
    """An endpoint as an ASGI app whose errors are OAuth's, or what `refuse` makes of them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer: Sendable
        try:
            answer = await endpoint(request)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it was, the client gets an answer
            answer = refuse(refusal(error, request), request)
        await answer.send(send)

    return app

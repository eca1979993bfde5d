"""Errors of the My Account API: problem documents (RFC 9457)."""

from __future__ import annotations

from typing import Any

from remit_server.errors import ProtocolError
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer

MEDIA_TYPE = "application/problem+json"


def problem(error: ProtocolError, _: Request) -> Answer:
    """`type`, `title`, `status` and `detail`, and what the error brings, such as `validation_errors`."""
    body: dict[str, Any] = {
        "type": f"urn:remit:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": error.text,
        **error.members,
    }
    answer = json_answer(body, error.status)
    headers = ((name.lower(), value) for name, value in error.headers.items())
    return Answer(answer.status, answer.body, (("content-type", MEDIA_TYPE), *NO_STORE, *headers))

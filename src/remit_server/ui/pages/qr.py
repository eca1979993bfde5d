"""GET /security/qr: the picture that an authenticator app reads. It is the secret, so it goes to the person who is setting it
up and into no cache; its URL names the enrolment and holds nothing of the secret."""

from __future__ import annotations

import io

import segno

from remit_server.errors import Forbidden
from remit_server.identity import enrol
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.doorkeeper import just_signed_in
from remit_server.wire.form import parse_query
from remit_server.wire.http import NO_STORE, Answer, Request
from remit_server.wire.visitor import visitor

HEADERS = (
    ("content-type", "image/svg+xml"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox"),
    ("referrer-policy", "no-referrer"),
    *NO_STORE,
)


class Qr:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        person = just_signed_in(who, machines)
        if person is None:
            raise Forbidden("Sign in again, then set up your authenticator app.")
        enrolment = await enrol.find(machines, who, person[0], parse_query(request).need("resume"))
        return Answer(200, drawn(await enrol.uri(machines, person[0], enrolment)), HEADERS)


def drawn(text: str) -> bytes:
    """A QR code as SVG: dark on white whatever the page's colours are, or cameras do not find it."""
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(
        out, kind="svg", xmldecl=False, scale=4, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return out.getvalue()

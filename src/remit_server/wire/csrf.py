"""Was this form sent by a page of ours, to the very browser that sends it back?

First line: a token that follows from the browser's own cookie. Second line: what the browser itself says of the origin.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from remit_server.config import Settings
from remit_server.errors import Forbidden
from remit_server.wire.form import Form
from remit_server.wire.http import Request
from remit_server.wire.visitor import Visitor


def check(request: Request, form: Form, who: Visitor, settings: Settings) -> None:
    """Raises `Forbidden` for a form that another site sent, or that is older than this sign-in."""
    _same_origin(request, settings)
    given = form.get("csrf") or ""
    if not hmac.compare_digest(given.encode(), who.csrf.encode()):
        raise Forbidden("This form is out of date: go back, reload the page, and send it again.", detail="csrf token")


def _same_origin(request: Request, settings: Settings) -> None:
    if request.header("sec-fetch-site") not in {None, "same-origin", "none"}:
        raise Forbidden("This form came from another site.", detail="sec-fetch-site")
    parts = urlsplit(settings.issuer)
    # Our pages are sent with no-referrer, for which browsers write `Origin: null` (Fetch section 3.2).
    if request.header("origin") not in {None, "null", f"{parts.scheme}://{parts.netloc}"}:
        raise Forbidden("This form came from another site.", detail="origin")

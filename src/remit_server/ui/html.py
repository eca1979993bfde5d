"""Pages out: a rendered view with the headers that every page carries, and refusals as pages."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import structlog

from remit_server.errors import ProtocolError
from remit_server.runtime.ids import new_id
from remit_server.ui.assets import Assets
from remit_server.ui.policy import content_security_policy
from remit_server.ui.render import Page, Renderer
from remit_server.ui.views.failure import ErrorView, NotFoundView
from remit_server.wire.http import NO_STORE, Answer, Request

log = structlog.get_logger("remit")

HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-frame-options", "DENY"),  # for what does not know frame-ancestors
    *NO_STORE,
)


class Pages:
    """Renders and answers. One for the whole server."""

    def __init__(self, *, secure: bool, assets: Assets | None = None) -> None:
        self.assets = assets or Assets()
        self._render = Renderer(self.assets).render
        self._headers = (*HEADERS, ("strict-transport-security", "max-age=63072000")) if secure else HEADERS

    def __call__(self, page: Page, *headers: tuple[str, str]) -> Answer:
        policy = content_security_policy(page.form_targets, page.view.script_urls)
        return Answer(page.status, self._render(page), (*self._headers, ("content-security-policy", policy), *headers))

    def failure(self, error: ProtocolError, request: Request) -> Answer:
        """A refusal for a person to read. The reference in it finds the line in the log."""
        headers = [(name.lower(), value) for name, value in error.headers.items()]
        if error.status == 404:
            return self(Page(NotFoundView(), status=404), *headers)
        reference = new_id()
        log.info("refused", route=request.route, error=error.code, detail=error.detail, reference=reference)
        view = ErrorView(
            happened=_HAPPENED.get(error.code, "That did not work"),
            remedy=error.text,
            reference=reference,
            code=error.code,
            back_href="/" if error.code == "forbidden" else None,
            back_name="Your approvals" if error.code == "forbidden" else None,
        )
        return self(Page(view, status=error.status), *headers)


_HAPPENED = {
    "forbidden": "This is not allowed",
    "invalid_client": "This app is not known here",
    "invalid_redirect_uri": "This app's link is not safe to follow",
    "invalid_request": "The app that sent you here made a mistake",
    "invalid_request_uri": "This link has been used or is too old",
    "login_required": "Sign in first",
    "method_not_allowed": "This page cannot be used that way",
    "server_error": "Something failed here",
    "temporarily_unavailable": "Too busy just now",
    "too_many_requests": "Too many tries",
}

_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")


def form_targets(redirect_uri: str) -> tuple[str, ...]:
    """What `form-action` must name so that a browser follows the redirect after a form; empty where the policy has no way
    to write it, such as an IPv6 address: `ReturnView` goes there instead."""
    parts = urlsplit(redirect_uri)
    if not parts.netloc:
        return (f"{parts.scheme}:",)
    return (f"{parts.scheme}://{parts.netloc}",) if _PLAIN_HOST.fullmatch(parts.netloc) else ()

"""Meridian's pages: sessions, CSRF tokens and headers. They work without JavaScript, because there is none."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from remit_demo.provider.authority import Account, OAuthError

STATIC = Path(__file__).parent / "static"

_COOKIE = "meridian_session"
_TEMPLATES = Environment(
    loader=PackageLoader("remit_demo.provider"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
# No form-action: browsers hold it against every redirect after the form, and consent ends on the client's own site.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Session:
    """One browser; ``account`` is ``None`` until somebody signs in."""

    id: str
    account: Account | None


class Sessions:
    """The browsers that Meridian knows."""

    def __init__(self, *, secure_cookies: bool) -> None:
        self._secure = secure_cookies
        self._key = secrets.token_bytes(32)
        self._accounts: dict[str, Account] = {}

    def of(self, request: Request) -> Session:
        """Return the request's session, or a new anonymous one."""
        session_id = request.cookies.get(_COOKIE) or secrets.token_urlsafe(32)
        return Session(session_id, self._accounts.get(session_id))

    def posted(self, request: Request, form: Mapping[str, str]) -> Session:
        """Return the session of a form, which must carry that session's CSRF token.

        Raises:
            OAuthError: ``access_denied`` (403); the form was not sent by our own page.
        """
        session = self.of(request)
        if not hmac.compare_digest(form.get("csrf", "").encode(), self.csrf(session).encode()):
            raise OAuthError("access_denied", "this form was not sent from Meridian's own page", 403)
        return session

    def csrf(self, session: Session) -> str:
        """Return the token that proves that a form comes from this session's page."""
        return hmac.new(self._key, session.id.encode(), hashlib.sha256).hexdigest()

    def start(self, response: Response, account: Account, *, instead_of: Session) -> None:
        """Sign ``account`` in under a fresh id, so that a planted one is worth nothing."""
        self._accounts.pop(instead_of.id, None)
        session = Session(secrets.token_urlsafe(32), account)
        self._accounts[session.id] = account
        self.keep(response, session)

    def end(self, response: Response, session: Session) -> None:
        """Sign out."""
        self._accounts.pop(session.id, None)
        response.delete_cookie(_COOKIE)

    def keep(self, response: Response, session: Session) -> None:
        """Let the browser remember its session."""
        response.set_cookie(_COOKIE, session.id, httponly=True, samesite="lax", secure=self._secure)


def page(request: Request, session: Session, template: str, *, status: int = 200, **values: Any) -> Response:
    """Render a template for a session."""
    sessions: Sessions = request.app.state.sessions
    body = _TEMPLATES.get_template(template).render(account=session.account, csrf=sessions.csrf(session), **values)
    response = HTMLResponse(body, status, _HEADERS)
    sessions.keep(response, session)
    return response

"""The authorization endpoint and the pages behind it: sign in, then consent."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from remit_demo.provider.authority import SCOPES, Account, Authority, Client, OAuthError
from remit_demo.provider.form import parse_choices, parse_form
from remit_demo.provider.pages import Sessions, page

_CHALLENGE_CHARS = 43  # the length of a SHA-256 in base64url: S256 has no other


@dataclass(frozen=True, slots=True)
class _Asked:
    """An authorization request that may be shown to a person."""

    client: Client
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    state: str | None
    login_hint: str


class _Unfit(Exception):
    """A request whose error may travel back to the client's redirect URI (RFC 6749 section 4.1.2.1)."""

    def __init__(self, redirect_uri: str, state: str | None, error: OAuthError) -> None:
        super().__init__(error.code)
        self.redirect_uri = redirect_uri
        self.state = state
        self.error = error


async def authorize(request: Request) -> Response:
    """Show the sign-in page, or the consent page to somebody who is signed in."""
    sessions: Sessions = request.app.state.sessions
    session = sessions.of(request)
    query = request.url.query
    asked = _read(request, query)
    if isinstance(asked, Response):
        return asked
    if session.account is None:
        return page(request, session, "signin.html", query=query, email=asked.login_hint, client=asked.client)
    scopes = [(scope, SCOPES[scope]) for scope in asked.scopes]
    return page(request, session, "consent.html", query=query, client=asked.client, scopes=scopes)


async def sign_in(request: Request) -> Response:
    """Check the password and go back to the request that was interrupted."""
    sessions: Sessions = request.app.state.sessions
    authority: Authority = request.app.state.authority
    form, _ = parse_choices(await request.body(), "")
    session = sessions.posted(request, form)
    query, email = form.get("query", ""), form.get("email", "")
    account = authority.sign_in(email, form.get("password", ""))
    if account is None:
        asked = _read(request, query)
        if isinstance(asked, Response):
            return asked
        return page(
            request, session, "signin.html", status=403, query=query, email=email, client=asked.client, wrong=True
        )
    response = RedirectResponse(f"/authorize?{query}", 303)
    sessions.start(response, account, instead_of=session)
    return response


async def sign_out(request: Request) -> Response:
    """Forget who is signed in, for the person who wants another account."""
    sessions: Sessions = request.app.state.sessions
    form, _ = parse_choices(await request.body(), "")
    session = sessions.posted(request, form)
    response = RedirectResponse(f"/authorize?{form.get('query', '')}", 303)
    sessions.end(response, session)
    return response


async def consent(request: Request) -> Response:
    """Take the person's answer to the client, with the scopes that they left ticked."""
    sessions: Sessions = request.app.state.sessions
    form, ticked = parse_choices(await request.body(), "scope")
    session = sessions.posted(request, form)
    asked = _read(request, form.get("query", ""))
    if isinstance(asked, Response):
        return asked
    if session.account is None:
        return RedirectResponse(f"/authorize?{form.get('query', '')}", 303)
    granted = tuple(scope for scope in asked.scopes if scope in ticked)
    if form.get("decision") != "allow" or not granted:
        denied = OAuthError("access_denied", "the person said no")
        return _back(
            request, asked.redirect_uri, asked.state, {"error": denied.code, "error_description": denied.description}
        )
    return _back(request, asked.redirect_uri, asked.state, {"code": _code(request, asked, session.account, granted)})


def _code(request: Request, asked: _Asked, account: Account, granted: tuple[str, ...]) -> str:
    authority: Authority = request.app.state.authority
    return authority.grant(asked.client, account, granted, asked.redirect_uri, asked.challenge)


def _read(request: Request, query: str) -> _Asked | Response:
    """Judge an authorization request; an unfit one becomes its answer."""
    authority: Authority = request.app.state.authority
    try:
        return _judge(authority, query)
    except _Unfit as unfit:
        said = {"error": unfit.error.code, "error_description": unfit.error.description}
        return _back(request, unfit.redirect_uri, unfit.state, said)
    except OAuthError as error:  # nowhere safe to send it: shown here, never redirected (RFC 9700 section 4.11.2)
        sessions: Sessions = request.app.state.sessions
        return page(request, sessions.of(request), "refused.html", status=400, reason=error.description)


def _judge(authority: Authority, query: str) -> _Asked:
    form = parse_form(query)
    client = authority.clients.get(form.get("client_id", ""))
    if client is None:
        raise OAuthError("invalid_request", "This application is not known to Meridian.")
    redirect_uri = form.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise OAuthError(
            "invalid_request", f"{client.name} did not register the address that it wants you to return to."
        )
    state = form.get("state")
    scopes = tuple(dict.fromkeys(form.get("scope", "").split()))
    challenge = form.get("code_challenge", "")
    if form.get("response_type") != "code":
        error = OAuthError("unsupported_response_type", "code is the only one")
    elif form.get("code_challenge_method") != "S256" or len(challenge) != _CHALLENGE_CHARS:
        error = OAuthError("invalid_request", "PKCE with S256 is required")
    elif not scopes or not set(scopes) <= SCOPES.keys():
        error = OAuthError("invalid_scope", f"known scopes: {' '.join(SCOPES)}")
    else:
        return _Asked(client, redirect_uri, scopes, challenge, state, form.get("login_hint", ""))
    raise _Unfit(redirect_uri, state, error)


def _back(request: Request, redirect_uri: str, state: str | None, said: dict[str, str]) -> Response:
    """Return to the client with ``state`` and ``iss`` (RFC 9207)."""
    answer = said | ({} if state is None else {"state": state}) | {"iss": request.app.state.issuer}
    joint = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", 303, {"Cache-Control": "no-store"})

"""Judging an authorization request (RFC 6749 section 4.1.1, OIDC Core section 3.1.2.1).

First where the answer may go: until client and redirect URI are proven, nobody is redirected anywhere. Then the checks, in the
order of the table `CHECKS`. What the table settles is an `Asked`; which APIs, scopes and details are meant is added to it by
those who can look them up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from remit_server.errors import (
    InvalidClient,
    InvalidRedirectUri,
    InvalidRequest,
    InvalidRequestUri,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnmetAuthentication,
    UnsupportedResponseMode,
    UnsupportedResponseType,
)
from remit_server.records import Client
from remit_server.rules import redirects

Parameters = Mapping[str, str]
Mode = Literal["query", "fragment", "form_post"]

MODES: Final = ("query", "fragment", "form_post")
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
ONE_FACTOR: Final = "urn:remit:acr:1fa"
TWO_FACTORS: Final = "urn:remit:acr:2fa"
ACR: Final = (ONE_FACTOR, TWO_FACTORS)
"""Authentication strengths, weakest first."""

_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")  # base64url of a SHA-256: 43 characters, no more and no fewer
_JKT = _CHALLENGE
_ANY_PORT = frozenset({"agent", "native", "mcp", "service"})
"""Kinds of client that listen on a port of this machine, which the system chooses (RFC 8252 section 7.3)."""


class Back(Struct, frozen=True, kw_only=True):
    """Where the answer goes, proven, and how."""

    redirect_uri: str
    given: bool = True
    """Whether the request named it: then redemption must, too (RFC 6749 section 4.1.3)."""
    mode: Mode = "query"
    state: str | None = None

    @property
    def origin(self) -> str:
        """Scheme and host, the port left out where it is any: what a remembered consent holds for."""
        parts = urlsplit(self.redirect_uri)
        return (
            f"{parts.scheme}://{parts.hostname or ''}" if parts.scheme == "http" else f"{parts.scheme}://{parts.netloc}"
        )


class Asked(Struct, frozen=True, kw_only=True):
    """A valid authorization request: what a browser's errand carries."""

    client_id: str
    back: Back
    challenge: str
    nonce: str | None = None
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str | None = None
    subject: str | None = None
    """Who it must be, from the id_token_hint."""
    connection: str | None = None
    dpop_jkt: str | None = None
    pushed: str | None = None
    """Hash of the request_uri that it came by; taken when the authorization completes."""


def client_named(client: Client | None) -> Client:
    """The client, if it exists and may ask people. Raises what is shown here and never redirected."""
    if client is None:
        raise InvalidClient("The app that sent you here is not registered at this server.")
    if client.state != "active":
        raise InvalidClient("The app that sent you here has been stopped by its organisation.")
    return client


def way_back(parameters: Parameters, client: Client) -> Back:
    """Where errors and codes go. Raises `InvalidRedirectUri`, shown here and never redirected (RFC 9700 section 4.11.2)."""
    asked = parameters.get("redirect_uri")
    if asked is None:
        # RFC 6749 section 3.1.2.3 lets a client leave out its only one; OIDC Core section 3.1.2.1 does not.
        if len(client.redirect_uris) != 1 or "openid" in parameters.get("scope", "").split(" "):
            raise InvalidRedirectUri("The app did not say where to send you back to (redirect_uri).")
    elif not _registered(asked, client):
        raise InvalidRedirectUri("The app wants you sent to an address that is not registered for it (redirect_uri).")
    mode = parameters.get("response_mode")
    return Back(
        redirect_uri=asked or client.redirect_uris[0], given=asked is not None,
        mode=mode if mode in MODES else "query", state=parameters.get("state"),  # type: ignore[arg-type]
    )  # fmt: skip


def _registered(uri: str, client: Client) -> bool:
    """Character for character; the port of a loopback address is free for clients that run where the browser runs."""
    if any(uri == registered for registered in client.redirect_uris):
        return True
    return client.kind in _ANY_PORT and any(redirects.matches(uri, registered) for registered in client.redirect_uris)


def _no_request_object(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    if "request" in parameters:
        raise RequestNotSupported
    return {}


def _no_request_uri(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    if "request_uri" in parameters:  # RFC 9126 section 2.1
        raise InvalidRequest("request_uri must not be pushed.")
    return {}


def _pushed_if_it_must_be(_: Parameters, client: Client) -> Mapping[str, Any]:
    if client.require_par:
        raise InvalidRequest("This client must push its authorization requests (RFC 9126 section 6).")
    return {}


def _may_use_codes(_: Parameters, client: Client) -> Mapping[str, Any]:
    if "authorization_code" not in client.grants:
        raise UnauthorizedClient("This client is not registered for the grant authorization_code.")
    return {}


def _response_type(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    if "response_type" not in parameters:
        raise InvalidRequest("The parameter 'response_type' is missing.")
    if parameters["response_type"] != "code":
        raise UnsupportedResponseType
    return {}


def _response_mode(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    if parameters.get("response_mode", "query") not in MODES:
        raise UnsupportedResponseMode
    return {}


def _pkce(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    challenge = parameters.get("code_challenge")
    if challenge is None:
        raise InvalidRequest("code_challenge is missing: PKCE is required (RFC 7636 section 4.4.1).")
    if parameters.get("code_challenge_method") != "S256":
        raise InvalidRequest("code_challenge_method must be S256 (RFC 9700 section 2.1.1).")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("code_challenge must be the base64url of a SHA-256: 43 characters.")
    return {"challenge": challenge}


def _prompt(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    prompt = tuple(dict.fromkeys(parameters.get("prompt", "").split()))
    if not set(prompt) <= PROMPTS:
        raise InvalidRequest("prompt may hold none, login, consent and select_account.")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequest("prompt=none stands alone (OIDC Core section 3.1.2.1).")
    return {"prompt": prompt}


def _max_age(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    text = parameters.get("max_age")
    if text is None:
        return {}
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidRequest("max_age must be a number of seconds.")
    return {"max_age": int(text)}


def _strength(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    values = tuple(dict.fromkeys(parameters.get("acr_values", "").split()))
    if values and not set(values) & set(ACR):
        raise UnmetAuthentication("None of the acr_values is one that this server knows: " + ", ".join(ACR) + ".")
    return {"acr_values": tuple(value for value in values if value in ACR)}


def _dpop_jkt(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    jkt = parameters.get("dpop_jkt")
    if jkt is not None and not _JKT.fullmatch(jkt):
        raise InvalidRequest("dpop_jkt must be the base64url of a SHA-256 thumbprint (RFC 9449 section 10).")
    return {"dpop_jkt": jkt}


def _texts(parameters: Parameters, _: Client) -> Mapping[str, Any]:
    for name, longest in (("state", 4096), ("nonce", 1024), ("login_hint", 512), ("connection", 128)):
        if len(parameters.get(name, "")) > longest:
            raise InvalidRequest(f"The parameter {name!r} is longer than {longest} characters.")
    return {name: parameters.get(name) for name in ("nonce", "login_hint", "connection")}


class Check(NamedTuple):
    """One row: what is checked, and where. `pushed` is /authorize with a request_uri, whose parameters were pushed."""

    judge: Callable[[Parameters, Client], Mapping[str, Any]]
    par: bool = True
    authorize: bool = True
    pushed: bool = True


CHECKS: Final = (
    #     what                      /oauth/par       /authorize           /authorize?request_uri
    Check(_no_request_object,       par=True,        authorize=True,      pushed=True),
    Check(_no_request_uri,          par=True,        authorize=True,      pushed=False),
    Check(_pushed_if_it_must_be,    par=False,       authorize=True,      pushed=False),
    Check(_may_use_codes,           par=True,        authorize=True,      pushed=True),
    Check(_response_type,           par=True,        authorize=True,      pushed=True),
    Check(_response_mode,           par=True,        authorize=True,      pushed=True),
    Check(_pkce,                    par=True,        authorize=True,      pushed=True),
    Check(_prompt,                  par=True,        authorize=True,      pushed=True),
    Check(_max_age,                 par=True,        authorize=True,      pushed=True),
    Check(_strength,                par=True,        authorize=True,      pushed=True),
    Check(_dpop_jkt,                par=True,        authorize=True,      pushed=True),
    Check(_texts,                   par=True,        authorize=True,      pushed=True),
)  # fmt: skip
"""The checks in their order. The first that fails is the answer."""

Place = Literal["par", "authorize", "pushed"]


def judge(parameters: Parameters, client: Client, back: Back, place: Place) -> Asked:
    """The request, valid as far as it and the client tell. Raises the OAuth error of the first check that fails."""
    settled: dict[str, Any] = {}
    for check in CHECKS:
        if getattr(check, place):
            settled.update(check.judge(parameters, client))
    return Asked(client_id=client.id, back=back, **settled)


PUSHED: Final = "urn:ietf:params:oauth:request_uri:"  # RFC 9126 section 2.2


def pushed_reference(request_uri: str) -> str:
    """The secret part of a request_uri of ours. Raises `InvalidRequestUri` or, for one to be fetched, says that we do not."""
    if request_uri.startswith(("http:", "https:")):
        raise RequestUriNotSupported
    if not request_uri.startswith(PUSHED):
        raise InvalidRequestUri
    return request_uri.removeprefix(PUSHED)

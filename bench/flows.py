"""What is asked of each server, byte for byte the same of all of them: they share paths, clients and APIs."""

import base64
import hashlib
import json
import urllib.parse
from collections.abc import Callable, Generator
from dataclasses import dataclass

from bench.load import Answer, Flow, Step

REDIRECT_URI = "http://127.0.0.1:8765/callback"
ES256_API = "https://es256.bench.example"
RS256_API = "https://rs256.bench.example"
SCOPE = "bench:read"

VERIFIER = "the-code-verifier-of-the-bench-is-43-or-more-characters-long"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
AUTHORIZE = "/authorize?" + urllib.parse.urlencode(
    {
        "client_id": "bench-web",
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": f"openid offline_access {SCOPE}",
        "resource": ES256_API,
        "state": "6c1f7a0e5d",
        "nonce": "b83d02f49a",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
)


@dataclass(frozen=True)
class Target:
    """One server as a flow sees it."""

    port: int
    secret: str
    cookie: str = ""
    """The Cookie header of a signed-in session that has consented; for the flows with a user."""

    def post(self, path: str, client: str, form: dict[str, str]) -> bytes:
        """A form post with client_secret_basic (RFC 6749 section 2.3.1; neither part needs encoding here)."""
        body = urllib.parse.urlencode(form)
        basic = base64.b64encode(f"{client}:{self.secret}".encode()).decode()
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Basic {basic}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def token(self, client: str, **form: str) -> bytes:
        return self.post("/oauth/token", client, form)

    def authorize(self) -> bytes:
        return f"GET {AUTHORIZE} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n\r\n".encode()


def with_token(port: int, method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """A request with a bearer token, and with JSON where there is a body."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\n"
    )
    of_body = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{head}{of_body}\r\n".encode() + body


class UnexpectedAnswer(Exception):
    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(f"{what}, but the answer was {answer.status}\n{(answer.head + answer.body)[:1500].decode()}")


def tokens(answer: Answer, *members: str) -> dict[str, str]:
    if answer.status != 200 or not all(f'"{member}"'.encode() in answer.body for member in members):
        raise UnexpectedAnswer(f"expected 200 with {', '.join(members)}", answer)
    content: dict[str, str] = json.loads(answer.body)
    return content


def expect_jwt(token: str, alg: str) -> None:
    """Both sides must mint the same kind of token (RFC 9068), or their speeds do not compare."""
    header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    if (header["alg"], header["typ"]) != (alg, "at+jwt"):
        raise ValueError(f"expected an at+jwt signed with {alg}, got {header}")


def client_credentials(target: Target, client: str, api: str, alg: str) -> Flow:
    request = target.token(client, grant_type="client_credentials", resource=api, scope=SCOPE)
    first = yield Step(request, ends=True)
    expect_jwt(tokens(first, "access_token")["access_token"], alg)
    while True:
        answer = yield Step(request, ends=True)
        if answer.status != 200:
            raise UnexpectedAnswer("expected a token", answer)


def round_trip(target: Target, *, ends: bool) -> Generator[Step, Answer, dict[str, str]]:
    answer = yield Step(target.authorize(), ends=False)
    _, found, rest = answer.head.partition(f"ocation: {REDIRECT_URI}?".encode())
    if not found:
        raise UnexpectedAnswer("expected a redirect with a code", answer)
    code = urllib.parse.parse_qs(rest.partition(b"\r\n")[0].decode())["code"][0]
    answer = yield Step(
        target.token(
            "bench-web", grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, code_verifier=VERIFIER
        ),
        ends=ends,
    )
    return tokens(answer, "access_token", "id_token", "refresh_token")


def code_pkce(target: Target) -> Flow:
    """authorize with a signed-in session -> code -> tokens; one operation is both requests."""
    expect_jwt((yield from round_trip(target, ends=True))["access_token"], "ES256")
    while True:
        yield from round_trip(target, ends=True)


def refresh(target: Target) -> Flow:
    """Each connection carries a chain of its own: the token of an answer is the next request's."""
    current = (yield from round_trip(target, ends=False))["refresh_token"]
    while True:
        answer = yield Step(target.token("bench-web", grant_type="refresh_token", refresh_token=current), ends=True)
        following = tokens(answer, "access_token", "id_token", "refresh_token")["refresh_token"]
        if following == current:
            raise UnexpectedAnswer("expected rotation", answer)
        current = following


def introspection(target: Target) -> Flow:
    """Of the client's own refresh token: the peer never stores a JWT access token, so it can introspect none."""
    token = (yield from round_trip(target, ends=False))["refresh_token"]
    request = target.post("/oauth/introspect", "bench-web", {"token": token})
    while True:
        answer = yield Step(request, ends=True)
        if answer.status != 200 or b'"active":true' not in answer.body:
            raise UnexpectedAnswer("expected an active token", answer)


FLOWS: dict[str, Callable[[Target], Flow]] = {
    "client credentials ES256": lambda target: client_credentials(target, "bench-es256", ES256_API, "ES256"),
    "client credentials RS256": lambda target: client_credentials(target, "bench-rs256", RS256_API, "RS256"),
    "refresh with rotation": refresh,
    "introspection": introspection,
    "code + PKCE round trip": code_pkce,
}
WITH_USER = {"refresh with rotation", "introspection", "code + PKCE round trip"}
WITH_SESSION = {"code + PKCE round trip"}

"""A small authorization server that can be told to misbehave in every way the SDK has to survive. Real HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

RSA, EC, ED = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
OTHER_RSA = RSAKey.generate_key(2048)
KIDS = {"rsa": RSA, "ec": EC, "ed": ED}
START = 1_800_000_000.0


class HandClock:
    """Stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


class Dropped(Response):
    """The server did its work; the reply breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class Slow(Response):
    """The server did its work; the reply takes a moment."""

    def __init__(self, reply: Response, seconds: float) -> None:
        super().__init__()
        self._reply, self._seconds = reply, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self._seconds)
        await self._reply(scope, receive, send)


class Careless(JWSRegistry):
    """Signs any header."""

    def check_header(self, header: Any) -> None:
        pass


def sign(header: Mapping[str, Any], claims: Mapping[str, Any] | bytes, key: Any) -> str:
    """Any header over any claims; the signer is not choosy."""
    registry = Careless(algorithms=["RS256", "PS256", "ES256", "Ed25519", "HS256"])
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    if header["alg"] in {"none", "EdDSA"}:
        head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
        body = base64.urlsafe_b64encode(payload).rstrip(b"=")
        signature = b"" if header["alg"] == "none" else key.private_key.sign(head + b"." + body)
        return b".".join([head, body, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    return jws.serialize_compact(dict(header), payload, key, registry=registry)


@dataclass
class Received:
    """One request, as it arrived."""

    headers: Mapping[str, str]
    form: dict[str, str]
    json: Any


@dataclass
class Hostile:
    """The server and its switches. Each path answers from its script first, then as a decent server would."""

    url: str
    clock: HandClock
    metadata: dict[str, Any] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    script: dict[str, deque[Response]] = field(default_factory=lambda: defaultdict(deque))
    always: dict[str, Response] = field(default_factory=dict)
    received: dict[str, list[Received]] = field(default_factory=lambda: defaultdict(list))

    @property
    def issuer(self) -> str:
        return self.url + "/"

    def reset(self) -> None:
        self.clock.time, self.clock.slept = START, []
        self.script.clear()
        self.always.clear()
        self.received.clear()
        self.published = [
            {**key.as_dict(private=False), "kid": kid, "use": "sig"} | ({"alg": "RS256"} if kid == "rsa2" else {})
            for kid, key in KIDS.items()
        ]
        self.metadata = {
            "issuer": self.issuer,
            "token_endpoint": f"{self.url}/oauth/token",
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "device_authorization_endpoint": f"{self.url}/oauth/device/code",
            "backchannel_authentication_endpoint": f"{self.url}/bc-authorize",
        }

    def access(self, *, header: Mapping[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        """A good access token, but for the changes; a change to None leaves the claim out."""
        now = int(self.clock.now())
        claims = {
            "iss": self.issuer,
            "sub": "auth0|ada",
            "aud": "https://broker.example",
            "client_id": "assistant",
            "iat": now,
            "exp": now + 300,
            "jti": "token-1",
            "scope": "trade:write",
        } | changes
        head = {"alg": "RS256", "kid": "rsa", "typ": "at+jwt"} | dict(header or {})
        signer = key or KIDS.get(str(head.get("kid")), RSA)
        return sign(head, {k: v for k, v in claims.items() if v is not None}, signer)

    def identity(self, **changes: Any) -> str:
        now = int(self.clock.now())
        claims = {
            "iss": self.issuer,
            "sub": "auth0|ada",
            "aud": "assistant",
            "iat": now,
            "exp": now + 60,
            "name": "Ada",
        }
        return sign({"alg": "RS256", "kid": "rsa", "typ": "JWT"}, claims | changes, RSA)

    def tokens(self, **changes: Any) -> JSONResponse:
        body = {
            "access_token": self.access(),
            "token_type": "DPoP",
            "expires_in": 300,
            "scope": "openid trade:write",
            "id_token": self.identity(),
        } | changes
        return JSONResponse({k: v for k, v in body.items() if v is not None})

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        body = await request.body()
        is_json = "json" in request.headers.get("content-type", "")
        self.received[path].append(
            Received(
                dict(request.headers),
                {} if is_json else dict(parse_qsl(body.decode())),
                json.loads(body) if is_json else None,
            )
        )
        if self.script[path]:
            return self.script[path].popleft()
        if path in self.always:
            return self.always[path]
        match path:
            case "/.well-known/openid-configuration":
                return JSONResponse(self.metadata)
            case "/.well-known/jwks.json":
                return JSONResponse({"keys": self.published})
            case "/oauth/token":
                return self.tokens()
        return JSONResponse({"error": "not_found"}, 404)


def oauth_error(error: str, status: int = 400, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    return JSONResponse({"error": error, **more}, status, headers=headers)


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level=60, lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 (uvicorn offers nothing to await)
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@asynccontextmanager
async def hostile_server() -> AsyncIterator[Hostile]:
    server = Hostile("", HandClock())
    app = Starlette(routes=[Route("/{path:path}", server.answer, methods=["GET", "POST"])])
    async with listening(app) as url:
        server.url = url
        server.reset()
        yield server


def secret_of(issuer_key: RSAKey) -> OctKey:
    """The public key, taken for an HMAC secret: the classic confusion."""
    return OctKey.import_key(base64.b64encode(issuer_key.as_pem(private=False)).decode())

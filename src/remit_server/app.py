"""The composition root: settings and store become machines, machines become rooms, rooms become one ASGI app."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field

from starlette.routing import Route as PathRoute
from starlette.routing import Router

from remit_server.access import refusals
from remit_server.access.judge import RelationJudge
from remit_server.access.stores import Stores
from remit_server.config import Settings
from remit_server.errors import MethodNotAllowed, NotFound
from remit_server.oversight.decide import Decide
from remit_server.oversight.policy import PolicyJudge
from remit_server.routes import Route, routes
from remit_server.runtime.clock import Clock, SystemClock
from remit_server.runtime.machines import Machines
from remit_server.runtime.mint import Mint
from remit_server.runtime.outbound import Outbound
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.secrets import Peppers
from remit_server.runtime.signing import KeyRing
from remit_server.runtime.throttle import Throttle
from remit_server.runtime.verify import TokenVerifier
from remit_server.storage.store import Store
from remit_server.ui.html import Pages
from remit_server.wire.answer import serve
from remit_server.wire.cors import with_cors
from remit_server.wire.http import Answer, App, Endpoint, Receive, Request, Scope, Send, Stream
from remit_server.wire.problem import problem


async def start_machines(
    settings: Settings, store: Store, *, clock: Clock | None = None, tls: ssl.SSLContext | None = None
) -> Machines:
    """Every machine, ready to run. `tls` is the trust that outgoing requests use; the system's by default."""
    clock = clock or SystemClock()
    keys = KeyRing(store, clock)
    await keys.load()
    return Machines(
        settings=settings,
        clock=clock,
        store=store,
        keys=keys,
        mint=Mint(settings, clock, keys, store),
        verify=TokenVerifier(store, clock),
        peppers=await Peppers.load(store),
        passwords=Passwords(),
        outbound=Outbound(settings, clock, context=tls),
        throttle=Throttle(time.monotonic),
        decide=Decide((RelationJudge(store, Stores(store)), PolicyJudge(store, clock))),
    )


def _only(methods: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint for these methods; others get 405 and hear which are allowed."""
    allowed = methods.split()
    if "GET" in allowed:
        allowed.append("HEAD")

    async def checked(request: Request) -> Answer | Stream:
        if request.method not in allowed:
            raise MethodNotAllowed(headers={"Allow": ", ".join(allowed)})
        return await endpoint(request)

    return checked


def _face(route: Route, pages: Pages) -> App:
    endpoint = _only(route.methods, route.endpoint)
    match route.face:
        case "page":
            app = serve(endpoint, pages.failure)
        case "problem":
            app = serve(endpoint, problem)
        case "openfga":
            app = serve(endpoint, refusals.openfga)
        case "oauth":
            app = serve(endpoint)
    return with_cors(app, route.methods) if route.cors else app


async def _nothing(_: Request) -> Answer:
    raise NotFound


@dataclass
class RemitApp:
    """The ASGI app. Paths without placeholders are found in one look-up, before any router."""

    machines: Machines
    _exact: dict[str, App] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pages = Pages(secure=self.machines.settings.secure)
        table = routes(self.machines, pages)
        self._exact = {route.path: _face(route, pages) for route in table if "{" not in route.path}
        self._router = Router(
            [PathRoute(route.path, _Mounted(_face(route, pages))) for route in table if "{" in route.path],
            default=serve(_nothing),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            app = self._exact.get(scope["path"], self._router)
            await app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def close(self) -> None:
        """Stop taking, drain what was taken, let go."""
        await self.machines.background.close()
        await self.machines.outbound.close()
        self.machines.passwords.close()
        await self.machines.store.close()


class _Mounted:
    """An ASGI app that Starlette's router takes as it is, every method included."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

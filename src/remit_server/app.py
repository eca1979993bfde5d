"""The composition root: settings and store become machines, machines become rooms, rooms become one ASGI app."""

from __future__ import annotations

import ssl
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import Route as PathRoute
from starlette.routing import Router

from remit_server.access import refusals
from remit_server.access.answering import answering
from remit_server.access.judge import RelationJudge
from remit_server.approvals import notify_client
from remit_server.approvals.ask import TOLD
from remit_server.approvals.channels import outbox
from remit_server.approvals.channels.outbox import Outbox
from remit_server.approvals.channels.ways import ways_of
from remit_server.approvals.channels.webhook import Webhooks
from remit_server.approvals.notify_client import Teller
from remit_server.config import Settings
from remit_server.errors import MethodNotAllowed, NotFound, ProtocolError
from remit_server.identity.unused import forget_unused
from remit_server.oversight.agreement import AgreementJudge
from remit_server.oversight.decide import Decide
from remit_server.oversight.policy import PolicyJudge
from remit_server.records import Approval, Event
from remit_server.routes import Route, routes
from remit_server.runtime import metrics
from remit_server.runtime.clock import Clock, SystemClock
from remit_server.runtime.discovery import Discovery
from remit_server.runtime.machines import Machines
from remit_server.runtime.mint import Mint
from remit_server.runtime.outbound import Outbound
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.secrets import Peppers
from remit_server.runtime.signing import KeyRing
from remit_server.runtime.throttle import Throttle
from remit_server.runtime.traces import Traces
from remit_server.runtime.verify import TokenVerifier
from remit_server.runtime.woken import Woken
from remit_server.runtime.worker import Job, Worker
from remit_server.storage.contract import Unit
from remit_server.storage.groups.deliveries import FILED
from remit_server.storage.store import Store
from remit_server.storage.sweep import empty_stores, sweep
from remit_server.ui.html import Pages
from remit_server.vault.disconnect import carry_on
from remit_server.vault.give_back import give_back
from remit_server.vault.noted import close_forgotten
from remit_server.vault.refresh import Refresher
from remit_server.wire.answer import error_answer, serve
from remit_server.wire.cors import with_cors
from remit_server.wire.http import Answer, App, Endpoint, Receive, Request, Scope, Send, Sendable
from remit_server.wire.observe import observed
from remit_server.wire.problem import problem


async def start_machines(
    settings: Settings, store: Store, *, clock: Clock | None = None, tls: ssl.SSLContext | None = None
) -> Machines:
    """Every machine, ready to run. `tls` is the trust that outgoing requests use; the system's by default."""
    clock = clock or SystemClock()
    keys = KeyRing(store, clock)
    await keys.load()
    outbound = Outbound(settings, clock, context=tls)
    relations = answering(settings, store, outbound, clock)
    return Machines(
        settings=settings,
        clock=clock,
        store=store,
        keys=keys,
        mint=Mint(settings, clock, keys, store),
        verify=TokenVerifier(store, clock),
        peppers=await Peppers.load(store),
        passwords=Passwords(),
        outbound=outbound,
        discovery=Discovery(outbound, clock),
        throttle=Throttle(time.monotonic),
        traces=Traces(settings.otlp_endpoint),
        decide=Decide(
            (AgreementJudge(store, settings), RelationJudge(store, relations, clock), PolicyJudge(store, clock))
        ),
        relations=relations,
    )


def _only(methods: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint for these methods; others get 405 and hear which are allowed."""
    allowed = ["GET", "POST", "PUT", "PATCH", "DELETE"] if methods == "ANY" else methods.split()
    if "GET" in allowed:
        allowed.append("HEAD")

    async def checked(request: Request) -> Sendable:
        if request.method not in allowed and (methods != "ANY" or request.method in {"CONNECT", "TRACE"}):
            raise MethodNotAllowed(headers={"Allow": ", ".join(allowed)})
        return await endpoint(request)

    return checked


def _jobs(machines: Machines, refresher: Refresher) -> tuple[Job, ...]:
    """What comes round by itself."""
    m = machines

    def expired(approval: Approval) -> Event:
        return m.event("approval.expired", user=approval.user_id, client=approval.client_id, subject=approval.id)

    return (
        Job("sweep", 60, lambda: sweep(m.store, m.clock.now(), expired)),
        Job("empty removed relation stores", 60, lambda: empty_stores(m.store)),
        Job("renew ahead of need", 15, refresher.ahead),
        Job("give back what nobody completed", 60, lambda: give_back(m)),
        Job("carry on with disconnects", 60, lambda: carry_on(m)),
        Job("write down what lost its server", 60, lambda: close_forgotten(m)),
        Job("forget what nobody uses", 6 * 3600, lambda: forget_unused(m)),
        Job("rotate signing keys", 3600, lambda: m.keys.rotate_older_than(m.settings.signing_key_age)),
    )


class _Watch(AbstractContextManager[None]):
    """Around a commit: how many wait, a span, and the count of what happened once it is written."""

    def __init__(self, unit: Unit, traces: Traces) -> None:
        self._unit, self._span = unit, traces.commit(len(unit.steps))

    def __enter__(self) -> None:
        metrics.WRITING.inc()
        self._span.__enter__()

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        metrics.WRITING.dec()
        self._span.__exit__(kind, *rest)
        if kind is None:
            metrics.happened(self._unit.events)


def _face(route: Route, pages: Pages, traces: Traces) -> App:
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
    return observed(route.path, with_cors(app, route.methods) if route.cors else app, traces)


def _nothing(pages: Pages) -> App:
    """No such path: said in HTML to a browser, in JSON to a program, and below `/stores` as OpenFGA says it."""

    async def nowhere(_: Request) -> Answer:
        raise NotFound

    def said(error: ProtocolError, request: Request) -> Answer:
        if request.raw_path.startswith("/stores/"):
            return refusals.openfga(error, request)
        browser = "text/html" in (request.header("accept") or "")
        return pages.failure(error, request) if browser else error_answer(error)

    return serve(nowhere, said)


@dataclass
class RemitApp:
    """The ASGI app. Paths without placeholders are found in one look-up, before any router."""

    machines: Machines
    outbox: Outbox = field(init=False)
    _exact: dict[str, App] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pages, traces = Pages(secure=self.machines.settings.secure), self.machines.traces
        refresher = Refresher(self.machines)
        table = routes(self.machines, pages, refresher)
        self._exact = {route.path: _face(route, pages, traces) for route in table if "{" not in route.path}
        self._router = Router(
            [
                PathRoute(route.path.replace("{path}", "{path:path}"), _Mounted(_face(route, pages, traces)))
                for route in table
                if "{" in route.path
            ],
            redirect_slashes=False,  # it would go to the Host that the request names
            default=observed("none", _nothing(pages), traces),
        )
        self.machines.store.watch = lambda unit: _Watch(unit, traces)
        self.outbox = Outbox(self.machines, ways_of(self.machines), Webhooks(self.machines))
        engine, teller = self.machines.store.engine, Teller(self.machines)
        self._woken = (
            Woken(engine, FILED, self.outbox.run, full=outbox.AT_ONCE),
            Woken(engine, TOLD, teller.once, full=notify_client.AT_ONCE),
        )
        self._worker = Worker(self.machines.store, self.machines.clock, _jobs(self.machines, refresher))

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
                self._worker.start()
                self.listen()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def listen(self) -> None:
        """Tell people and clients from now on, as soon as there is something to tell."""
        for each in self._woken:
            each.start()

    async def close(self) -> None:
        """Stop taking, drain what was taken, let go."""
        await self._worker.close()
        for each in self._woken:
            await each.close()
        await self.machines.background.close()
        await self.machines.outbound.close()
        self.machines.passwords.close()
        await self.machines.store.close()
        self.machines.traces.close()


class _Mounted:
    """An ASGI app that Starlette's router takes as it is, every method included."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

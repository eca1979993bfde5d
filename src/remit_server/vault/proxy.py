"""Calls at a provider in a person's name, by an agent that never holds what makes them theirs.

Order: judge the request, pass the door, choose the account, write down that the call begins, send. What comes back passes
on piece by piece, without the credential, and the last thing that happens is the event. A read has no effect before its answer
is handed out: a short one is written down once, in between. (docs/adr/0013)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct

from remit_server.errors import (
    AccessDenied,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    NotConnected,
    NotFound,
    NotImplementedHere,
    PayloadTooLarge,
    TooManyRequests,
    UpstreamRefused,
)
from remit_server.records import ConnectedAccount, Connection, Event, ProxiedCall
from remit_server.rules import providers, proxying
from remit_server.rules.proxying import Call
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import STREAMS, Opened, OutboundRefused, TooSlow
from remit_server.runtime.ports import Act, Permit
from remit_server.runtime.verify import Dead
from remit_server.storage.contract import Lost
from remit_server.storage.groups.lendings import Asked
from remit_server.vault.borrow import Borrowed, Borrower, borrowed, holds, mendable, still
from remit_server.vault.noted import Noted, UnderWay
from remit_server.vault.passing import Passed, Passing, unless_gone, why
from remit_server.vault.refresh import Refresher
from remit_server.vault.refusals import Refusals
from remit_server.wire.bearer import Caller
from remit_server.wire.http import Request
from remit_server.wire.tokens import permitted

AT_ONCE: Final = STREAMS // 8
"""Calls of one agent under way in this process: half of what one host may have, so that no agent takes a provider from the
others."""
SMALL: Final = 64 * 1024
"""Bytes of a body that is kept, so that the request can be sent again when the provider refuses the token."""
PROMPT: Final = 0.5
"""Seconds that a small body may take; after that, what was read with the token is old."""
FRESH: Final = 60
"""Seconds in which a token that the provider refuses is not the reason: a new one would be refused as well."""


class Proxied(Struct, frozen=True, kw_only=True):
    """A request that has been judged, and everything that is needed to make it."""

    call: Call
    connection: Connection
    who: Caller
    headers: tuple[proxying.Header, ...]
    permit: Permit | None = None
    """Once it is through the door."""

    @property
    def borrower(self) -> Borrower:
        assert self.who.user is not None, "the endpoint asked for a person"
        return Borrower(client=self.who.client, user=self.who.user, connection=self.connection)


class Proxy:
    """The vault's own client. One for the whole server."""

    def __init__(self, machines: Machines, refresher: Refresher) -> None:
        self._machines, self._refresher = machines, refresher
        self._under_way = UnderWay()
        self._refusals = Refusals(machines)
        machines.store.engine.listen(self._heard)

    def _heard(self, topic: str) -> None:
        by_topic = self._under_way.by_topic
        every = {noted for calls in by_topic.values() for noted in calls} if topic == "*" else ()
        for noted in tuple(every or by_topic.get(topic, ())):
            self._machines.background.start(noted.look_again())

    async def __call__(self, request: Request, who: Caller, asked: Asked, name: str, path: str) -> Passed:
        """The provider's answer, about to be passed on. `asked` is what was read with the caller's token. Raises `ProtocolError`
        with Remit's own reason not to call, or why there is no answer."""
        proxied = await self._judged(request, who, name, path)
        began = asyncio.get_running_loop().time()
        body = await self._body(request)
        if asyncio.get_running_loop().time() - began > PROMPT:
            asked = await self._again(proxied)
        found = await borrowed(self._machines, proxied.borrower, asked, request.header("remit-account"))
        try:
            proxied = await self._permitted(_at_home(proxied, found.account), found.share.scopes)
            proxied, attached = await self._credential(proxied, found)
        except (UpstreamRefused, NotConnected) as error:
            raise await mendable(self._machines, proxied.borrower, error, account=found.account) from None
        noted = await self._begin(
            request, proxied, found, reads=proxying.reads(proxied.call.method) and body.whole == b""
        )
        ends = asyncio.get_running_loop().time() + self._machines.settings.proxy_time
        try:
            async with asyncio.timeout_at(ends):
                answering = self._answer(request, proxied, found, attached, body, noted=noted, ends=ends)
                return await unless_gone(request, answering, noted.stopped)
        except BaseException as error:
            await noted.end(why(error))
            if isinstance(error, UpstreamRefused | NotConnected):
                raise await mendable(self._machines, proxied.borrower, error, account=found.account) from None
            if isinstance(error, TimeoutError):
                raise TooSlow(detail="the whole call took too long") from None
            raise

    async def _judged(self, request: Request, who: Caller, name: str, path: str) -> Proxied:
        machines, client = self._machines, who.client
        if request.header("upgrade") is not None:
            raise NotImplementedHere("Connections are not upgraded here.")
        connection = await machines.store.connections.get(name)
        if connection is None or name not in client.connections or "connected_accounts" not in connection.use:
            raise NotFound(f"The connection {name!r} is unknown or not allowed for this client.")
        asked = proxying.Asked(
            method=request.method, path=path, query=request.query, host=request.header("remit-host")
        )  # fmt: skip
        try:
            call = proxying.judge(asked, connection, client.proxy.get(name, ()))
        except Forbidden as error:
            await self._refusals.note(self._refused(request, who, name, error.text))
            raise
        headers = proxying.forwarded(request.all_headers, connection)
        if call.method == "GET" and (part := proxying.range_of(request.header("range"))):
            headers.append(("range", part))
            headers += [("if-range", value) for value in request.headers("if-range")[:1]]
        return Proxied(call=call, connection=connection, who=who, headers=tuple(headers))

    def _refused(self, request: Request, who: Caller, name: str, why: str) -> Event:
        return self._machines.event(
            "vault.call_refused", user=who.token.user_id, client=who.client.id, chain=_chain(who), connection=name,
            address=request.address, by=who.token.jti, cause=why,
        )  # fmt: skip

    async def _body(self, request: Request) -> _Body:
        """The request's body: whole when it is small, otherwise as it comes."""
        settings = self._machines.settings
        length, coding = request.header("content-length"), request.header("transfer-encoding")
        if length is not None and coding is not None:  # RFC 9112 section 6.1: the makings of a smuggled request
            raise InvalidRequest("The request has both Content-Length and Transfer-Encoding.")
        announced = proxying.length_of({"content-length": length or "0"})
        if announced is None:
            raise InvalidRequest("Content-Length is not a number.")
        if announced > settings.proxy_largest_request:
            raise PayloadTooLarge
        if coding is None and announced <= SMALL:
            return _Body(request, whole=await request.body())
        return _Body(
            request, length=None if coding else announced, most=settings.proxy_largest_request,
            silence=settings.proxy_silence,
        )  # fmt: skip

    async def _again(self, proxied: Proxied) -> Asked:
        """What was read with the token, as it is now."""
        asked = await self._machines.store.lendings.called(proxied.who.token.hash, proxied.connection.name)
        live = await self._machines.verify.judged(asked.held if asked else None, kind="access")
        if asked is None or isinstance(live, Dead) or not live.person_is_active:
            raise InvalidToken(detail="gone while the body came")
        return asked

    async def _permitted(self, proxied: Proxied, scopes: tuple[str, ...]) -> Proxied:
        """Through the one door, with what the attached token will allow."""
        who, call = proxied.who, proxied.call
        act = Act(
            kind="proxy", client=who.client, user=who.user, connection=proxied.connection.name, scopes=scopes,
            call=(call.method, call.host, call.path), actors=_actors(who),
        )  # fmt: skip
        try:
            return msgspec.structs.replace(proxied, permit=await permitted(self._machines, act))
        except AccessDenied as error:
            raise Forbidden(error.text, detail=error.detail) from None

    async def _credential(self, proxied: Proxied, found: Borrowed) -> tuple[Proxied, providers.Attached]:
        """What makes the call the account's. Raises `UpstreamRefused` when only the person can help, `Forbidden` when it would
        allow more than may be."""
        connection, account = proxied.connection, found.account
        if account.credentials:
            if account.state != "ok":
                raise UpstreamRefused(account.cause)
            return proxied, providers.attach(connection, account.credentials)
        may = proxied.who.client.connections[connection.name]
        use = await self._refresher.usable(connection, account, found.share.scopes, may=frozenset(may))
        if not holds(account, use):
            await still(self._machines, proxied.borrower, proxied.who.token.hash, account)
        if proxied.permit is None or not set(use.scopes) <= set(proxied.permit.act.scopes):
            # The provider gives nothing narrower: judge what it gives.
            proxied = await self._permitted(proxied, use.scopes)
        return proxied, providers.attach(connection, use.access_token)

    async def _begin(self, request: Request, proxied: Proxied, found: Borrowed, *, reads: bool) -> Noted:
        """Write down that there will be a call. One that only `reads` has no effect before its answer is handed out: it need not
        be written down earlier than that."""
        machines, who, call, account = self._machines, proxied.who, proxied.call, found.account
        if len(self._under_way.by_topic.get(clients := machines.store.clients.wake(who.client.id), ())) >= AT_ONCE:
            raise TooManyRequests("This client has too many calls under way.", headers={"Retry-After": "1"})
        user = proxied.borrower.user
        about: dict[str, Any] = {
            "connection": proxied.connection.name, "method": call.method, "host": call.host, "path": call.path,
            "by": who.token.jti, "why": list(proxied.permit.why if proxied.permit else ()),
        }  # fmt: skip
        about |= {"shared": True} if account.user_id != user.id else {}
        about |= {"away": True} if found.away else {}
        record = ProxiedCall(
            id=new_id(), user_id=user.id, client_id=who.client.id, account_id=account.id, chain=_chain(who),
            address=request.address, started_at=machines.clock.now(), about=about,
        )  # fmt: skip
        lent = partial(still, machines, proxied.borrower, who.token.hash, account)
        hangs_on = clients, *machines.store.lendings.topics(who.token, account.id)
        used = found.used(machines, who.client)
        noted = Noted(machines, record, still=lent, hangs_on=hangs_on, under_way=self._under_way, used=used)
        if reads and not used and not self._under_way.untold:
            noted.begin_soon()
            return noted
        try:
            await noted.begin()
        except BaseException as error:
            noted.forget()
            if isinstance(error, Lost):  # disconnected, taken back from this agent, or broken, since it was read
                refused = UpstreamRefused(account.cause)
                raise await mendable(machines, proxied.borrower, refused, account=account) from None
            raise
        return noted

    async def _answer(
        self, request: Request, proxied: Proxied, found: Borrowed, attached: providers.Attached, body: _Body, *,
        noted: Noted, ends: float,
    ) -> Passed:  # fmt: skip
        """The provider's answer, once it may be handed out."""
        opened, secrets = await self._sent(proxied, found, attached, body, noted)
        passing = Passing(call=proxied.call, connection=proxied.connection, opened=opened, secrets=secrets, ends=ends)
        passed = Passed(self._machines, request, noted, passing)
        await passed.traced()
        return passed

    async def _sent(
        self, proxied: Proxied, found: Borrowed, attached: providers.Attached, body: _Body, noted: Noted
    ) -> tuple[Opened, tuple[str, ...]]:
        """The answer's head, and what its body must not have. A token that the provider refuses is renewed, once; what it
        answers then is its answer. Raises `UpstreamRefused` when the grant is gone."""
        account = found.account
        opened = await self._open(proxied, attached, body, noted)
        if opened.status != 401:
            return opened, _secrets(proxied, attached, account)
        if account.refresh_token is None:
            await self._refresher.refused(proxied.connection, account)
        issued_at = max(account.refreshed_at or account.created_at, *(held.issued_at for held in account.narrowed), 0)
        if account.refresh_token is None or self._machines.clock.now() - issued_at < FRESH:
            return opened, _secrets(proxied, attached, account)
        await opened.close()
        # To the refresher this is an account whose token has run out; if somebody renewed it meanwhile, it finds that.
        without = msgspec.structs.replace(account, access_token=None, narrowed=())
        proxied, renewed = await self._credential(proxied, msgspec.structs.replace(found, account=without))
        if body.whole is None:
            raise OutboundRefused("The provider refused the old token, and the body is gone: send the request again.")
        opened = await self._open(proxied, renewed, body, noted)
        return opened, (*_secrets(proxied, renewed, account), *_secrets(proxied, attached, account))

    async def _open(self, proxied: Proxied, attached: providers.Attached, body: _Body, noted: Noted) -> Opened:
        settings, call = self._machines.settings, proxied.call
        opened = await self._machines.outbound.open(
            call.method,
            proxying.with_query(call.url, attached.query),
            headers=(*proxied.headers, *attached.headers.items(), *body.framing(call.method)),
            body=body.whole if body.whole is not None else body.pieces(noted),
            patience=settings.proxy_patience,
            silence=settings.proxy_silence,
        )
        noted.opened = opened
        noted.about["status"], noted.sent = opened.status, noted.sent + len(body.whole or b"")
        return opened


class _Body:
    """The body of a request that goes up: in memory, or in pieces as they come."""

    def __init__(
        self, request: Request, *, whole: bytes | None = None, length: int | None = None, most: int = 0,
        silence: float = 0,
    ) -> None:  # fmt: skip
        self._request, self.whole, self._length, self._most, self._silence = request, whole, length, most, silence

    def framing(self, method: str) -> tuple[proxying.Header, ...]:
        """How the end of the body is told. It is always ours, never what the request said."""
        if self.whole is None:
            return (
                (("transfer-encoding", "chunked"),)
                if self._length is None
                else (("content-length", str(self._length)),)
            )
        bodiless = not self.whole and method in {"GET", "HEAD", "DELETE", "OPTIONS"}
        return () if bodiless else (("content-length", str(len(self.whole))),)

    async def pieces(self, noted: Noted) -> AsyncIterator[bytes]:
        coming = self._request.pieces(self._most)
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    piece = await anext(coming, None)
            except TimeoutError:
                raise InvalidRequest("The request's body stopped coming.") from None
            if piece is None:
                return
            noted.sent += len(piece)
            yield piece


def _at_home(proxied: Proxied, account: ConnectedAccount) -> Proxied:
    """The same with the API's address as it is for this account. Raises `UpstreamRefused` when that is not known."""
    here = providers.located(proxied.connection, account.values)
    if here is None:
        raise UpstreamRefused("Where this account's API is was not kept: connect it again.")
    call = proxying.located(proxied.call, proxied.connection, here)
    return msgspec.structs.replace(proxied, call=call, connection=here)


def _secrets(proxied: Proxied, attached: providers.Attached, account: ConnectedAccount) -> tuple[str, ...]:
    """What an answer must not hold: what was attached, with and without its scheme, and what it was made of. A name that the
    person typed is no secret, and stands in many an answer."""
    open_ = {field.name for field in proxied.connection.fields if not field.secret}
    typed = {value for name, value in account.credentials.items() if name not in open_}
    values = {*attached.headers.values(), *attached.query.values(), *typed}
    return tuple(values | {value.partition(" ")[2] for value in attached.headers.values() if " " in value})


def _actors(who: Caller) -> tuple[dict[str, Any], ...]:
    """The client, and on whose behalf it acts, newest first (RFC 8693 section 4.1)."""
    actors, own = who.token.actors, {"sub": who.client.id}
    return actors if actors[:1] == (own,) else (own, *actors)


def _chain(who: Caller) -> tuple[str, ...]:
    return tuple(str(actor["sub"]) for actor in _actors(who)[1:])

"""The one way out: where it does not go, and what it does not wait for or swallow."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpcore2
import pytest
import trustme
from tests.fixtures.house import Clock
from tests.ledger import proves

from remit_server.config import Settings
from remit_server.errors import TemporarilyUnavailable
from remit_server.runtime import outbound as module
from remit_server.runtime.network_stream import NetworkStream
from remit_server.runtime.outbound import Outbound, OutboundRefused, ReplyLost, allowed

HOME = "http://127.0.0.1:8080/"
FAR = "https://remit.example/"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

Play = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def sending(issuer: str = HOME, **more: Any) -> AsyncIterator[Outbound]:
    tls = more.pop("context", None)
    out = Outbound(Settings(issuer=issuer, **more), Clock(), context=tls)
    try:
        yield out
    finally:
        await out.close()


@asynccontextmanager
async def server(play: Play, **more: Any) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that does to each request what `play` says; gives its port and the heads of what came."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            await play(head, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, **more)
    try:
        yield listening.sockets[0].getsockname()[1], heads
    finally:
        listening.close()


async def well(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: str | list[str]) -> list[str]:
    """Names resolve to these, one answer for each time; the last stays. Gives the names that were asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        found = [answer] if isinstance(answer, str) else answer
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


WALLED = {
    "private": "10.1.2.3", "private 172": "172.16.0.1", "private 192": "192.168.1.1", "loopback": "127.0.0.1",
    "loopback net": "127.9.9.9", "loopback 6": "::1", "this network": "0.0.0.0", "unspecified 6": "::",
    "link-local": "169.254.1.1", "metadata": "169.254.169.254", "metadata 6": "fd00:ec2::254", "Azure's agent": "168.63.129.16",
    "carrier NAT": "100.64.0.1", "Alibaba's metadata": "100.100.100.200", "benchmark": "198.18.0.1", "protocol": "192.0.0.192",
    "documentation": "192.0.2.1", "multicast": "224.0.0.251", "global multicast": "233.1.1.1", "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255", "unique local": "fc00::1", "link-local 6": "fe80::1", "site-local": "fec0::1",
    "multicast 6": "ff0e::1", "documentation 6": "2001:db8::1", "documentation 6, new": "3fff::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "mapped": "::ffff:10.0.0.1", "mapped loopback": "::ffff:127.0.0.1", "mapped metadata": "::ffff:169.254.169.254",
    "compatible": "::127.0.0.1", "NAT64": "64:ff9b::10.0.0.1", "NAT64 metadata": "64:ff9b::a9fe:a9fe",
    "local NAT64": "64:ff9b:1::1", "6to4": "2002:0a00:0001::1", "6to4 loopback": "2002:7f00:0001::1", "discard": "100::1",
}  # fmt: skip


@pytest.mark.parametrize("address", WALLED.values(), ids=WALLED.keys())
@proves("outbound.public-only")
def test_what_is_not_public_is_not_called(address: str) -> None:
    assert allowed(ipaddress.ip_address(address), (), loopback=False) is False


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:0808:0808::1", "::ffff:8.8.8.8"]
)
def test_what_is_public_is_called(address: str) -> None:
    assert allowed(ipaddress.ip_address(address), (), loopback=False) is True


def test_a_private_network_is_opened_by_name_and_loopback_never() -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.0/8"))
    assert allowed(ipaddress.ip_address("10.1.2.3"), networks, loopback=False)
    assert allowed(ipaddress.ip_address("::ffff:10.1.2.3"), networks, loopback=False)
    assert not allowed(ipaddress.ip_address("192.168.1.1"), networks, loopback=False)
    assert not allowed(ipaddress.ip_address("127.0.0.1"), networks, loopback=False)


@proves("outbound.public-only")
async def test_a_public_server_does_not_call_its_own_machine() -> None:
    async with server(well) as (port, heads), sending(FAR) as out:
        with pytest.raises(OutboundRefused) as refused:
            await out.send("GET", f"https://127.0.0.1:{port}/")
        assert "not a public address" in (refused.value.detail or "")
        assert heads == []


async def test_a_loopback_server_calls_its_own_machine() -> None:
    async with server(well) as (port, heads), sending() as out:
        reply = await out.send("GET", f"http://127.0.0.1:{port}/a?b=c")
        assert (reply.status, reply.json()) == (200, {})
        assert heads[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{port}".encode() in heads[0]


@proves("outbound.public-only")
async def test_a_name_with_one_bad_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    async with sending(FAR) as out:
        with pytest.raises(OutboundRefused) as refused:
            await out.send("GET", "https://rebind.example/")
        assert "10.0.0.1" in (refused.value.detail or "")


@proves("outbound.pinned")
@pytest.mark.parametrize("streamed", [False, True])
async def test_the_connection_goes_to_the_address_that_was_judged(
    monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    """DNS rebinding: the name means a public address when it is judged, and this machine a moment later."""
    asked = resolves(monkeypatch, "8.8.8.8", "127.0.0.1")
    went: list[str] = []

    async def connect(address: str, *_: Any) -> Any:
        went.append(address)
        raise httpcore2.ConnectError("far away")

    monkeypatch.setattr(NetworkStream, "connect", connect)
    async with sending(FAR) as out:
        with pytest.raises(OutboundRefused):
            await ask(out, "https://rebind.example/", streamed=streamed)
    assert (asked, went) == (["rebind.example"], ["8.8.8.8"])


async def test_the_next_address_is_tried_when_one_is_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(well) as (port, _), sending() as out:
        resolves(monkeypatch, ["::1", "127.0.0.1"])
        assert (await out.send("GET", f"http://localhost:{port}/")).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/", "ftp://api.example/", "file:///etc/passwd", "gopher://127.0.0.1/", "//api.example/",
        "https:///nobody", "https://me@api.example/", "https://me:pw@api.example/", "https://@api.example/",
        "https://api.example\\@127.0.0.1/", "https://api.example/#x", "https://api.example/#", "https://api.example:99999/",
        "https://api.example:x/", "https://api.example/a b", "https://api.example/\r\nX: y", "https://\tapi.example/",
        "https://bücher.example/", "https://[::1/", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("issuer", [HOME, FAR])
async def test_a_url_with_two_readings_is_not_read(url: str, issuer: str) -> None:
    async with sending(issuer) as out:
        with pytest.raises(OutboundRefused):
            await out.send("GET", url)


async def test_a_redirect_is_an_answer_not_an_order() -> None:
    async def away(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    async with server(away) as (port, heads), sending() as out:
        reply = await out.send("GET", f"http://127.0.0.1:{port}/")
        assert (reply.status, reply.headers["location"], len(heads)) == (302, "http://127.0.0.1:1/", 1)


@proves("attack.smuggling")
async def test_what_follows_an_answer_is_not_the_answer_to_the_next() -> None:
    async def twice(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")

    async with server(twice) as (port, _), sending() as out:
        for _ in range(3):
            assert (await out.send("GET", f"http://127.0.0.1:{port}/")).body != b"stolen"


def certified(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server with this name, and of who trusts it."""
    authority = trustme.CA()
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(served)
    authority.configure_trust(trusting)
    return served, trusting


READ = 64 * 1024
KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"


@asynccontextmanager
async def keeping(*answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[None]]]:
    """A server that answers on one connection for as long as it is kept: its port, and an item for each connection."""
    connections: list[None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(None)
        with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while await reader.readuntil(b"\r\n\r\n"):
                for part in answer:
                    writer.write(part)
                await writer.drain()
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield running.sockets[0].getsockname()[1], connections
    finally:
        running.close()


async def ask(out: Outbound, url: str, *, streamed: bool) -> bytes:
    if not streamed:
        return (await out.send("GET", url)).body
    opened = await out.open("GET", url, headers=(), patience=5, silence=5)
    try:
        return b"".join([piece async for piece in opened.pieces()])
    finally:
        await opened.close()


async def bodies(out: Outbound, port: int, *, streamed: bool, scheme: str = "http") -> list[bytes]:
    return [await ask(out, f"{scheme}://127.0.0.1:{port}/", streamed=streamed) for _ in range(3)]


@proves("attack.smuggling")
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_connection_that_says_more_than_its_answer_is_given_up(streamed: bool) -> None:
    async with keeping(KEPT + STOLEN) as (port, connections), sending() as out:
        assert await bodies(out, port, streamed=streamed) == [b"{}"] * 3
    assert len(connections) == 3


FULL = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
FULL = (FULL % (READ - len(FULL % READ))).ljust(READ, b"x")
"""An answer that is all that httpcore reads at once."""


@proves("attack.smuggling")
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("answer", [(KEPT, STOLEN), (FULL + STOLEN,)], ids=["two records", "more than is read at once"])
async def test_what_the_parser_has_not_seen_is_nobodys_answer_either(
    answer: tuple[bytes, ...], scheme: str, streamed: bool
) -> None:
    """What follows an answer may wait below the parser: decrypted or not, read from the socket or not."""
    served, trusting = certified()
    async with (
        keeping(*answer, tls=served if scheme == "https" else None) as (port, connections),
        sending(context=trusting) as out,
    ):
        first = answer[0].removesuffix(STOLEN).partition(b"\r\n\r\n")[2]
        assert await bodies(out, port, streamed=streamed, scheme=scheme) == [first] * 3
    assert len(connections) == 3


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_one_that_says_no_more_is_kept(scheme: str, streamed: bool) -> None:
    """When this fails after an upgrade of httpcore2: it does not tell any more, in `_unread`, what it has read beyond an
    answer. Nothing is unsafe, since every connection is given up then, but each request makes a new one."""
    served, trusting = certified()
    async with (
        keeping(KEPT, tls=served if scheme == "https" else None) as (port, connections),
        sending(context=trusting) as out,
    ):
        assert await bodies(out, port, streamed=streamed, scheme=scheme) == [b"{}"] * 3
    assert len(connections) == 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_where_one_cannot_tell_no_connection_is_used_twice(
    monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    """An upgrade of httpcore2 may take the private way to tell away."""
    assert module._unread(httpcore2.Response(200)) is None
    monkeypatch.setattr(module, "_unread", lambda _: None)
    async with keeping(KEPT + STOLEN) as (port, connections), sending() as out:
        assert await bodies(out, port, streamed=streamed) == [b"{}"] * 3
    assert len(connections) == 3


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(well) as (proxy, taken), server(well) as (port, heads):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        async with sending() as out:
            await out.send("GET", f"http://127.0.0.1:{port}/")
        assert (len(heads), taken) == (1, [])


@pytest.mark.parametrize("announced", [True, False])
@proves("outbound.bounded")
async def test_a_reply_without_end_is_cut(announced: bool) -> None:
    async def flood(_: bytes, writer: asyncio.StreamWriter) -> None:
        length = b"Content-Length: 100000000\r\n" if announced else b"Connection: close\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with server(flood) as (port, _), sending() as out:
        with pytest.raises(OutboundRefused, match="could not be reached") as refused:
            await out.send("GET", f"http://127.0.0.1:{port}/", largest=100_000)
        assert refused.value.detail == "the reply is too large"


@pytest.mark.parametrize("part", ["head", "body", "nothing"])
@proves("outbound.bounded")
async def test_a_reply_that_drips_is_not_waited_for(part: str) -> None:
    """Each byte comes in time for a read timeout; the whole does not."""

    async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
        if part == "body":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        elif part == "head":
            writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            if part != "nothing":
                writer.write(b"x")
                await writer.drain()
            await asyncio.sleep(0.05)

    async with server(drip) as (port, _), sending() as out:
        began = time.monotonic()
        with pytest.raises(ReplyLost):
            await out.send("GET", f"http://127.0.0.1:{port}/", timeout=0.4)
        assert time.monotonic() - began < 2


async def test_a_lost_reply_is_told_from_a_request_that_never_left() -> None:
    async def hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with server(hang_up) as (port, _), sending() as out:
        with pytest.raises(ReplyLost):
            await out.send("POST", f"http://127.0.0.1:{port}/", body=b"x")
    async with sending() as out:
        with pytest.raises(OutboundRefused) as refused:
            await out.send("POST", f"http://127.0.0.1:{port}/", body=b"x")  # nobody listens there any more
        assert not isinstance(refused.value, ReplyLost)


@proves("outbound.bounded")
async def test_a_slow_host_does_not_take_every_connection() -> None:
    async def never(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async with server(never) as (slow, heads), server(well) as (port, _), sending() as out:
        stuck = [asyncio.create_task(out.send("GET", f"http://127.0.0.1:{slow}/", timeout=1)) for _ in range(100)]
        await asyncio.sleep(0.3)
        assert len(heads) == module.PER_HOST
        assert (await out.send("GET", f"http://127.0.0.1:{port}/", timeout=0.5)).status == 200
        assert all(isinstance(each, OutboundRefused) for each in await asyncio.gather(*stuck, return_exceptions=True))


@proves("outbound.bounded")
async def test_hosts_that_clients_name_keep_nobody_else_waiting() -> None:
    async def never(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async with AsyncExitStack() as stack, sending() as out:
        hosts = [await stack.enter_async_context(server(never)) for _ in range(6)]
        port, _ = await stack.enter_async_context(server(well))
        urls = [f"http://127.0.0.1:{slow}/{n}" for slow, _ in hosts for n in range(20)]
        stuck = [asyncio.create_task(out.send("GET", url, timeout=1, named=True)) for url in urls]
        await asyncio.sleep(0.4)
        reached = [len(heads) for _, heads in hosts]
        assert max(reached) <= module.NAMED // 4
        assert sum(reached) <= module.NAMED
        assert (await out.send("GET", f"http://127.0.0.1:{port}/", timeout=0.5)).status == 200
        host = f"http://127.0.0.1:{hosts[0][0]}/"
        more = [asyncio.create_task(out.send("GET", host, timeout=1)) for _ in range(3)]
        await asyncio.sleep(0.3)
        assert len(hosts[0][1]) == reached[0] + 3, "nor who is at the same host by the operator's word"
        await asyncio.gather(*stuck, *more, return_exceptions=True)


@pytest.mark.parametrize("name", ["localhost", "other.example"])
@pytest.mark.parametrize("streamed", [False, True])
@proves("outbound.pinned")
async def test_the_certificate_must_be_the_named_hosts(
    name: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusting = certified("localhost")
    asked_for: list[str | None] = []
    context.sni_callback = lambda _, server_name, __: asked_for.append(server_name)
    async with server(well, ssl=context) as (port, heads):
        resolves(monkeypatch, "127.0.0.1")
        async with sending(context=trusting) as out:
            if name == "localhost":
                assert await ask(out, f"https://{name}:{port}/", streamed=streamed) == b"{}"
            else:
                with pytest.raises(OutboundRefused):
                    await ask(out, f"https://{name}:{port}/", streamed=streamed)
                assert heads == []
            assert asked_for == [name]  # the address is pinned, the name is still what is verified
        async with sending() as out:  # the same certificate, and nobody vouches for it
            with pytest.raises(OutboundRefused):
                await ask(out, f"https://localhost:{port}/", streamed=streamed)


@pytest.mark.parametrize("other", ["https://other.example", "http://localhost"])
async def test_a_connection_that_waits_is_of_one_host_and_one_scheme(
    other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, trusting = certified("localhost", "other.example")
    async with keeping(KEPT, tls=served) as (port, connections), sending(context=trusting) as out:
        resolves(monkeypatch, "127.0.0.1")
        for _ in range(2):
            await ask(out, f"https://localhost:{port}/", streamed=True)
        assert len(connections) == 1
        with suppress(OutboundRefused):  # the server has no answer without TLS
            await ask(out, f"{other}:{port}/", streamed=True)
        assert out._streams._waiting.keys() >= {f"https://localhost:{port}"}, "the other one did not take it"


@pytest.mark.parametrize("streamed", [False, True])
async def test_who_does_not_wait_for_a_handshake_leaves_no_socket_behind(streamed: bool) -> None:
    closed = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        closed.set()
        writer.close()

    running = await asyncio.start_server(deaf, "127.0.0.1", 0)
    async with sending() as out:
        url = f"https://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
        asking = asyncio.create_task(ask(out, url, streamed=streamed))
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.wait_for(closed.wait(), 2)
        await asyncio.gather(asking, return_exceptions=True)
    running.close()


@proves("outbound.bounded")
@pytest.mark.parametrize("hosts", [1, 6])
async def test_streams_are_bounded_for_a_host_and_for_all(monkeypatch: pytest.MonkeyPatch, hosts: int) -> None:
    monkeypatch.setattr(module, "STREAMS", 8)
    monkeypatch.setattr(module, "CONNECTING", 0.2)
    async with AsyncExitStack() as stack:
        ports = [(await stack.enter_async_context(keeping(KEPT)))[0] for _ in range(hosts)]
        out = await stack.enter_async_context(sending())
        most = 2 if hosts == 1 else 8
        urls = [f"http://127.0.0.1:{ports[n % hosts]}/" for n in range(most + 1)]
        opened = [await out.open("GET", url, headers=(), patience=5, silence=5) for url in urls[:most]]
        with pytest.raises(TemporarilyUnavailable) as refused:
            await out.open("GET", urls[most], headers=(), patience=5, silence=5)
        assert "in use" in (refused.value.detail or "")
        await opened.pop().close()
        opened.append(await out.open("GET", urls[most - 1], headers=(), patience=5, silence=5))
        for each in opened:
            await each.close()


async def test_a_jwk_set_is_kept_and_a_failure_for_a_moment() -> None:
    replies = [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", OK]

    async def play(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(replies[min(len(heads), 2) - 1])

    async with server(play) as (port, heads), sending() as out:
        clock, uri = out._clock, f"http://127.0.0.1:{port}/jwks"
        assert isinstance(clock, Clock)
        for _ in range(3):
            with pytest.raises(OutboundRefused):
                await out.jwks(uri)
        assert len(heads) == 1
        clock.forward(module.JWKS_FAILED_SECONDS)
        assert await out.jwks(uri) == await out.jwks(uri) == {}
        clock.forward(module.JWKS_SECONDS - 1)
        await out.jwks(uri)
        assert len(heads) == 2
        clock.forward(1)
        await out.jwks(uri)
        assert len(heads) == 3


@pytest.mark.parametrize("body", [b"[]", b"not json", b"\xff", b"[" * 5000])
def test_only_a_json_object_is_an_answer(body: bytes) -> None:
    with pytest.raises(OutboundRefused):
        module.Reply(200, {}, body).json()

"""Mail goes out over TLS, or stays; and no relay, however it behaves, holds us up or learns more than it should."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest
import trustme
from tests.fixtures.sinks import mail_sink
from tests.ledger import proves

from remit_server.runtime import mail

ME, ADA = "remit@example.com", "ada@example.com"


def message() -> EmailMessage:
    written = EmailMessage()
    written["From"], written["To"], written["Subject"] = ME, ADA, "Hello"
    written.set_content("There.\n.\nEnd.\n")
    return written


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The relay's context, and ours, which trusts it."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def test_a_relay_is_read_from_its_url() -> None:
    relay = mail.Relay.at("smtps://re%40mit:p%3Aw%2Fd@mail.example")
    assert (relay.host, relay.port, relay.tls, relay.user, relay.password) == (
        "mail.example",
        465,
        True,
        "re@mit",
        "p:w/d",
    )
    assert mail.Relay.at("smtp://mail.example").port == 25
    assert "p:w" not in repr(relay) + str(relay)


@proves("channels.email")
async def test_tls_from_the_first_byte(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with mail_sink(tls=tls[0]) as sink:
        relay = mail.Relay.at(f"smtps://127.0.0.1:{sink.port}")
        await mail.send(relay, message(), sender=ME, to=ADA, tls=tls[1])
        assert sink.envelopes == [(ME, [ADA])]
        with pytest.raises(mail.MailRefused):
            await mail.send(relay, message(), sender=ME, to=ADA)
        assert len(sink.envelopes) == 1, "a certificate that nobody vouches for is refused"


@proves("channels.email")
async def test_starttls_and_a_password(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with mail_sink(starttls=tls[0]) as sink:
        url = f"smtp://remit:pa%20ss%3Aword%40relay@127.0.0.1:{sink.port}"
        await mail.send(mail.Relay.at(url), message(), sender=ME, to=ADA, tls=tls[1])
        assert sink.over_tls == [True]
        assert sink.logins == [(b"remit", b"pa ss:word@relay")]
        with pytest.raises(mail.MailRefused) as refused:
            await mail.send(mail.Relay.at(url.replace("pa%20ss", "wrong")), message(), sender=ME, to=ADA, tls=tls[1])
        assert str(refused.value) == "the relay answered 535"
        assert len(sink.envelopes) == 1


@proves("channels.email")
async def test_away_from_this_machine_nothing_goes_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "is_loopback", lambda _: False)
    async with mail_sink() as sink:  # offers no STARTTLS, or somebody in between took the offer away
        with pytest.raises(mail.MailRefused):
            await mail.send(mail.Relay.at(f"smtp://u:p@127.0.0.1:{sink.port}"), message(), sender=ME, to=ADA)
        assert sink.envelopes == []
        assert sink.logins == []


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def relay_that(talk: Talk) -> AsyncIterator[mail.Relay]:
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.append(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield mail.Relay.at(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def drips(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"2")
        await asyncio.sleep(0.05)


async def never_ends(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-" + b"x" * 60_000 + b"\r\n")
        await writer.drain()


async def speaks_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    await writer.drain()


async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    while line := await reader.readline():
        writer.write(b"550 no such mailbox\r\n" if line.startswith(b"RCPT") else b"250 OK\r\n")
        await writer.drain()


@pytest.mark.parametrize("talk", [drips, never_ends, speaks_http, hangs_up])
async def test_a_relay_that_misbehaves(talk: Talk) -> None:
    async with relay_that(talk) as relay:
        with pytest.raises((mail.MailRefused, TimeoutError)) as refused:
            async with asyncio.timeout(2):
                await mail.send(relay, message(), sender=ME, to=ADA)
        assert "2222" not in str(refused.value)


async def test_an_address_that_is_refused_is_refused_for_good() -> None:
    async with relay_that(refuses) as relay:
        with pytest.raises(mail.MailRefused, match="550") as refused:
            await mail.send(relay, message(), sender=ME, to=ADA)
        assert refused.value.for_good


@proves("channels.email")
@pytest.mark.parametrize("to", ["a@b>\r\nRCPT TO:<eve@example.net", "a@b\nDATA", "a b@c", "a@b,eve@example.net"])
async def test_an_address_is_one_address(to: str) -> None:
    async with mail_sink() as sink:
        with pytest.raises(mail.MailRefused):
            await mail.send(mail.Relay.at(f"smtp://127.0.0.1:{sink.port}"), message(), sender=ME, to=to)
        assert sink.envelopes == []

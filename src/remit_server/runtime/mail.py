"""The one way out for e-mail: to the operator's relay, over SMTP (RFC 5321)."""

from __future__ import annotations

import re
import ssl
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
from msgspec import Struct

from remit_server.config import is_loopback

SECONDS: Final = 10.0
"""Of each command; the whole is the caller's to cap."""


_PART: Final = r"[^\s<>@,;:\\\"()\[\]\x00-\x1f\x7f]+"
_ADDRESS: Final = re.compile(f"{_PART}@{_PART}")


def is_address(text: str) -> bool:
    """Whether this is one plain address, and so nothing that could become two, or a command (RFC 5321 section 4.1.2)."""
    return _ADDRESS.fullmatch(text) is not None


class Relay(Struct, frozen=True, kw_only=True):
    """Where mail is handed in."""

    host: str
    port: int
    tls: bool
    """From the first byte on (RFC 8314 section 3.3), instead of by STARTTLS."""
    user: str | None = None
    password: str | None = None

    @classmethod
    def at(cls, url: str) -> Relay:
        """The relay of `smtp://user:password@host:25` or `smtps://…:465`; user and password percent-encoded."""
        parts = urlsplit(url)
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname or "", port=parts.port or (465 if tls else 25), tls=tls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Relay({self.host}:{self.port})"


class MailRefused(Exception):
    """The relay did not take it. `for_good`: it said that it never will (RFC 5321 section 4.2.1)."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        self.for_good = for_good
        super().__init__(why)


async def send(relay: Relay, message: EmailMessage, *, sender: str, to: str, tls: ssl.SSLContext | None = None) -> None:
    """Hand one message in. Away from this machine nothing goes out in the clear: a relay without STARTTLS is refused, since a
    man in the middle who hides it looks the same (RFC 8314 section 4.1). Raises `MailRefused`."""
    if not (is_address(sender) and is_address(to)):
        raise MailRefused("this is not an address", for_good=True)
    local = is_loopback(relay.host)
    client = aiosmtplib.SMTP(
        hostname=relay.host, port=relay.port, timeout=SECONDS, use_tls=relay.tls,
        start_tls=False if relay.tls else None if local else True,
        tls_context=tls or ssl.create_default_context(), username=relay.user, password=relay.password,
    )  # fmt: skip
    try:
        async with client:
            await client.send_message(message, sender=sender, recipients=[to])
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [refused.code for refused in error.recipients]
        raise MailRefused(f"the relay refused the address ({codes[0]})", for_good=min(codes) >= 500) from error
    except aiosmtplib.SMTPResponseException as error:
        raise MailRefused(f"the relay answered {error.code}", for_good=error.code >= 500) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # the last: what it said is not SMTP
        raise MailRefused(f"the relay could not be used ({type(error).__name__})") from error

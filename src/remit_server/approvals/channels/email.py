"""E-mail. It links to the page; neither a link in it nor a reply to it can answer."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Any
from urllib.parse import urlsplit

from remit_server.approvals.channels.notice import Addressed, Notice, NotReached
from remit_server.runtime import mail
from remit_server.runtime.machines import Machines

LAST = "This message cannot answer, and neither can a reply to it: nothing happens unless you approve on that page, signed in."

TRIAL = "Choose how you are told"


class Email:
    def __init__(self, machines: Machines, *, tls: ssl.SSLContext | None = None) -> None:
        self._machines, self._tls = machines, tls

    async def _configured(self) -> dict[str, Any] | None:
        organisation = await self._machines.store.organisation.get("organisation")
        return organisation.channels.get("email") if organisation else None

    async def reaches(self, whom: Addressed) -> bool:
        """Only an address that is known to be the person's: another would read what their agents do."""
        user = whom.user
        known = user.email is not None and user.email_verified and mail.is_address(user.email)
        return known and await self._configured() is not None

    async def tell(self, whom: Addressed, notice: Notice) -> None:
        configured, to = await self._configured(), whom.user.email
        if configured is None or to is None:
            raise NotReached("e-mail is not set up any more", for_good=True)
        message = written(notice, whom, sender=configured["from"], to=to, now=self._machines.clock.now())
        try:
            await mail.send(mail.Relay.at(configured["smtp"]), message, sender=configured["from"], to=to, tls=self._tls)
        except mail.MailRefused as error:
            raise NotReached(str(error), for_good=error.for_good) from error


def written(notice: Notice, whom: Addressed, *, sender: str, to: str, now: int) -> EmailMessage:
    """The message. Every header goes through a policy that refuses line breaks."""
    until = datetime.fromtimestamp(notice.expires_at, whom.zone)
    when = f"{until.day} {until:%B %Y, %H:%M} ({whom.preferences.time_zone})"
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, notice.title
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    # The same for every try: where two got through, mail programs show one.
    message["Message-ID"] = f"<{notice.name}@{urlsplit(notice.url).hostname}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: no out-of-office answers
    link, until_when = ("Look at it and answer", f" until {when}") if notice.asks else (TRIAL, "")
    text, html = (f"\n{LAST}\n", f"<p>{LAST}</p>\n") if notice.asks else ("", "")
    message.set_content(f"{notice.sentence}\n\n{link}{until_when}:\n{notice.url}\n{text}")
    message.add_alternative(
        f'<!doctype html>\n<html lang="en"><body>\n<p>{escape(notice.sentence)}</p>\n'
        f'<p><a href="{escape(notice.url)}">{link}</a>{escape(until_when)}.</p>\n'
        f"{html}</body></html>\n",
        subtype="html",
    )
    return message

"""Who sits at the browser: its cookies, its session, the person.

Two cookies. One names the browser and stays the same through sign-in: the errand that it is on hangs on it. The other is the
session, and is new with each sign-in, so that a value planted before means nothing afterwards (session fixation).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from remit_server.config import Settings
from remit_server.records import Session, User
from remit_server.runtime.ids import hashed, new_secret
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, cookie, network_of


@dataclass(frozen=True)
class Visitor:
    """A browser, and the person in it if somebody is signed in."""

    browser: str = field(repr=False)
    """Value of the browser's cookie."""
    csrf: str = field(repr=False)
    """What a form for this visitor carries, and must bring back (`wire/csrf.py`)."""
    known: bool = True
    """Whether the browser brought its cookie; if not, the answer must set it."""
    session: Session | None = None
    user: User | None = None
    address: str = ""

    @property
    def network(self) -> str:
        """The address as rate limits see it."""
        return network_of(self.address)

    @property
    def browser_hash(self) -> str:
        return hashed(self.browser)


def session_cookie(settings: Settings) -> str:
    """`__Host-` keeps other hosts of the same domain, and plain http, from setting it (RFC 6265bis section 4.1.3.2)."""
    return "__Host-remit" if settings.secure else "remit"


def browser_cookie(settings: Settings) -> str:
    return "__Host-remit-browser" if settings.secure else "remit-browser"


async def visitor(request: Request, machines: Machines) -> Visitor:
    """Who this is. A session that has ended or expired, or whose person is blocked, is no session."""
    settings = machines.settings
    browser = request.cookies.get(browser_cookie(settings))
    known = browser is not None and 20 <= len(browser) <= 100
    if browser is None or not known:
        browser = new_secret()
    value = request.cookies.get(session_cookie(settings))
    session, user = (value and await machines.store.sessions.get(hashed(value))) or (None, None)
    ended = session is None or session.ended_at is not None or session.expires_at <= machines.clock.now()
    if value is None or ended or user is None or user.state != "active":
        return Visitor(browser, csrf_for(machines, browser), known, address=request.address)
    return Visitor(browser, csrf_for(machines, value), known, session, user, request.address)


def csrf_for(machines: Machines, cookie_value: str) -> str:
    """A form's token follows from the cookie that it is held against: nothing is stored, nobody else can work it out."""
    return machines.peppers.mac("csrf", cookie_value)


def remembering(answer: Answer, who: Visitor, machines: Machines) -> Answer:
    """The answer, with the browser's cookie if it has none yet."""
    if who.known:
        return answer
    settings = machines.settings
    return answer.adding(cookie(browser_cookie(settings), who.browser, secure=settings.secure))

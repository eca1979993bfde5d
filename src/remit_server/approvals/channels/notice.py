"""What a channel carries, and what a channel is.

A notice has no secret in it and decides nothing: its link is the approval's page, which asks who is there. Every word is the
server's own, but for the agent's name and the values that a detail type puts into its sentence.
"""

from __future__ import annotations

from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from remit_server.records import Approval, Preferences, User
from remit_server.rules import reading
from remit_server.rules.visible import reveal
from remit_server.runtime.machines import Machines
from remit_server.wire.details import known_types

LONGEST_NAME: Final = 60
LONGEST_ACTION: Final = 240


class Notice(Struct, frozen=True, kw_only=True):
    """One message about one request."""

    approval_id: str
    agent: str
    title: str
    """`Trading assistant asks for your approval`."""
    action: str | None
    """`buy 10 ZEKO at up to 41.20 USD each`, after "wants to"; None where the person wants it private."""
    url: str
    expires_at: int
    replies: int = 0
    """How often the agent has replied to the person: each time it is another message about the same request."""
    asks: bool = True
    """False: nothing waits; the person wants to see that a way leads to them."""

    @property
    def name(self) -> str:
        """Of the message: the same for every try to send it."""
        return f"{self.approval_id}.{self.replies}" if self.replies else self.approval_id

    @property
    def sentence(self) -> str:
        """What happened, in one line."""
        if not self.asks:
            return "This is how you hear that an agent waits for your word."
        return f"{self.agent} wants to {self.action}." if self.action else "What it wants to do is on the page."


class NotReached(Exception):
    """The message did not get through. `why` is for the timeline: plain words, no secret, no address."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        """`for_good`: another try would end the same."""
        self.why, self.for_good = why, for_good
        super().__init__(why)


class Addressed(Struct, frozen=True, kw_only=True):
    """Whom to tell."""

    user: User
    preferences: Preferences
    zone: ZoneInfo


class Channel(Protocol):
    """One way to tell a person."""

    async def reaches(self, whom: Addressed) -> bool:
        """Whether this way is set up, and leads to this person."""
        ...

    async def tell(self, whom: Addressed, notice: Notice) -> None:
        """Send it. May happen twice for one notice, when a server died in between. Raises `NotReached`."""
        ...


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of this name, if there is one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last two: a name that is no name, or a folder's
        return None


async def notice_of(machines: Machines, approval: Approval, *, private: bool) -> Notice:
    """What is said about a request."""
    client = await machines.store.clients.get(approval.client_id)
    agent = _short(reveal(client.name if client else approval.client_id), LONGEST_NAME)
    replies = sum(message.by == "agent" for message in approval.thread)
    return Notice(
        approval_id=approval.id,
        agent=agent,
        title=f"{agent} has replied to you" if replies else f"{agent} asks for your approval",
        replies=replies,
        action=None if private else _short(reveal(await _action(machines, approval)), LONGEST_ACTION),
        url=machines.settings.url(f"/approvals/{approval.id}"),
        expires_at=approval.expires_at,
    )


async def _action(machines: Machines, approval: Approval) -> str:
    if not approval.details:
        return "act as you"
    types = await known_types(machines)
    first = reading.read(approval.details[0], types.get(approval.details[0]["type"])).sentence
    more = len(approval.details) - 1
    return f"{first}, and {more} more" if more else first


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

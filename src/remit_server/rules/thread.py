"""Asking back: the person asks the agent, it replies, and the request goes on. What may be said, and how often."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from remit_server.errors import Conflict, InvalidRequest
from remit_server.records import Approval, Message
from remit_server.rules.visible import hides, links

LONGEST_QUESTION: Final = 500
LONGEST_REPLY: Final = 1000
MOST_QUESTIONS: Final = 5
"""Of one request: who does not understand by then says no."""


def can_ask(approval: Approval) -> bool:
    """Whether the person may ask back now. A device has nobody to reply, and a client that is pushed to hears nothing but the
    end."""
    return approval.state == "pending" and approval.kind == "ciba" and approval.mode != "push" and _left(approval) > 0


def _left(approval: Approval) -> int:
    return MOST_QUESTIONS - sum(message.by == "person" for message in approval.thread)


def asked(approval: Approval, text: str | None, now: int) -> Approval:
    """With the person's question at its end. Raises `Conflict` while one is open, `InvalidRequest` for what cannot be asked."""
    if approval.state == "info_requested":
        raise Conflict("You have asked something already: the agent has not replied yet.")
    if approval.kind != "ciba" or approval.mode == "push":
        raise InvalidRequest("This agent cannot be asked back: it hears of the answer, and of nothing before.")
    if _left(approval) <= 0:
        raise InvalidRequest(f"You have asked {MOST_QUESTIONS} times. Approve it or deny it.")
    said = Message(by="person", at=now, text=_words(text, LONGEST_QUESTION, "question"))
    return replace(approval, thread=(*approval.thread, said))


def replied(approval: Approval, text: str | None, now: int) -> Approval:
    """With the agent's reply at its end. Raises `Conflict` unless a question is open, `InvalidRequest` for what may not be said."""
    if approval.state != "info_requested" or now >= approval.expires_at:
        raise Conflict("No question is open here.")
    words = _words(text, LONGEST_REPLY, "reply")
    if links(words):
        raise InvalidRequest("A reply may not have a link.")
    return replace(approval, thread=(*approval.thread, Message(by="agent", at=now, text=words)))


def question(approval: Approval) -> Message | None:
    """The question that waits for the agent."""
    return approval.thread[-1] if approval.state == "info_requested" and approval.thread else None


def _words(text: str | None, most: int, what: str) -> str:
    words = (text or "").replace("\r\n", "\n").strip()
    if not words:
        raise InvalidRequest(f"A {what} needs words.")
    if len(words) > most:
        raise InvalidRequest(f"A {what} may have {most} characters at most.")
    if hides(words.replace("\n", " ")):
        raise InvalidRequest(f"A {what} may not have control, direction or invisible characters.")
    return words

"""The story of one approval, and whether it is true: what was asked, answered, proven and done, from what is stored alone.

A `Story` stands by itself. Who gets one as a file verifies it without the database, the server or the person.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct

from remit_server.errors import InvalidDetails, NotFound
from remit_server.records import Event
from remit_server.records.evidence import CodeShown, Evidence, Signed
from remit_server.rules import proof, totp
from remit_server.rules.details import canonical, digest
from remit_server.rules.passkeys import named
from remit_server.storage.groups.trail import Link
from remit_server.storage.store import Store

APPROVED: Final = frozenset({"approved", "taken"})
_PASSKEY: Final = frozenset({"passkey.added", "passkey.removed"})
_ALLOWANCE: Final = frozenset({"allowance.given", "allowance.revoked"})
_STATES: Final = {f"approval.{state}": state for state in ("approved", "denied", "expired", "taken")}
BREATH: Final = 10
"""Seconds between a row and its event, which are written together and dated one after the other."""


class Story(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One approval as it is kept, without what would open anything, and the events about it."""

    id: str
    kind: str
    state: str
    client_id: str
    client: str
    """By name."""
    user_id: str | None
    person: str
    """By name."""
    risk: str
    details: tuple[dict[str, Any], ...]
    digest: str
    approved: tuple[dict[str, Any], ...]
    approved_digest: str
    changes: tuple[str, ...]
    nonce: str
    evidence: Evidence | None
    allowance_id: str | None
    created_at: int
    expires_at: int
    decided_at: int | None
    decided_by: str | None
    spent: int
    """Bit n: the nth of `approved` has been carried out."""
    events: tuple[Link, ...]
    """About this approval, oldest first."""
    passkey: tuple[Link, ...]
    """About the passkey that signed."""
    allowance: tuple[Link, ...] = ()
    """About the allowance that answered in the person's place."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What was verified, what does not hold, and what nobody could verify from a story."""

    holds: tuple[str, ...]
    faults: tuple[str, ...]
    open: tuple[str, ...]


async def read(store: Store, approval_id: str) -> Story:
    """Raises `NotFound` when there is no such approval, `IntegrityError` when its row does not open."""
    approval = await store.approvals.get(approval_id)
    if approval is None:
        raise NotFound(f"There is no approval {approval_id}.")
    client = await store.clients.get(approval.client_id)
    user = await store.users.get(approval.user_id or "")
    evidence, passkey = approval.evidence, tuple[Link, ...]()
    if isinstance(evidence, Signed):
        passkey = tuple(await store.trail.links(named(evidence.credential), _PASSKEY))
    return Story(
        id=approval.id, kind=approval.kind, state=approval.state, client_id=approval.client_id,
        client=client.name if client else approval.client_id, user_id=approval.user_id,
        person=(user and (user.name or user.email)) or approval.user_id or "nobody", risk=approval.risk,
        details=approval.details, digest=approval.digest, approved=approval.approved,
        approved_digest=approval.approved_digest, changes=approval.changes, nonce=approval.nonce, evidence=evidence,
        allowance_id=approval.allowance_id, created_at=approval.created_at, expires_at=approval.expires_at,
        decided_at=approval.decided_at, decided_by=approval.decided_by, spent=approval.spent,
        events=tuple(await store.trail.links(approval.id)), passkey=passkey,
        allowance=tuple(await store.trail.links(approval.allowance_id, _ALLOWANCE)) if approval.allowance_id else (),
    )  # fmt: skip


def judge(story: Story) -> Verdict:
    """Hold everything in a story against everything else. Raises `IntegrityError` for an event that is none."""
    told = [(link.seq, link.event) for link in story.events]
    found = [*_chain(story), *_asked(story, told), _state(story, told)]
    if story.state in APPROVED:
        found += [*_approved(story, told), *_evidence(story, told)]
    faults = tuple(text for text, holds in found if not holds)
    return Verdict(
        holds=tuple(text for text, holds in found if holds), faults=tuple(f"not so: {text}" for text in faults),
        open=tuple(_open(story)),
    )  # fmt: skip


Found = Iterator[tuple[str, bool]]
"""A sentence, and whether it is true."""


def _chain(story: Story) -> Found:
    links = (*story.events, *story.passkey, *story.allowance)
    yield (
        f"each of {len(links)} events has the hash that its content and the event before it give, and its place in order",
        all(link.holds for link in links) and all(map(_ordered, (story.events, story.passkey, story.allowance))),
    )
    about = {named(story.evidence.credential)} if isinstance(story.evidence, Signed) else set()
    yield (
        "the events are about this approval, its passkey and its allowance",
        (
            all(link.event.subject == story.id for link in story.events)
            and all(link.event.subject in about for link in story.passkey)
            and all(link.event.subject == story.allowance_id for link in story.allowance)
        ),
    )


def _ordered(links: tuple[Link, ...]) -> bool:
    """What was told first counts as first: who holds a file may have turned its events round."""
    return all(one.seq < next_.seq for one, next_ in pairwise(links))


def _asked(story: Story, told: list[tuple[int, Event]]) -> Found:
    asked = _the(told, "approval.asked")
    yield "the digest that names the request is that of its details", _names(story.digest, story.details)
    yield (
        "the trail has this request, with these details and this risk, from this application",
        asked is not None
        and (
            asked.about.get("digest") == story.digest
            and _same(asked.about.get("details", ()), story.details)
            and asked.about.get("risk") == story.risk
            and asked.actor.client == story.client_id
            and abs(asked.at - story.created_at) <= BREATH
        ),
    )


def _state(story: Story, told: list[tuple[int, Event]]) -> tuple[str, bool]:
    """What nobody has taken yet is denied without an event of its own when its agent is stopped."""
    last = next((_STATES[event.kind] for _, event in reversed(told) if event.kind in _STATES), None)
    stopped = story.state == "denied" and last in {None, "approved"}
    waits = story.state in {"pending", "info_requested"} and last is None
    return "the state is the one that the trail ends with", story.state == last or stopped or waits


def _approved(story: Story, told: list[tuple[int, Event]]) -> Found:
    event = _the(told, "approval.approved")
    yield "the digest of the approval is that of what was approved", _names(story.approved_digest, story.approved)
    yield (
        "the trail has this approval, by the person who was asked, in time",
        event is not None
        and (
            event.about.get("digest") == story.approved_digest
            and event.about.get("asked", story.digest) == story.digest
            and event.actor.user == story.user_id == story.decided_by
            and abs(event.at - (story.decided_at or 0)) <= BREATH
            and event.at <= story.expires_at + BREATH
        ),
    )
    taken = [event for _, event in told if event.kind == "approval.taken"]
    yield "what was approved was handed out once at most", len(taken) == (1 if story.state == "taken" else 0)
    used = [event for _, event in told if event.kind == "approval.spent"]
    yield "each use is told once", len(used) == story.spent.bit_count()


def _evidence(story: Story, told: list[tuple[int, Event]]) -> Found:
    event, evidence = _the(told, "approval.approved"), story.evidence
    named_in_trail = event.about.get("evidence") if event else None
    if evidence is None:
        yield "the trail names no proof either", named_in_trail is None
        if story.allowance_id is None:
            yield "nothing asked for a proof, as the risk is low", story.risk == "low"
        else:
            yield _allowed(story)
        return
    yield "the evidence is the one that the trail names", named_in_trail == proof.fingerprint(evidence)
    yield (
        "the evidence speaks of this approval and of what was approved",
        (evidence.approval == story.id and evidence.digest == story.approved_digest),
    )
    if isinstance(evidence, CodeShown):
        now = (story.decided_at or 0) // totp.PERIOD
        yield "the code was one of that moment", abs(evidence.step - now) <= totp.WINDOW
        return
    yield (
        "the challenge is the hash of this approval, this digest, the answer approve and the request's nonce",
        (evidence.nonce == story.nonce),
    )
    faults = proof.faults(evidence)
    yield _signed(evidence) + (f" ({'; '.join(faults)})" if faults else ""), not faults
    yield "that passkey was this person's when they approved", _was_theirs(story, evidence)


def _allowed(story: Story) -> tuple[str, bool]:
    """By the trail: given by them before, to this agent for this kind, with a proof where the risk is high, and neither over nor
    taken back by then."""
    by, given = "", None
    for event in (link.event for link in story.allowance if link.seq < _answered(story)):
        given = event if event.kind == "allowance.given" else None
    if given is not None:
        by = f" with approval {given.about.get('approval')}{', with a proof' if given.about.get('proven') else ''}"
    return f"the person had allowed this ahead{by}", given is not None and (
        (given.actor.user, given.actor.client) == (story.user_id, story.client_id)
        and all(detail.get("type") == given.about.get("type") for detail in story.approved)
        and isinstance(ends := given.about.get("expires_at"), int)
        and (story.decided_at or 0) < ends + BREATH
        and (story.risk == "low" or given.about.get("proven") is True)
    )


def _signed(evidence: Signed) -> str:
    return (
        f"the passkey {named(evidence.credential)[:16]}… signed this challenge at {evidence.origin} (COSE algorithm "
        f"{evidence.algorithm}), with its person present and verified"
    )


def _was_theirs(story: Story, evidence: Signed) -> bool:
    """By the trail: added by them with this public key before, and not removed in between."""
    holder = None
    for event in (link.event for link in story.passkey if link.seq < _answered(story)):
        if event.kind == "passkey.added":
            key = proof.key_fingerprint(evidence.public_key)
            holder = event.actor.user if event.about.get("key") == key else None
        elif event.kind == "passkey.removed":
            holder = None
    return holder is not None and holder == story.user_id


def _answered(story: Story) -> int:
    """The number of the event by which it was approved."""
    return next((link.seq for link in story.events if link.event.kind == "approval.approved"), 0)


def _open(story: Story) -> Iterator[str]:
    """What no story can show."""
    if story.state == "denied" and all(link.event.kind != "approval.denied" for link in story.events):
        yield "who denied it: what is open is closed when its agent is stopped or suspended, which is told of the agent"
    if story.state in APPROVED:
        match story.evidence:
            case Signed():
                yield (
                    "who held the device: that its person was verified is the authenticator's word, and nobody asked for its make"
                )
                yield "what the screen showed: the signature covers the details, not their looks"
            case CodeShown():
                yield "the code itself: its secret is shared with the server, whose word this is"
            case None if story.allowance_id:
                yield "what the person thought of this request: nobody asked them"
            case None:
                yield "who pressed the button: a signed-in session did, whose proof is not kept"
    yield "whether these are all the events: `remit audit verify`, with a head that you kept elsewhere"


def _the(told: list[tuple[int, Event]], kind: str) -> Event | None:
    """The one event of a kind; none where there are several, which tell different stories."""
    found = [event for _, event in told if event.kind == kind]
    return found[0] if len(found) == 1 else None


def _names(name: str, details: tuple[dict[str, Any], ...]) -> bool:
    try:
        return hmac.compare_digest(name.encode(), digest(details).encode())
    except InvalidDetails:
        return False


def _same(one: Any, other: Any) -> bool:
    try:
        return canonical(list(one)) == canonical(list(other))
    except (InvalidDetails, TypeError):
        return False

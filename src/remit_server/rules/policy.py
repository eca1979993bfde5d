"""The organisation's policies: Cedar, read strictly.

Cedar skips a policy whose evaluation fails, so a `forbid` with a mistake in it would let everything pass. Here any failure is
a no. And a `forbid` may say what would lift it: `@require("approval")`, with `@approvers` and `@ttl`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from remit_server.errors import ConfigurationError

if TYPE_CHECKING:
    import cedarpy

LONGEST_TTL: Final = 30 * 86400
SHORTEST: Final = 300
"""Seconds to answer when no policy says."""
_APPROVER = re.compile(r"(?:group|user):\S(?:.*\S)?")


@dataclass(frozen=True)
class Notes:
    """What a policy says of itself."""

    id: str
    lifted: bool = False
    """An approval may lift it."""
    approvers: tuple[str, ...] = ()
    """`group:NAME` or `user:ID`; nobody named means the person whom the act is for."""
    ttl: int = SHORTEST
    reason: str | None = None
    """In words for the person who is refused."""


@dataclass(frozen=True)
class Book:
    """Policies, parsed once. `notes` goes by Cedar's own number of a policy."""

    policies: cedarpy.PolicySet = field(repr=False)
    notes: Mapping[str, Notes]


@dataclass(frozen=True)
class Question:
    """One question to Cedar; each entity is (type, id)."""

    principal: tuple[str, str]
    action: str
    groups: tuple[str, ...]
    """The groups of actions that the action is in."""
    resource: tuple[str, str]
    attributes: Mapping[str, Any]
    """Of the principal."""
    context: Mapping[str, Any]


@dataclass(frozen=True)
class Allowed:
    policies: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """`failed` tells that nobody said no: something could not be evaluated."""

    policies: tuple[str, ...]
    reason: str
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class NeedsApproval:
    policies: tuple[str, ...]
    approvers: tuple[str, ...]
    ttl: int


Verdict = Allowed | Refused | NeedsApproval


def check(text: str) -> tuple[str, ...]:
    """The ids of the policies in a text. Raises `ConfigurationError` for what is not Cedar or annotated wrongly."""
    return tuple(note.id for note in read((text,)).notes.values())


def read(texts: Iterable[str]) -> Book:
    """Texts as one set. Raises `ConfigurationError`."""
    import cedarpy  # noqa: PLC0415 - a server without policies neither waits for it nor holds it in memory

    texts = tuple(texts)
    try:
        for text in texts:  # each by itself: a text must not end in the next one
            cedarpy.PolicySet.from_str(text)
        whole = "\n".join(texts)
        form = json.loads(cedarpy.policies_to_json_str(whole))
        policies = cedarpy.PolicySet.from_str(whole)
    except ValueError as error:
        raise ConfigurationError(f"not Cedar: {error}") from error
    if form["templates"]:
        raise ConfigurationError("policy templates (?principal, ?resource) are not supported")
    notes = {number: _notes(number, policy) for number, policy in form["staticPolicies"].items()}
    ids = [note.id for note in notes.values()]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise ConfigurationError(f"two policies have the @id {id_!r}")
    return Book(policies, notes)


def _notes(number: str, policy: Mapping[str, Any]) -> Notes:
    said = policy.get("annotations", {})
    id_ = said.get("id") or number
    require = said.get("require")
    if require not in {None, "approval"} or (require and policy["effect"] != "forbid"):
        raise ConfigurationError(f'policy {id_!r}: only @require("approval") is known, and only on a forbid')
    approvers = tuple(part.strip() for part in (said.get("approvers") or "").split(",") if part.strip())
    if not all(_APPROVER.fullmatch(part) for part in approvers):
        raise ConfigurationError(f"policy {id_!r}: approvers are written group:NAME or user:ID, separated by commas")
    ttl = said.get("ttl", str(SHORTEST))
    if not re.fullmatch(r"[0-9]{1,8}", ttl) or not 1 <= int(ttl) <= LONGEST_TTL:
        raise ConfigurationError(f"policy {id_!r}: @ttl is seconds, 1 to {LONGEST_TTL}")
    return Notes(id_, require == "approval", approvers, int(ttl), said.get("reason"))


def judge(book: Book, question: Question) -> Verdict:
    """What the policies say. An approval lifts a refusal only if with it they would say yes."""
    answer = _ask(book, question, question.context)
    said = sorted((book.notes[number] for number in answer.policies), key=lambda note: note.id)
    ids = tuple(note.id for note in said)
    if answer.failed:
        return Refused(ids, "The organisation's policies could not be evaluated for this.", answer.failed)
    if answer.allowed:
        return Allowed(ids)
    if said and all(note.lifted for note in said):
        approvers = tuple(dict.fromkeys(approver for note in said for approver in note.approvers))
        supposed = _ask(book, question, {**question.context, "approval": approval(question.context, approvers)})
        if supposed.allowed and not supposed.failed:
            return NeedsApproval(ids, approvers, min(note.ttl for note in said))
    reasons = [note.reason for note in said if note.reason and not note.lifted]
    if not said:
        return Refused(ids, "No policy of the organisation allows this.")
    return Refused(ids, reasons[0] if reasons else "The organisation's policy does not allow this.")


def approval(
    context: Mapping[str, Any], approvers: Sequence[str] = (), *, groups: Iterable[str] = ()
) -> dict[str, Any]:
    """`context.approval`: who approved exactly this. `approvers` as annotations write them, `groups` beside theirs."""
    named = {part.removeprefix("group:") for part in approvers if part.startswith("group:")}
    given: dict[str, Any] = {
        "granted": True,
        "by": sorted(part.removeprefix("user:") for part in approvers if part.startswith("user:")),
        "groups": sorted(named | set(groups)),
    }
    return given | {name: context[name] for name in ("amount", "currency") if name in context}


@dataclass(frozen=True)
class _Answer:
    allowed: bool
    policies: tuple[str, ...]
    failed: tuple[str, ...]


def _ask(book: Book, question: Question, context: Mapping[str, Any]) -> _Answer:
    import cedarpy  # noqa: PLC0415 - loaded already, by `read`

    principal, action, resource = (
        {"type": kind, "id": id_} for kind, id_ in (question.principal, ("Action", question.action), question.resource)
    )
    parents = [{"type": "Action", "id": group} for group in question.groups]
    entities: list[dict[Any, Any]] = [
        {"uid": principal, "attrs": dict(question.attributes), "parents": []},
        {"uid": action, "attrs": {}, "parents": parents},
        {"uid": resource, "attrs": {}, "parents": []},
    ]
    request = {"principal": principal, "action": action, "resource": resource, "context": dict(context)}
    answer = cedarpy.is_authorized(request, book.policies, entities)
    decided = answer.decision in {cedarpy.Decision.Allow, cedarpy.Decision.Deny}
    failed = tuple(answer.diagnostics.errors) or (() if decided else ("no decision",))
    return _Answer(answer.allowed, tuple(answer.diagnostics.reasons), failed)

"""AuthZEN 1.0: a subject, an action and a resource become a question to the relations, and the answer a decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from msgspec import Struct

from remit_server.access import askers
from remit_server.access.askers import Asker
from remit_server.access.check import allowed
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest, ProtocolError
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request

log = structlog.get_logger("remit")


class Evaluation(Struct, frozen=True, kw_only=True):
    """An access evaluation (AuthZEN 1.0 section 6.1)."""

    subject_type: str
    subject_id: str
    action: str
    resource_type: str
    resource_id: str


def evaluation(value: Any, defaults: Mapping[str, Any] | None = None) -> Evaluation:
    """From JSON; a member that is absent comes from `defaults`. Raises `InvalidRequest`."""
    if not isinstance(value, Mapping):
        raise InvalidRequest("An evaluation is an object.")
    whole = {**(defaults or {}), **value}
    return Evaluation(
        subject_type=_text(whole, "subject", "type"),
        subject_id=_text(whole, "subject", "id"),
        action=_text(whole, "action", "name"),
        resource_type=_text(whole, "resource", "type"),
        resource_id=_text(whole, "resource", "id"),
    )


def _text(whole: Mapping[str, Any], name: str, member: str) -> str:
    entity = whole.get(name)
    found = entity.get(member) if isinstance(entity, Mapping) else None
    if not isinstance(found, str) or not found:
        raise InvalidRequest(f"{name}.{member} is missing or not a text.")
    return found


async def decide(machines: Machines, stores: Stores, who: Asker, asked: Evaluation) -> dict[str, Any]:
    """The decision, as JSON. Raises `Forbidden` where this caller may not ask about this subject.

    What cannot be asked of any model is decided too: no, with a reason for whoever administers it.
    """
    await askers.about(machines, who, asked.subject_type, asked.subject_id)
    if {"#", "*"} & {*asked.subject_id[:1], *asked.resource_id[:1]} or "#" in asked.subject_id + asked.resource_id:
        return _no("An id is neither * nor holds a #.")
    opened = await stores.defining(asked.resource_type)
    if opened is None:
        return _no(f"No store defines the type {asked.resource_type}.")
    question = RelationTuple(
        f"{asked.resource_type}:{asked.resource_id}", asked.action, f"{asked.subject_type}:{asked.subject_id}"
    )
    try:
        return {"decision": await allowed(machines.store, opened, question)}
    except InvalidRequest as error:
        return _no(error.text)


def _no(reason: str) -> dict[str, Any]:
    return {"decision": False, "context": {"reason_admin": {"en": reason}}}


def echoing(request: Request, answer: Answer) -> Answer:
    """With the caller's X-Request-ID (section 10.1.4), as far as it is one that may go into a log."""
    name = _request_id(request)
    return answer.adding(("x-request-id", name)) if name else answer


def refused(request: Request, error: ProtocolError) -> ProtocolError:
    """The same refusal, with the caller's X-Request-ID."""
    if name := _request_id(request):
        error.headers["X-Request-ID"] = name
    return error


def _request_id(request: Request) -> str | None:
    names = request.headers("x-request-id")
    sound = len(names) == 1 and len(names[0]) <= 128 and all("!" <= character <= "~" for character in names[0])
    return names[0] if sound else None

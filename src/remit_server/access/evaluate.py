"""AuthZEN 1.0: a subject, an action and a resource become a question to the relations, and the answer a decision.

Properties become what conditions are told: `resource.properties.status` is `resource_status`, and all of a resource's are the
map `resource`, in which a condition can ask whether one is there at all. So it is with the subject's and the action's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from remit_server.access.acting import acting
from remit_server.access.askers import Asker
from remit_server.access.moment import moment
from remit_server.errors import InvalidRequest, ProtocolError
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Question, Verdict
from remit_server.wire.form import parse_json
from remit_server.wire.http import Answer, Request

ENTITIES: Final = ("subject", "action", "resource")
WHOLE: Final = ("subject.type", "subject.id", "action.name", "resource.type", "resource.id")


class Evaluation(Struct, frozen=True, kw_only=True):
    """An access evaluation (AuthZEN 1.0 section 6.1). What a search looks for has no id, or no name."""

    subject_type: str = ""
    subject_id: str = ""
    action: str = ""
    resource_type: str = ""
    resource_id: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What conditions are told: the request's context, and the properties."""

    @property
    def subject(self) -> str:
        return f"{self.subject_type}:{self.subject_id}"

    @property
    def resource(self) -> str:
        return f"{self.resource_type}:{self.resource_id}"


def evaluation(value: Any, defaults: Mapping[str, Any] | None = None, wanted: tuple[str, ...] = WHOLE) -> Evaluation:
    """From JSON; a member that is absent comes from `defaults`. `wanted` are the texts that must be there; others are not
    looked at. Raises `InvalidRequest`."""
    if not isinstance(value, Mapping):
        raise InvalidRequest("An evaluation is an object.")
    whole = {**(defaults or {}), **value}
    texts = {path.replace(".", "_").removesuffix("_name"): _text(whole, *path.split(".")) for path in wanted}
    return Evaluation(**texts, context=_context(whole))


def _text(whole: Mapping[str, Any], name: str, member: str) -> str:
    entity = whole.get(name)
    found = entity.get(member) if isinstance(entity, Mapping) else None
    if not isinstance(found, str) or not found:
        raise InvalidRequest(f"{name}.{member} is missing or not a text.")
    return found


def _context(whole: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(_object(whole, "context"))
    for name in ENTITIES:
        properties = _object(whole.get(name) or {}, "properties")
        told |= {f"{name}_{key}": value for key, value in properties.items()} | {name: properties}
    return told


def _object(whole: Any, name: str) -> Mapping[str, Any]:
    found = whole.get(name) if isinstance(whole, Mapping) else None
    if found is not None and not isinstance(found, Mapping):
        raise InvalidRequest(f"{name} is not an object.")
    return found or {}


async def decide(
    machines: Machines, who: Asker, asked: Sequence[Evaluation | ProtocolError]
) -> list[Verdict | ProtocolError]:
    """The verdicts in the order of the questions; what is wrong with one denies that one only (section 7.2.1).

    What cannot be asked of any model is decided too: no, with a reason for whoever administers it. Whether the caller may ask
    is settled by then.
    """
    faults = [odd(one) if isinstance(one, Evaluation) else None for one in asked]
    questions = [
        await question(machines, who, one)
        for one, fault in zip(asked, faults, strict=True)
        if isinstance(one, Evaluation) and not fault
    ]
    verdicts = iter(await machines.relations.can(questions))
    return [
        one if isinstance(one, ProtocolError) else Verdict(False, fault) if fault else next(verdicts)
        for one, fault in zip(asked, faults, strict=True)
    ]


def decision(who: Asker, verdict: Verdict | ProtocolError) -> dict[str, Any]:
    """A decision, as JSON."""
    if isinstance(verdict, ProtocolError):
        return {"decision": False, "context": {"error": {"status": verdict.status, "message": verdict.text}}}
    return {"decision": verdict.allowed, **reason(who, verdict.fault)}


async def question(machines: Machines, who: Asker, asked: Evaluation) -> Question:
    """What the relations are asked. An agent that asks about itself with a person's token acts for that person."""
    brings: tuple[RelationTuple, ...] = ()
    if who.user_id is not None and asked.subject == f"agent:{who.client.id}":
        brings = await acting(machines.relations, who.client.id, who.user_id, beside=asked.resource_type)
    return Question(
        subject=asked.subject, relation=asked.action, object=asked.resource, context=told(machines, asked),
        contextual=brings,
    )  # fmt: skip


def told(machines: Machines, asked: Evaluation) -> dict[str, Any]:
    """What conditions are told: the asker's word, but for the time."""
    return {**asked.context, **moment(machines.clock)}


def odd(asked: Evaluation) -> str | None:
    """AuthZEN asks about one subject and one resource: usersets and wildcards have no place in it."""
    if {"#", "*"} & {*asked.subject_id[:1], *asked.resource_id[:1]} or "#" in asked.subject_id + asked.resource_id:
        return "An id is neither * nor holds a #."
    return None


def reason(who: Asker, fault: str) -> dict[str, Any]:
    """For who asks about anybody. To an agent it would tell that there is a tuple to what it may not see, under a condition."""
    return {"context": {"reason_admin": {"en": fault}}} if fault and who.anybody else {}


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent, as JSON (section 10.1). Raises `InvalidRequest`."""
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("The body must be application/json.")
    return parse_json(await request.body())


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

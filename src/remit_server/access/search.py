"""AuthZEN's searches (section 8): who may do this, on what may they do it, and what may they do with that?

A search is worked out anew for each of its pages. A page's token says where the one before ended, and of which search.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from remit_server.access import askers
from remit_server.access.askers import Asker
from remit_server.access.evaluate import Evaluation, evaluation, odd, question, reason, told
from remit_server.errors import InvalidRequest
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Listed

LARGEST_PAGE: Final = 1000

Target = Literal["subject", "resource", "action"]
_INPUTS: Final[dict[Target, tuple[str, ...]]] = {
    "subject": ("subject.type", "action.name", "resource.type", "resource.id"),
    "resource": ("subject.type", "subject.id", "action.name", "resource.type"),
    "action": ("subject.type", "subject.id", "resource.type", "resource.id"),
}
"""What a search must name; an id of what it looks for is ignored (section 8.4.1)."""


class Page(Struct, frozen=True):
    """Where a page begins, and how long it is."""

    limit: int
    after: str = ""


class _Token(Struct, frozen=True, array_like=True):
    search: bytes
    limit: int
    after: str


async def search(machines: Machines, who: Asker, target: Target, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, as JSON. Raises `Forbidden` where this caller may not search for that, and `InvalidRequest`."""
    asked = evaluation(body, wanted=_INPUTS[target])
    page = _page(target, body)
    if target == "resource":
        await askers.about(machines, who, asked.subject_type, asked.subject_id)
    else:
        askers.anybody(who)
    fault = odd(asked)
    listed = Listed(fault=fault) if fault else await _found(machines, who, target, asked)
    ids = [id_ for id_ in listed.ids if not id_.endswith(":*")]
    rest = [id_ for id_ in ids if id_ > page.after]
    shown = rest[: page.limit]
    token = (
        _Token(_of(target, body), page.limit, shown[-1] if shown else page.after) if len(rest) > len(shown) else None
    )
    return {
        "page": {"next_token": _written(token) if token else "", "count": len(shown), "total": len(ids)},
        **_remarks(who, listed),
        "results": [{"name": id_} if target == "action" else _entity(id_) for id_ in shown],
    }


async def _found(machines: Machines, who: Asker, target: Target, asked: Evaluation) -> Listed:
    relations = machines.relations
    match target:
        case "subject":
            return await relations.subjects(asked.resource, asked.action, asked.subject_type, told(machines, asked))
        case "resource":
            one = await question(machines, who, asked)
            return await relations.objects(one.subject, one.relation, asked.resource_type, one.context, one.contextual)
        case "action":
            names = sorted(await relations.relations_of(asked.resource_type))
            one = await question(machines, who, asked)
            verdicts = await relations.can([msgspec.structs.replace(one, relation=name) for name in names])
            return Listed(tuple(name for name, verdict in zip(names, verdicts, strict=True) if verdict.allowed))


def _remarks(who: Asker, listed: Listed) -> dict[str, Any]:
    """What the results do not say themselves: that a limit cut them short, or that they could not be worked out; that everybody
    of the type is allowed beside them."""
    if said := reason(who, listed.fault):
        return said
    partial, wildcard = bool(listed.fault) or not listed.complete, any(id_.endswith(":*") for id_ in listed.ids)
    remarks = {name: True for name, holds in (("partial", partial), ("wildcard", wildcard)) if holds}
    return {"context": remarks} if remarks else {}


def _entity(id_: str) -> dict[str, str]:
    type_, _, rest = id_.partition(":")
    return {"type": type_, "id": rest}


def _page(target: Target, body: Mapping[str, Any]) -> Page:
    page = body.get("page") or {}
    limit, token = (page.get("limit"), page.get("token")) if isinstance(page, Mapping) else (-1, None)
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidRequest("page.limit is a number, not below 0.")
    if not token:
        return Page(LARGEST_PAGE if limit is None else min(limit, LARGEST_PAGE))
    read = _read(token)
    if read.search != _of(target, body) or limit not in {None, read.limit}:
        raise InvalidRequest("page.token belongs to another search.")
    return Page(read.limit, read.after)


def _of(target: Target, body: Mapping[str, Any]) -> bytes:
    """Which search it is, whatever page of it."""
    asked = {name: body.get(name) for name in ("subject", "action", "resource", "context")}
    return hashlib.sha256(msgspec.json.encode([target, asked], order="sorted")).digest()[:12]


def _written(token: _Token) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(token)).decode()


def _read(token: Any) -> _Token:
    try:
        return msgspec.msgpack.decode(urlsafe_b64decode(token), type=_Token)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidRequest("page.token is not one of ours.") from error

"""GET /stores/{store_id}/changes: every tuple that was written or deleted, in the order in which it happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from remit_server.access import members as m
from remit_server.access import paging, shown
from remit_server.access.askers import service
from remit_server.access.members import Members, store_id
from remit_server.access.refusals import InvalidContinuation, OtherType
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.relations import LATEST, Change
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request, json_answer

_OPERATIONS: Final = {"write": "TUPLE_OPERATION_WRITE", "delete": "TUPLE_OPERATION_DELETE"}


class Changes:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        asked = Members(parse_query(request).plain())
        size = asked.size(self._machines.settings.relation_page) or paging.USUAL
        type_, since = asked.text("type", m.TYPE, needed=False), _time(asked, self._machines.clock.now())
        after, record = _after(asked, type_), await self._stores.record(store_id(request))
        relations = self._machines.store.relations
        if after is None and since is not None:
            first = await relations.first_since(record.id, since)
            after = (record.revision if first is None else first - 1, LATEST)
        found = await relations.changes(record.id, after or (0, 0), type_=type_, size=size)
        if found:  # whoever comes back with it hears of nothing twice
            token = paging.token("changes", str(found[-1].revision), str(found[-1].position), type_)
        else:
            token = asked.words("continuation_token")
        return json_answer({"changes": [_shown(change) for change in found], "continuation_token": token})


def _shown(change: Change) -> dict[str, Any]:
    return {
        "tuple_key": shown.tuple_key(change.tuple),
        "operation": _OPERATIONS[change.operation],
        "timestamp": shown.time(change.at),
    }


def _after(asked: Members, type_: str) -> tuple[int, int] | None:
    place = paging.place_of(asked, "changes", 3)
    if place is None:
        return None
    revision, position, of = place
    if not all(number.isascii() and number.isdecimal() and len(number) < 18 for number in (revision, position)):
        raise InvalidContinuation
    if of != type_:
        raise OtherType
    return int(revision), int(position)


def _time(asked: Members, now: int) -> int | None:
    """`start_time`, in seconds since 1970. Raises `InvalidRequest` for one that is no time of RFC 3339, or not yet."""
    text = asked.words("start_time")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        at = int(moment.timestamp()) if moment.tzinfo else None
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise InvalidRequest("start_time must be a time as in 2026-11-22T14:00:00Z.")
    if at > now:
        raise InvalidRequest("start_time must not be in the future.")
    return at

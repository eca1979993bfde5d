"""POST /stores/{store_id}/read: stored tuples, page by page. It reads; it does not reason."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from remit_server.access.askers import service
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.wire.form import parse_json
from remit_server.wire.http import Answer, Request, json_answer

LARGEST_PAGE: Final = 100


class Read:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body = parse_json(await request.body())
        opened = await self._stores.get(request.params["store_id"])
        size = body.get("page_size") or 50
        if type(size) is not int or not 1 <= size <= LARGEST_PAGE:
            raise InvalidRequest(f"page_size is 1 to {LARGEST_PAGE}.")
        pattern = _pattern(body.get("tuple_key"))
        rows = await self._machines.store.relations.read(opened.id, pattern, _after(body), size + 1)
        page = rows[:size]
        token = _token(page[-1][0]) if len(rows) > size else ""
        return json_answer({"tuples": [_shown(*row) for row in page], "continuation_token": token})


def _pattern(key: Any) -> RelationTuple:
    """What to look for; an empty part means any. An object may be a type with its colon, for all of that type."""
    parts = key if isinstance(key, dict) else {} if key is None else None
    values = [parts.get(name) or "" for name in ("object", "relation", "user")] if parts is not None else [None]
    if not all(isinstance(value, str) for value in values):
        raise InvalidRequest("A tuple_key has user, relation and object.")
    pattern = RelationTuple(*values)
    if any(pattern) and not pattern.object:
        raise InvalidRequest("A tuple_key to read has an object, or a type with its colon.")
    if pattern.object.endswith(":") and not pattern.subject:
        raise InvalidRequest("All objects of a type are read for one user only.")
    return pattern


def _after(body: dict[str, Any]) -> RelationTuple | None:
    token = body.get("continuation_token")
    if not token:
        return None
    try:
        return RelationTuple(*msgspec.json.decode(urlsafe_b64decode(token), type=tuple[str, str, str]))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise InvalidRequest("The continuation_token is not one of ours.") from error


def _token(last: RelationTuple) -> str:
    return urlsafe_b64encode(msgspec.json.encode(last.key)).decode()


def _shown(tuple_: RelationTuple, at: int) -> dict[str, Any]:
    key = {"user": tuple_.subject, "relation": tuple_.relation, "object": tuple_.object}
    return {"key": key, "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}

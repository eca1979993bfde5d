"""From relations to what pages say of them: where a tuple leads, and how it reads."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from remit_server.rules.relations.tuples import RelationTuple
from remit_server.ui.views.relations import Tuple


def room(store_id: str, name: str = "", **query: str) -> str:
    """The address of a page of a store; what is empty is left out of the query."""
    path = f"/console/relations/{quote(store_id, safe='')}" + (f"/{name}" if name else "")
    asked = urlencode({key: value for key, value in query.items() if value}, errors="replace")
    return f"{path}?{asked}" if asked else path


def known_of(store_id: str, user: str) -> str:
    """What is known of a user: the tuples that name them, or of a userset those that make it up."""
    object_, userset, relation = user.partition("#")
    if userset:
        return room(store_id, "tuples", object=object_, relation=relation)
    return room(store_id, "tuples", user=user)


def drawn(store_id: str, tuple_: RelationTuple, at: int | None = None) -> Tuple:
    """A tuple as a page shows it, with the ways on from both its ends."""
    return Tuple(
        user=tuple_.subject,
        relation=tuple_.relation,
        object=tuple_.object,
        condition=tuple_.condition,
        context=tuple_.context,
        at=at,
        user_href=known_of(store_id, tuple_.subject),
        object_href=room(store_id, "tuples", object=tuple_.object),
    )

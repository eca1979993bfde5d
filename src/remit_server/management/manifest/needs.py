"""What a manifest says to need a relation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from remit_server.catalog import load
from remit_server.management.manifest import declared as d
from remit_server.management.manifest.nodes import Path_, nearest
from remit_server.records.organisation import Need
from remit_server.rules.relations import needs, tuples
from remit_server.rules.relations.tuples import RelationTuple


def check(m: d.Manifest) -> Iterator[tuple[Path_, str]]:
    """What is wrong, and where."""
    apis = {api.identifier: api for api in m.apis}
    types = {*load.detail_types(), *(str(x.document.get("type")) for x in m.details)}
    for i, need in enumerate(m.relations.needs):
        at: Path_ = ("relations", "needs", i)
        form = needs.FORM.fullmatch(need.object)
        if form is None:
            yield (*at, "object"), "an object is `type:id`; in the id may stand one {place}"
        if sum(each is not None for each in (need.connection, need.details, need.api)) != 1:
            yield at, "give one of `connection`, `details` and `api`"
            continue
        place = form["place"] if form else None
        if need.connection and need.connection not in {"*", *(connection.name for connection in m.connections)}:
            yield (*at, "connection"), f"there is no connection {need.connection!r}"
        if need.details and need.details not in types:
            yield (*at, "details"), f"there is no detail type {need.details!r}" + nearest(need.details, sorted(types))
        if need.api and need.api not in apis:
            yield (*at, "api"), f"there is no API {need.api!r}" + nearest(need.api, sorted(apis))
        elif need.scope and not (need.api and need.scope in {"*", *apis[need.api].scopes}):
            yield (*at, "scope"), f"{need.scope!r} is not a scope of `api`"
        elif place and not need.details and place != ("connection" if need.connection else need.scope and "scope"):
            yield (*at, "object"), f"{{{place}}} stands for nothing here"
        else:
            scopes = apis[need.api].scopes if need.api and need.scope == "*" else (need.scope or "1",)
            for object_ in (re.sub(r"\{.*\}", scope if place == "scope" else "1", need.object) for scope in scopes):
                if form and (fault := tuples.malformed(RelationTuple(object_, need.relation, "user:1"))):
                    yield at, fault


def declared(manifest: d.Manifest) -> Iterator[Need]:
    """Each as it is to be kept: every scope of an API by its own name."""
    scopes = {api.identifier: tuple(api.scopes) for api in manifest.apis}
    for need in manifest.relations.needs:
        wanted = msgspec.convert(need, Need, from_attributes=True)
        if need.scope == "*":
            yield from (replace(wanted, scope=scope) for scope in scopes[need.api or ""])
        else:
            yield wanted

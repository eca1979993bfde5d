"""Tuples, stores and times as the OpenFGA-shaped API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from remit_server.rules.relations.tuples import RelationTuple
from remit_server.storage.groups.relations import RelationStore


def time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tuple_key(of: RelationTuple) -> dict[str, Any]:
    key: dict[str, Any] = {"user": of.subject, "relation": of.relation, "object": of.object, "condition": None}
    if of.condition:
        context = msgspec.json.decode(of.context) if of.context else {}
        key["condition"] = {"name": of.condition, "context": context}
    return key


def store(of: RelationStore) -> dict[str, Any]:
    return {"id": of.id, "name": of.name, "created_at": time(of.created_at), "updated_at": time(of.updated_at)}

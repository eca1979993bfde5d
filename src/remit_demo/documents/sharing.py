"""Who may read what, as tuples of `documents.fga`: the only place that says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from remit_demo.documents.archive import (
    COMPLAINT,
    EMBARGOED,
    INJECTED,
    ORLA_OFFER,
    PUBLISHED,
    Document,
    archive,
)

_PEOPLE = {
    "ada": "user:auth0|ada",
    "bob": "user:auth0|bob",
    "carol": "user:acme|carol",
    "dinesh": "user:acme|dinesh",
    "elif": "user:acme|elif",
}
_GROUPS = {
    "traders": ("ada", "bob"),
    "people-team": ("carol", "elif"),
    "board": ("carol", "dinesh"),
    "deal-team": ("bob", "carol", "dinesh"),
}
_FOLDERS = {"markets": "group:traders#member", "handbook": "user:*", "board": "group:board#member",
            "payroll": "group:people-team#member", "appraisals": "group:people-team#member"}  # fmt: skip
_WITHIN = {"research": "markets", "desk": "markets"}
_SHARED = {
    ORLA_OFFER: _PEOPLE["bob"],
    "deal-orla-team": "group:deal-team#member",
    "office-plan": "user:*",
    INJECTED: "user:*",
    **{f"appraisal-{name}": user for name, user in _PEOPLE.items()},
}
_EMBARGO = timedelta(days=60)


def model() -> str:
    """What the relations mean, in OpenFGA's language."""
    return (files("remit_demo.documents") / "documents.fga").read_text(encoding="utf-8")


def tuples(now: datetime) -> list[dict[str, Any]]:
    """All of them, for a manifest: `{user, relation, object, condition?}`. Embargoes end before and after `now`."""
    return [*_circles(), *(each for document in archive() for each in _of(document)), *_embargoes(now)]


def _circles() -> Iterator[dict[str, Any]]:
    for group, members in _GROUPS.items():
        for name in members:
            yield _tuple(_PEOPLE[name], "member", f"group:{group}")
    for folder, viewer in _FOLDERS.items():
        yield _tuple(viewer, "viewer", f"folder:{folder}")
    for folder, parent in _WITHIN.items():
        yield _tuple(f"folder:{parent}", "parent", f"folder:{folder}")
    for name, user in _PEOPLE.items():
        yield _tuple(user, "owner", f"folder:own-{name}")


def _of(document: Document) -> Iterator[dict[str, Any]]:
    name = f"document:{document.id}"
    yield _tuple(f"folder:{document.folder}", "folder", name)
    if document.id in _SHARED:
        yield _tuple(_SHARED[document.id], "shared", name)
    if document.id == COMPLAINT:
        yield _tuple(_PEOPLE["ada"], "blocked", name)


def _embargoes(now: datetime) -> Iterator[dict[str, Any]]:
    for document, ends in ((PUBLISHED, now - _EMBARGO), (EMBARGOED, now + _EMBARGO)):
        context = {"release": ends.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        yield _tuple("user:*", "shared", f"document:{document}") | {
            "condition": {"name": "released", "context": context}
        }


def _tuple(user: str, relation: str, object_: str) -> dict[str, Any]:
    return {"user": user, "relation": relation, "object": object_}

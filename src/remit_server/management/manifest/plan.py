"""What stands between the store and a manifest. Pure: two states in, a list of changes out."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from remit_server.management.manifest.wanted import KINDS, STORES, State, spelled_tuple
from remit_server.records import Organisation
from remit_server.rules.connection import home_of
from remit_server.rules.relations.tuples import RelationTuple

_UNSAID = frozenset({"id", "created_at", "updated_at", "password_changed_at", "applied", "model_id"})
_SECRET = frozenset({"password", "secrets", "client_secret", "channels", "settings", "registration_token"})
_LONGEST = 60


class Change(Struct, frozen=True, kw_only=True):
    """One line of the plan. `old` and `new` are records; `lines` tell the difference, secrets by their name only."""

    act: Literal["create", "change", "remove"]
    kind: str
    key: str
    lines: tuple[str, ...] = ()
    old: Any = field(default=None)
    new: Any = field(default=None)

    def __str__(self) -> str:
        mark = {"create": "+", "change": "~", "remove": "-"}[self.act]
        return "\n      ".join((f"{mark} {self.act} {self.kind} {self.key}", *self.lines))


class Tuples(Struct, frozen=True, kw_only=True):
    """Tuples of one relation store that come and go."""

    store: str
    added: tuple[RelationTuple, ...]
    removed: tuple[RelationTuple, ...]

    def __str__(self) -> str:
        return f"~ change tuples of {self.store}: {len(self.added)} more, {len(self.removed)} fewer"


class Plan(Struct, frozen=True, kw_only=True):
    changes: tuple[Change, ...]
    tuples: tuple[Tuples, ...]
    organisation: Organisation
    """As it will be, with what the manifest brings remembered."""
    remembers: bool
    """Whether the memory of what the manifest brought changes, which is no line of its own."""

    @property
    def until_written(self) -> Organisation:
        """The organisation while tuples are being written. Those that go are remembered until they are gone: should we be
        stopped in between, the next manifest removes them still."""
        ours = set(self.organisation.applied.get("tuple", ()))
        ours |= {spelled_tuple(change.store, one) for change in self.tuples for one in change.removed}
        applied = {**self.organisation.applied, **({"tuple": tuple(sorted(ours))} if ours else {})}
        return msgspec.structs.replace(self.organisation, applied=applied)

    def __bool__(self) -> bool:
        return bool(self.changes or self.tuples or self.remembers)

    def __str__(self) -> str:
        return "\n".join(f"  {line}" for line in (*self.changes, *self.tuples)) or "  nothing to change"


def plan(there: State, wanted: State) -> Plan:
    """Creations and changes in the order in which the kinds refer to each other, then removals in the opposite order."""
    changes: list[Change] = []
    if lines := _differences(there.organisation, wanted.organisation):
        changes.append(Change(act="change", kind="organisation", key=wanted.organisation.name, lines=lines))
    for kind in KINDS:
        for key, new in wanted.records[kind].items():
            old = there.records[kind].get(key)
            if old is None:
                changes.append(Change(act="create", kind=kind, key=_shown(kind, key, new), new=new))
            elif lines := _differences(old, new):
                lines += _left_behind(there, kind, old, new)
                changes.append(
                    Change(act="change", kind=kind, key=_shown(kind, key, new), lines=lines, old=old, new=new)
                )
    for kind in reversed(KINDS):
        for key in there.organisation.applied.get(kind, ()):
            old = there.records[kind].get(key)
            if old is not None and key not in wanted.records[kind]:
                left = _left_behind(there, kind, old, None)
                changes.append(Change(act="remove", kind=kind, key=_shown(kind, key, old), lines=left, old=old))
    tuples, ours = _tuples(there, wanted)
    brought = {kind: tuple(sorted(_brought(kind, there, wanted))) for kind in KINDS} | {"tuple": ours}
    brought = {kind: keys for kind, keys in brought.items() if keys}
    return Plan(
        changes=tuple(changes),
        tuples=tuples,
        organisation=msgspec.structs.replace(wanted.organisation, applied=brought),
        remembers=brought != there.organisation.applied,
    )


def _brought(kind: str, there: State, wanted: State) -> set[str]:
    """Ours are those that an earlier manifest brought or this one creates; what was there before stays its maker's."""
    before = there.organisation.applied.get(kind, ())
    return {key for key in wanted.records[kind] if key in before or key not in there.records[kind]}


def _tuples(there: State, wanted: State) -> tuple[tuple[Tuples, ...], tuple[str, ...]]:
    """The changes store by store, and the tuples that are ours from now on. Those that applications write stay theirs."""
    before, ours, changes = set(there.organisation.applied.get("tuple", ())), set(), []
    # With a store that is removed go its tuples; another one of its name may come to light, whose tuples are not ours.
    removed_stores = set(there.organisation.applied.get(STORES, ())) - wanted.records[STORES].keys()
    for name in (there.tuples.keys() | wanted.tuples.keys()) - removed_stores:
        old, new = there.tuples.get(name, frozenset()), wanted.tuples.get(name, frozenset())
        added = tuple(sorted(new - old))
        named = {one.key for one in new}  # what the manifest names is there as it says
        gone = (one for one in old - new if one.key in named or spelled_tuple(name, one) in before)
        removed = tuple(sorted(gone))
        ours |= {text for one in new if (text := spelled_tuple(name, one)) in before or one not in old}
        if added or removed:
            changes.append(Tuples(store=name, added=added, removed=removed))
    return tuple(sorted(changes, key=lambda change: change.store)), tuple(sorted(ours))


def _shown(kind: str, key: str, record: Any) -> str:
    return f"{record.email}" if kind == "user" and record.email else key


def _left_behind(there: State, kind: str, old: Any, new: Any) -> tuple[str, ...]:
    """How many accounts a connection that goes, or leads elsewhere from now on, takes out of use."""
    count = there.accounts.get(old.name, 0) if kind == "connection" else 0
    if not count or (new is not None and home_of(old) == home_of(new)):
        return ()
    accounts = "1 connected account" if count == 1 else f"{count} connected accounts"
    if new is None:
        return (f"leaves {accounts} behind: nobody can use them any more, and the provider is not told",)
    return (f"leaves {accounts} behind: their people must connect them again",)


def _differences(old: Any, new: Any) -> tuple[str, ...]:
    lines = []
    for name in type(new).__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if name in _UNSAID or before == after:
            continue
        lines.append(name if name in _SECRET else f"{name}: {_value(before)} -> {_value(after)}")
    return tuple(lines)


def _value(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

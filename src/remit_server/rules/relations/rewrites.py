"""What a relation is made of: whom a tuple may name, and what follows from other relations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Direct:
    """Whoever a tuple names."""


@dataclass(frozen=True, slots=True)
class Computed:
    """Whoever has another relation to the same object."""

    relation: str


@dataclass(frozen=True, slots=True)
class From:
    """Whoever has `relation` to an object that `source` leads to: `viewer from parent`."""

    relation: str
    source: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ButNot:
    base: Expression
    without: Expression


Expression = Direct | Computed | From | AnyOf | AllOf | ButNot


def parts(expression: Expression) -> tuple[Expression, ...]:
    """What an operator joins; nothing for what is no operator."""
    match expression:
        case AnyOf(joined) | AllOf(joined):
            return joined
        case ButNot(base, without):
            return base, without
        case _:
            return ()


def leaves(expression: Expression) -> Iterator[Direct | Computed | From]:
    """What stands in the expression, from left to right."""
    if isinstance(expression, Direct | Computed | From):
        yield expression
    for part in parts(expression):
        yield from leaves(part)


class Restriction(NamedTuple):
    """What a tuple may name: one kind of user, with one condition or without."""

    type: str
    relation: str = ""
    wildcard: bool = False
    condition: str = ""

    @property
    def kind(self) -> str:
        """`user`, `user:*` or `group#member`."""
        return f"{self.type}:*" if self.wildcard else f"{self.type}#{self.relation}" if self.relation else self.type

    def __str__(self) -> str:
        return f"{self.kind} with {self.condition}" if self.condition else self.kind


@dataclass(frozen=True, slots=True)
class Relation:
    expression: Expression
    takes: tuple[Restriction, ...] = ()
    kinds: Mapping[str, frozenset[str]] = field(init=False, compare=False)
    """Each kind that it takes, with the names of the conditions that it may carry; an empty name stands for none."""

    def __post_init__(self) -> None:
        kinds: dict[str, set[str]] = {}
        for restriction in self.takes:
            kinds.setdefault(restriction.kind, set()).add(restriction.condition)
        object.__setattr__(self, "kinds", {kind: frozenset(names) for kind, names in kinds.items()})


class Definition(NamedTuple):
    type: str
    relations: Mapping[str, Relation]

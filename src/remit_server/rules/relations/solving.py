"""Gates: what is known of a graph of any, all and "but not", while it is still being read.

What only grows is passed on at once: a gate that holds tells those that stand on it. What a subtraction takes away, and what
an error leaves open, is settled when everything has been read, from below and from above in turn (the well-founded
semantics): what is subtracted is final before it counts, a cycle grants nothing, and a cycle through a subtraction denies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Literal

from remit_server.errors import InvalidRequest

Kind = Literal["any", "all", "less", "error"]


class Gate:
    """`any` holds when one of its inputs does, `all` when all do, `less` when its first does and its second does not.

    An `error` stands for an input that cannot be told.
    """

    __slots__ = ("error", "held", "inputs", "kind", "outs")

    def __init__(self, kind: Kind = "any", inputs: Iterable[Gate] = (), error: InvalidRequest | None = None) -> None:
        self.kind = kind
        self.error = error
        self.held = False
        self.inputs = list(inputs)
        self.outs: list[Gate] = []
        for gate in self.inputs:
            gate.outs.append(self)
        if kind == "all":
            self.held = _every(self)

    @property
    def lost(self) -> bool:
        """Whether it is taken away, whatever is still unread."""
        return self.kind == "less" and self.inputs[1].held

    def take(self, gate: Gate) -> None:
        """One more way in, for `any`."""
        self.inputs.append(gate)
        gate.outs.append(self)
        if gate.held:
            self.hold()

    def hold(self) -> None:
        """This holds, whatever else is found."""
        waiting = [self]
        while waiting:
            gate = waiting.pop()
            if gate.held:
                continue
            gate.held = True
            waiting += [out for out in gate.outs if out.kind == "any" or (out.kind == "all" and _every(out))]


def _every(gate: Gate) -> bool:
    return all(one.held for one in gate.inputs)


class TooComplex(InvalidRequest):
    code = "authorization_model_resolution_too_complex"
    text = "This cannot be resolved within the limits of depth and breadth."


MOST_STEPS: Final = 2_000_000
"""From gate to gate, to solve a graph; about a second. Subtractions of subtractions take a round each."""


class Solved:
    """The final word on gates of which everything has been read."""

    def __init__(self, roots: Iterable[Gate]) -> None:
        self._all = under(roots)
        self._least: set[Gate] = set()
        self._most: set[Gate] = set()
        self._open: InvalidRequest | None = TooComplex()
        """What leaves open whatever is between the bounds, if the rounds did not suffice."""
        size = sum(1 + len(gate.inputs) for gate in self._all)
        for _ in range(1 + MOST_STEPS // size):
            self._most = self._closed(against=self._least, errors=True)
            more = self._closed(against=self._most, errors=False)
            if more == self._least:
                self._open = None
                break
            self._least = more
        self._blamed = self._to_blame()

    def verdict(self, gate: Gate) -> bool | InvalidRequest:
        """Whether it holds, or the error that leaves it open."""
        if gate in self._least or gate not in self._most:
            return gate in self._least
        return self._open or self._blamed.get(gate) or False

    def _to_blame(self) -> dict[Gate, InvalidRequest]:
        """For each gate that an error leaves open, that error or one of them."""
        blamed = {gate: gate.error for gate in self._all if gate.error}
        waiting = list(blamed)
        while waiting:
            gate = waiting.pop()
            for out in gate.outs:
                if out in self._most and out not in self._least and out not in blamed:
                    blamed[out] = blamed[gate]
                    waiting.append(out)
        return blamed

    def _closed(self, *, against: Collection[Gate], errors: bool) -> set[Gate]:
        """The least set that the gates close over, with what is subtracted judged by the other bound."""
        holding: set[Gate] = set()
        missing = {gate: len(gate.inputs) for gate in self._all if gate.kind == "all"}
        waiting = [gate for gate in self._all if gate.held or (errors and gate.error)]
        while waiting:
            gate = waiting.pop()
            if gate in holding:
                continue
            holding.add(gate)
            for out in gate.outs:
                if out.kind == "all":
                    missing[out] = missing.get(out, 0) - 1
                    if missing[out]:
                        continue
                elif out.kind == "less" and (gate is not out.inputs[0] or out.lost or out.inputs[1] in against):
                    continue
                waiting.append(out)
        return holding


def under(roots: Iterable[Gate]) -> dict[Gate, None]:
    """The gates that these stand on, themselves among them. What is told already is not looked into."""
    found = dict.fromkeys(roots)
    waiting = list(found)
    while waiting:
        gate = waiting.pop()
        if gate.held or gate.lost:
            continue
        for one in gate.inputs:
            if one not in found:
                found[one] = None
                waiting.append(one)
    return found

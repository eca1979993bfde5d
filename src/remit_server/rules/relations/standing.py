"""Where a subject itself stands: its own tuples, and the usersets it is in, found from its side.

For many questions about one subject this is the short way. What it stands in is read once; then no object needs a look at
the subject, and no group is looked into, however many objects are shared with it. It serves where sets are small and hold
without conditions; where not, the objects' side is read, as for a single question.
"""

from __future__ import annotations

from collections.abc import Iterator

from remit_server.rules.relations.ends import Key
from remit_server.rules.relations.facts import FEW, Contextual, Few, Found, Need
from remit_server.rules.relations.programs import Ground

Node = tuple[str, str]


class Standing:
    """Grows by a level each time that its needs are met."""

    def __init__(self, ground: Ground, subject: str, contextual: Contextual) -> None:
        self._ground, self._subject, self._contextual = ground, subject, contextual
        self._objects: dict[tuple[str, str, str], frozenset[str]] = {}
        self._seen: set[Node] = set()
        self._asked: dict[Need, tuple[str, str, str]] = {}
        """(kind, relation, type): what the subject is called there; nothing where one of its usersets stands for it."""
        for kind, relation, type_ in ground.direct:
            named = kind if kind.endswith(":*") else subject
            self._asked[Few(named, relation, type_)] = (kind, relation, type_)
        self.closed = ground.closed
        """Relations whose holders become known here; none when that would be too much."""
        object_, mark, relation = subject.partition("#")
        self._reached: list[tuple[str, Key]] = [(object_, (object_.partition(":")[0], relation))] if mark else []
        """Where to go on from: at first a userset itself, which is a part of itself."""

    def needs(self) -> list[Need]:
        return list(self._asked)

    def told(self, type_: str, node: Node) -> bool | None:
        """Whether the subject is in this, where its own tuples say it all and have been read."""
        if self.closed and (type_, node[1]) in self._ground.at_once:
            return node in self._seen
        return None

    def objects(self, kind: str, relation: str, type_: str) -> frozenset[str] | None:
        """The objects whose tuples name the subject in this way; None where that is not known here."""
        return self._objects.get((kind, relation, type_))

    def take(self, found: Found) -> Iterator[Node]:
        """What a level brought: nodes of `closed` that hold."""
        asked, self._asked = self._asked, {}
        reached, self._reached = self._reached, []
        for need, (kind, relation, type_) in asked.items():
            facts = found.get(need, ())
            if facts is None:
                if (type_, relation) in self.closed:
                    self.closed = frozenset()
                continue
            if self._contextual:
                facts = self._contextual.over(need, facts)
            objects = frozenset(object_ for object_, condition, _ in facts if not condition)
            if kind:
                self._objects[kind, relation, type_] = objects
            reached += [(object_, (type_, relation)) for object_ in objects]
        while reached and len(self._seen) <= FEW:
            object_, key = reached.pop()
            node = (object_, key[1])
            if key in self.closed and node not in self._seen:
                self._seen.add(node)
                yield node
                reached += [(object_, after) for after in self._ground.same.get(key, ())]
                for type_, relation in self._ground.onward.get(f"{key[0]}#{key[1]}", ()):
                    self._asked[Few(f"{object_}#{key[1]}", relation, type_)] = ("", relation, type_)
        if len(self._seen) > FEW:  # many by many steps
            self.closed, self._asked = frozenset(), {}

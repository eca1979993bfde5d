"""What the tuples mean, said as plainly as possible and as slowly as you like: a third opinion where the two sides differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from remit_server.rules.relations.model import AllOf, AnyOf, ButNot, Computed, Direct, Expression, From, Model
from remit_server.rules.relations.tuples import RelationTuple, kind_of

Node = tuple[str, str]


class Plain:
    """Of a model and tuples whose conditions can all be evaluated under this context."""

    def __init__(self, model: Model, tuples: Sequence[RelationTuple], context: str) -> None:
        self._model = model
        told = json.loads(context)
        self._tuples = [one for one in tuples
                        if not one.condition or model.conditions[one.condition].evaluate(one.context, told)]  # fmt: skip

    def check(self, user: str, relation: str, object_: str) -> bool:
        """By the well-founded semantics: a cycle grants nothing, and what is subtracted is final before it counts."""
        nodes = self._below((object_, relation))
        least: set[Node] = set()
        while True:
            most = self._closed(nodes, user, least)
            more = self._closed(nodes, user, most)
            if more == least:
                return (object_, relation) in least
            least = more

    def cyclic(self, relation: str, object_: str) -> bool:
        """Whether any node that the question leads to leads to itself."""
        return any(
            node in self._below(after) for node in self._below((object_, relation)) for after in self._after(node)
        )

    def recursive(self, relation: str, object_: str) -> bool:
        """Whether any relation that the question leads to takes its own userset and another one of the same type."""
        for type_, name in {(node[0].partition(":")[0], node[1]) for node in self._below((object_, relation))}:
            found = self._model.relation(type_, name)
            usersets = [each for each in (found.kinds if found else ()) if each.startswith(f"{type_}#")]
            if f"{type_}#{name}" in usersets and len(usersets) > 1:
                return True
        return False

    def _closed(self, nodes: set[Node], user: str, against: set[Node]) -> set[Node]:
        holding: set[Node] = set()
        while True:
            more = {node for node in nodes if self._holds(node, user, holding.__contains__, against.__contains__)}
            if more == holding:
                return holding
            holding = more

    def _holds(self, node: Node, user: str, held: Callable[[Node], bool], against: Callable[[Node], bool]) -> bool:
        def true(part: Expression, held: Callable[[Node], bool], against: Callable[[Node], bool]) -> bool:
            match part:
                case Direct():
                    everybody = f"{user.partition(':')[0]}:*" if "#" not in user else ""
                    return any(
                        who in {user, everybody} or ("#" in who and held(_node(who))) for who in self._who(*node)
                    )
                case Computed(name):
                    return held((node[0], name))
                case From(name, source):
                    return any(held((parent, name)) for parent in self._who(node[0], source))
                case AnyOf(parts):
                    return any(true(one, held, against) for one in parts)
                case AllOf(parts):
                    return all(true(one, held, against) for one in parts)
                case ButNot(base, without):
                    return true(base, held, against) and not true(without, against, held)

        found = self._model.relation(node[0].partition(":")[0], node[1])
        return user == f"{node[0]}#{node[1]}" or (found is not None and true(found.expression, held, against))

    def _who(self, object_: str, relation: str) -> Iterator[str]:
        found = self._model.relation(object_.partition(":")[0], relation)
        for one in self._tuples:
            if (
                one.key[:2] == (object_, relation)
                and found
                and one.condition in found.kinds.get(kind_of(one.subject), ())
            ):
                yield one.subject

    def _below(self, root: Node) -> set[Node]:
        found, waiting = set(), [root]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += self._after(node)
        return found

    def _after(self, node: Node) -> Iterator[Node]:
        def leaves(part: Expression) -> Iterator[Node]:
            match part:
                case Direct():
                    yield from (_node(who) for who in self._who(*node) if "#" in who)
                case Computed(name):
                    yield node[0], name
                case From(name, source):
                    yield from ((parent, name) for parent in self._who(node[0], source))
                case AnyOf(parts) | AllOf(parts):
                    for one in parts:
                        yield from leaves(one)
                case ButNot(base, without):
                    yield from leaves(base)
                    yield from leaves(without)

        found = self._model.relation(node[0].partition(":")[0], node[1])
        return leaves(found.expression) if found else iter(())


def _node(userset: str) -> Node:
    object_, _, relation = userset.partition("#")
    return object_, relation

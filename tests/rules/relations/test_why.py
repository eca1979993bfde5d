"""Why somebody can or cannot: every yes is a proof, every no names where its ways end, and check says the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from tests.ledger import proves
from tests.rules.relations.memory import answered, tuples
from tests.rules.relations.worlds import NAMES, OBJECTS, SUBJECTS, worlds

from remit_server.rules.relations import why as telling
from remit_server.rules.relations.check import Question, check
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.solving import TooComplex
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.rules.relations.why import Reason, Why, why

DRIVE = compiled(
    parse("""
model
  schema 1.1
type user
type robot
type group
  relations
    define member: [user, user:*, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define blocked: [user]
    define owner: [user with on_call]
    define editor: [user, group#member] or owner
    define viewer: (editor or viewer from parent) but not blocked
    define signer: editor and viewer
condition on_call(hour: int, zone: string) {
  hour < 8
}
""")
)
STORED = tuples(
    "document:1 parent folder:mid",
    "folder:mid parent folder:top",
    "folder:top viewer group:a#member",
    "group:a member user:ada",
    "group:a member user:bob",
    "document:1 blocked user:bob",
    "document:1 editor group:empty#member",
    "document:1 owner user:cem on_call",
    "document:2 editor user:ada",
    "document:2 editor group:a#member",
)


def told(asked: str, stored: Sequence[RelationTuple] = STORED, **context: object) -> Why:
    object_, relation, subject = asked.split()
    return answered(why(DRIVE, Question(subject, relation, object_, context=context)), stored)[0]


def drawn(reason: Reason) -> Iterator[str]:
    """The whole tree in lines: where, how, outcome; and the tuples."""
    yield f"{reason.object} {reason.relation} {reason.how} {reason.outcome}"
    for hop in reason.hops:
        yield f"  {' '.join(hop.tuple.key)} {hop.condition}"
        if hop.leads:
            yield from drawn(hop.leads)
    for part in reason.parts:
        yield from drawn(part)


def test_a_yes_is_the_way_from_the_object_to_the_subject() -> None:
    answer = told("document:1 viewer user:ada")
    assert (answer.outcome, answer.error, answer.cut) == ("yes", None, False)
    assert list(drawn(answer.reason)) == [
        "document:1 viewer but not yes",
        "document:1 viewer from yes",
        "  document:1 parent folder:mid yes",
        "folder:mid viewer from yes",
        "  folder:mid parent folder:top yes",
        "folder:top viewer tuples yes",
        "  folder:top viewer group:a#member yes",
        "group:a member tuples yes",
        "  group:a member user:ada yes",
        "document:1 viewer same no",
        "document:1 blocked tuples no",
    ]
    assert answer.reason.rule == "(editor or viewer from parent) but not blocked"


def test_the_shortest_way_is_shown() -> None:
    assert list(drawn(told("document:2 editor user:ada").reason)) == [
        "document:2 editor tuples yes",
        "  document:2 editor user:ada yes",
    ]


def test_each_part_of_an_and_has_its_way() -> None:
    reason = told("document:2 signer user:ada").reason
    assert (reason.how, [part.outcome for part in reason.parts]) == ("all", ["yes", "yes"])


def test_only_the_parts_that_fail_are_shown_of_an_and_that_fails() -> None:
    reason = told("document:1 signer user:ada").reason  # a viewer, but no editor
    assert [(part.rule, part.outcome) for part in reason.parts] == [("editor", "no")]


def test_a_no_shows_where_each_way_ends() -> None:
    answer = told("document:1 viewer user:eve")
    assert answer.outcome == "no"
    assert list(drawn(answer.reason)) == [
        "document:1 viewer but not no",
        "document:1 viewer any no",
        "document:1 viewer same no",
        "document:1 editor any no",
        "document:1 editor tuples no",
        "  document:1 editor group:empty#member yes",
        "group:empty member tuples no",
        "document:1 editor same no",
        "document:1 owner tuples no",
        "document:1 viewer from no",
        "  document:1 parent folder:mid yes",
        "folder:mid viewer any no",
        "folder:mid viewer tuples no",
        "folder:mid viewer from no",
        "  folder:mid parent folder:top yes",
        "folder:top viewer any no",
        "folder:top viewer tuples no",
        "  folder:top viewer group:a#member yes",
        "group:a member tuples no",
        "folder:top viewer from no",
    ]


def test_a_no_shows_what_blocks() -> None:
    reason = told("document:1 viewer user:bob").reason
    given, blocks = reason.parts
    assert (reason.how, reason.outcome, given.outcome, blocks.outcome) == ("but not", "no", "yes", "yes")
    assert "  document:1 blocked user:bob yes" in drawn(blocks)


def test_a_condition_that_is_false_is_shown_with_its_values() -> None:
    reason = told("document:1 owner user:cem", hour=9, zone="utc", other=1).reason
    [hop] = reason.hops
    assert (reason.outcome, hop.condition, dict(hop.values)) == ("no", "no", {"hour": 9, "zone": "utc"})
    assert hop.tuple.condition == "on_call"


def test_what_the_tuple_itself_tells_a_condition_wins() -> None:
    stored = tuples('document:1 owner user:cem on_call {"hour": 3}')
    answer = told("document:1 owner user:cem", stored, hour=9, zone="utc")
    assert (answer.outcome, dict(answer.reason.hops[0].values)) == ("yes", {"hour": 3, "zone": "utc"})


def test_a_condition_that_cannot_be_told_leaves_it_open() -> None:
    answer = told("document:1 viewer user:cem")
    assert answer.outcome == "unknown"
    assert isinstance(answer.error, Unevaluable)
    assert "  document:1 owner user:cem unknown" in drawn(answer.reason)


def test_a_userset_is_a_part_of_itself() -> None:
    reason = told("folder:top viewer group:a#member").reason
    assert list(drawn(reason)) == ["folder:top viewer tuples yes", "  folder:top viewer group:a#member yes"]
    assert told("group:a member group:a#member").reason.how == "itself"


def test_a_kind_that_can_never_have_it() -> None:
    reason = told("document:1 viewer robot:1").reason
    assert (reason.how, reason.outcome) == ("never", "no")


def test_a_cycle_ends() -> None:
    stored = tuples("group:a member group:b#member", "group:b member group:a#member")
    reason = told("group:a member user:ada", stored).reason
    assert list(drawn(reason))[-1] == "group:a member again no"


def test_what_is_too_deep_is_not_known() -> None:
    stored = tuples(*(f"folder:{each} parent folder:{each + 1}" for each in range(30)))
    answer = told("folder:0 viewer user:ada", stored)
    assert answer.outcome == "unknown"
    assert isinstance(answer.error, TooComplex)
    assert any(line.endswith("unread unknown") for line in drawn(answer.reason))


def test_what_is_shown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MOST_HOPS", 3)
    stored = tuples(*(f"document:1 editor group:{each}#member" for each in range(10)))
    answer = told("document:1 editor user:ada", stored)
    direct = answer.reason.parts[0]
    assert (len(direct.hops), direct.more, answer.cut) == (3, 7, True)
    monkeypatch.setattr(telling, "MOST_REASONS", 3)
    assert told("document:1 viewer user:ada").cut


@proves("relations.why-is-what-check-says")
def test_it_is_what_check_says_and_each_yes_is_a_proof() -> None:
    for model, stored in worlds(range(70)):
        for object_ in OBJECTS:
            for relation in NAMES:
                for subject in SUBJECTS:
                    question = Question(subject, relation, object_)
                    [verdict], _ = answered(check(model, question.asker, [question.node]), stored)
                    answer, _ = answered(why(model, question), stored)
                    outcome = {True: "yes", False: "no"}[verdict] if isinstance(verdict, bool) else "unknown"
                    assert (answer.outcome, answer.error is not None) == (outcome, outcome == "unknown")
                    assert answer.outcome != "yes" or is_proof(answer.reason, question, stored)


def is_proof(reason: Reason, question: Question, stored: Sequence[RelationTuple]) -> bool:
    """Whether tuples and rules lead from here to the subject."""
    assert reason.outcome == "yes"
    if reason.how == "itself":
        return question.subject == f"{reason.object}#{reason.relation}"
    if reason.how == "but not":
        base, without = reason.parts
        return without.outcome == "no" and is_proof(base, question, stored)
    if reason.parts:
        return all(is_proof(part, question, stored) for part in reason.parts)
    [hop] = reason.hops
    assert hop.tuple in stored
    if hop.leads:
        return is_proof(hop.leads, question, stored)
    return hop.tuple.subject in {question.subject, f"{question.subject.partition(':')[0]}:*"}

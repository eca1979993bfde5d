"""Which kinds of subject a relation is read for at all."""

from __future__ import annotations

import pytest

from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.programs import programs

MODEL = """
model
  schema 1.1
type user
type robot
type group
  relations
    define member: [user, robot, group#member]
type document
  relations
    define blocked: [group#member]
    define open: [user:*]
    define owner: [user]
    define viewer: [user, document#viewer] but not blocked
    define signer: owner and open
    define never: [robot] and owner
"""


@pytest.mark.parametrize(
    ("relation", "kind", "leads"),
    [
        ("viewer", "user", True),
        ("viewer", "document#viewer", True),
        ("viewer", "group#member", False),  # it can only be taken away
        ("viewer", "robot", False),
        ("blocked", "robot", True),
        ("signer", "user", True),  # by name in the one, as everybody in the other
        ("signer", "user:*", False),
        ("never", "robot", False),
        ("never", "user", False),
    ],
)
def test_what_cannot_be_is_not_read(relation: str, kind: str, leads: bool) -> None:
    plans = programs(compiled(parse(MODEL)))
    assert plans.leads("document", relation, kind) is leads
    assert (plans.plan("document", relation, kind) is not None) is leads

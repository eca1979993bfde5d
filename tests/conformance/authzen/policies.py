"""The policies of AuthZEN's scenarios, as models and tuples. What the scenarios' documents say in prose stands here in OpenFGA's
language; who has which role, and who owns what, are tuples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent

PEOPLE = {
    "rick@the-citadel.com": ("CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("admin", "evil_genius")),
    "morty@the-citadel.com": ("CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("editor",)),
    "summer@the-smiths.com": ("CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("editor",)),
    "beth@the-smiths.com": ("CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("viewer",)),
    "jerry@the-smiths.com": ("CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("viewer",)),
}
OWNED = {
    f"7240d0db-8ff0-41ec-98b2-34a096273b9{i}": owner
    for i, owner in enumerate(
        ("morty@the-citadel.com", "rick@the-citadel.com", "summer@the-smiths.com", "beth@the-smiths.com",
         "jerry@the-smiths.com"), start=1,
    )
}  # fmt: skip

TODO = """model
  schema 1.1

type user
  relations
    define can_read_user: [user:*]

type list
  relations
    define admin: [user]
    define evil_genius: [user]
    define editor: [user] or admin or evil_genius
    define viewer: [user] or editor
    define editor_of_own: [user with owns]

type todo
  relations
    define list: [list]
    define owner: [user]
    define can_read_todos: viewer from list
    define can_create_todo: editor from list
    define own: editor_of_own from list or (owner and editor from list)
    define can_update_todo: own or evil_genius from list
    define can_delete_todo: own or admin from list

condition owns(resource: map<any>, email: string) {
  "ownerID" in resource && resource.ownerID == email
}
"""


def todos(*, stored_owners: bool = False) -> Iterator[str]:
    """Whose a todo is, is a property of the request; of vectors older than properties it is stored."""
    for email, (subject, roles) in PEOPLE.items():
        yield f"user:{email} can_read_user user:*"
        yield from (f"list:1 {role} user:{subject}" for role in roles)
        if not stored_owners and roles != ("viewer",):
            yield f'list:1 editor_of_own user:{subject} owns {{"email":"{email}"}}'
    for todo in ("todo-1", *OWNED, "240d0db-8ff0-41ec-98b2-34a096273b95"):  # one vector lost a digit
        yield f"todo:{todo} list list:1"
    if stored_owners:
        yield from (f"todo:{todo} owner user:{PEOPLE[owner][0]}" for todo, owner in OWNED.items())
        # The first drafts named the subject by its address in places.
        for email, (_, roles) in PEOPLE.items():
            yield from (f"list:1 {role} user:{email}" for role in roles)
        yield from (f"todo:{todo} owner user:{owner}" for todo, owner in OWNED.items())


GATEWAY = """model
  schema 1.1

type identity

type route
  relations
    define GET: [identity]
    define POST: [identity]
    define PUT: [identity]
    define DELETE: [identity]
"""


def routes() -> Iterator[str]:
    for subject, roles in PEOPLE.values():
        yield f"route:/users/{{userId}} GET identity:{subject}"
        yield f"route:/todos GET identity:{subject}"
        if roles != ("viewer",):
            yield f"route:/todos POST identity:{subject}"
            yield from (f"route:/todos/{{todoId}} {method} identity:{subject}" for method in ("PUT", "DELETE"))


RECORDS = """model
  schema 1.1

type user

type company
  relations
    define manager: [user]

type department
  relations
    define member: [user]
    define manager: [user]

type record
  relations
    define view: [user, department#member, company#manager]
    define edit: [user, department#manager]
    define delete: [user]
"""


def records() -> Iterator[str]:
    for user in read("users"):
        yield f"department:{user['department']} member user:{user['id']}"
        if user["role"] == "manager":
            yield f"department:{user['department']} manager user:{user['id']}"
            yield f"company:1 manager user:{user['id']}"
    for record in read("records"):
        name = f"record:{record['id']}"
        yield from (f"{name} {action} user:{record['owner']}" for action in ("view", "edit", "delete"))
        yield f"{name} view department:{record['department']}#member"
        yield f"{name} edit department:{record['department']}#manager"
        yield f"{name} view company:1#manager"


FIXTURE = """model
  schema 1.1

type user

type record
  relations
    define read: [user]
    define write: [user with unless_archived, user with admin_of_archived]
    define delete: [user with softly]

condition unless_archived(resource: map<any>, status: string) {
  ("status" in resource ? resource.status : status) != "archived"
}

condition admin_of_archived(subject: map<any>, resource: map<any>, role: string, status: string) {
  ("role" in subject ? subject.role : role) == "admin" && ("status" in resource ? resource.status : status) == "archived"
}

condition softly(action: map<any>) {
  "soft" in action && action.soft == true
}
"""
"""What a request does not say of a record or of a person, the tuple says."""


def fixture() -> Iterator[str]:
    for record, status in (("record-1", "active"), ("record-2", "archived")):
        yield f"record:{record} read user:alice"
        yield f"record:{record} read user:bob"
        yield f'record:{record} write user:alice unless_archived {{"status":"{status}"}}'
        yield f'record:{record} write user:bob admin_of_archived {{"role":"admin","status":"{status}"}}'
        yield f"record:{record} delete user:alice softly"


def read(name: str) -> Any:
    return msgspec.json.decode((HERE / f"{name}.json").read_bytes())

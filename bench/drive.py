"""A drive in tuples: people, nested groups, folders in a tree, documents; the same for the same size."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

MODEL = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user, user:*, group#member] or owner or viewer from parent
type document
  relations
    define parent: [folder]
    define owner: [user]
    define editor: [user, group#member] or owner
    define blocked: [user]
    define viewer: ([user, user:*, group#member] or editor or viewer from parent) but not blocked
"""

Tuple = tuple[str, str, str]
"""(object, relation, user)."""
NESTED = 5
"""Groups stand in groups, this deep."""
READER = "user:reader"
"""Somebody with 10,000 documents of their own, as far as there are so many."""
READERS_SHARE = 10_000
PUBLIC = 0.001


@dataclass(frozen=True)
class Drive:
    """Of about `size` tuples."""

    size: int

    @property
    def people(self) -> int:
        return max(self.size // 50, 20)

    @property
    def groups(self) -> int:
        return max(self.size // 180, NESTED * 2)

    @property
    def folders(self) -> int:
        return max(self.size // 20, 10)

    @property
    def documents(self) -> int:
        return self.size * 3 // 10

    def tuples(self) -> Iterator[Tuple]:
        """Each once. Groups: each fifth holds four people; the others hold the group before them, too."""
        chance = random.Random(self.size)
        seen: set[Tuple] = set()
        for one in self._tuples(chance):
            if one not in seen:
                if one[1] != "parent":
                    seen.add(one)
                yield one

    def _tuples(self, chance: random.Random) -> Iterator[Tuple]:
        def someone() -> str:
            return f"user:{chance.randrange(self.people)}"

        def some_group() -> str:
            return f"group:{chance.randrange(self.groups)}#member"

        for group in range(self.groups):
            for _ in range(8):
                yield f"group:{group}", "member", someone()
            if group % NESTED:
                yield f"group:{group}", "member", f"group:{group - 1}#member"
        for folder in range(self.folders):
            if folder >= 10:
                yield f"folder:{folder}", "parent", f"folder:{folder // 8}"
            yield f"folder:{folder}", "owner", someone()
            if chance.random() < 0.3:
                yield f"folder:{folder}", "viewer", some_group()
        for document in range(self.documents):
            name = f"document:{document}"
            yield name, "parent", f"folder:{chance.randrange(10, self.folders) if self.folders > 10 else 0}"
            yield name, "owner", someone()
            way = chance.random()
            if way < 0.4:
                yield name, "viewer", someone()
            elif way < 0.6:
                yield name, "editor", some_group()
            elif way < 0.63:
                yield name, "blocked", someone()
            elif way < 0.63 + PUBLIC:
                yield name, "viewer", "user:*"
        for document in range(min(READERS_SHARE, self.documents)):
            yield f"document:{document}", "viewer", READER

    def questions(self, count: int, seed: int) -> list[Tuple]:
        """(object, relation, user). Every other one is about somebody to whom the document was given: yes comes up like no."""
        chance = random.Random(seed)
        given = self._given(chance, count)
        return [
            given[n]
            if n % 2
            else (f"document:{chance.randrange(self.documents)}", "viewer", f"user:{chance.randrange(self.people)}")
            for n in range(count)
        ]

    def _given(self, chance: random.Random, count: int) -> list[Tuple]:
        """Owners and guests, of whom one in thirty was blocked later."""
        found, every = [], max(self.documents * 14 // 10 // (count * 2), 1)
        for n, (object_, relation, user) in enumerate(self.tuples()):
            if (
                relation in {"owner", "viewer"}
                and object_.startswith("document")
                and "*" not in user
                and n % every == 0
            ):
                found.append((object_, "viewer", user))
        return chance.choices(found, k=count)

    def pages(self, count: int, seed: int, length: int = 100) -> list[tuple[str, list[str]]]:
        """What a search brings: one user, and as many documents as a page has."""
        chance = random.Random(seed)
        return [
            (
                f"user:{chance.randrange(self.people)}",
                [f"document:{one}" for one in chance.sample(range(self.documents), min(length, self.documents))],
            )
            for _ in range(count)
        ]

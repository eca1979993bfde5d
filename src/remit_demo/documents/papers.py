"""The papers of the office: found for one person, and shown to a planner only as far as that person may read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from remit import NotAllowed, User
from remit_demo.documents.archive import Document, archive
from remit_demo.documents.bm25 import WordIndex

_SHOWN = 4
_SOURCE = re.compile(r"\[([a-z0-9-]+)\]", re.IGNORECASE)
_NO_PAPER = "document:no-such-paper"
NOTHING = "No document that you may read says anything about that."


class Index(Protocol):
    """A search that knows all documents and nobody's rights."""

    label: str

    def best(self, query: str, n: int) -> Sequence[Document]:
        """The n that fit the query best, the best first."""
        ...


class Papers:
    """Args:
    index: how it is searched; by words, unless told.
    """

    def __init__(self, index: Index | None = None) -> None:
        documents = archive()
        self.index = index or WordIndex(documents)
        self._by_id = {each.id: each for each in documents}

    async def search(self, user: User, query: str) -> list[Document]:
        """The best papers for a query that this person may read.

        Raises:
            NotAllowed, Unavailable: as ``User.first``.
        """
        found = await user.first(_SHOWN, lambda n: self.index.best(query, n), relation="viewer", obj=named)
        return found.docs

    async def read(self, user: User, id_: str) -> Document:
        """One paper, whole. An id of no paper is asked about like any other, as a quick no would tell it from a withheld one.

        Raises:
            NotAllowed: the person may not read it, or there is no such paper. Nobody hears which.
            Unavailable: as ``User.requires``.
        """
        document = self._by_id.get(id_)
        await user.requires("viewer", named(document) if document else _NO_PAPER)
        if document is None:
            raise NotAllowed(relation="viewer", object=_NO_PAPER)
        return document


def named(document: Document) -> str:
    """The paper's object in the relations."""
    return f"document:{document.id}"


def quoted(documents: Iterable[Document]) -> str:
    """What a planner reads: each paper under its id."""
    return "\n".join(f"[{each.id}] {each.title}. {each.text}" for each in documents) or NOTHING


def only_cited(text: str, shown: Iterable[str]) -> str:
    """An answer whose sources are among those that were shown. A planner may have been told to name others."""
    known = frozenset(shown)
    return _SOURCE.sub(lambda found: found[0] if found[1] in known else "[no source]", text)

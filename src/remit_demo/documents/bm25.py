"""Search by words (Okapi BM25): what a query has in common with a paper, rare words before common ones."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from remit_demo.documents.archive import Document

_WORD = re.compile(r"[a-z0-9]+(?:[.,][0-9]+)?")
_PLURAL = re.compile(r"(?<=[a-z]{2})(?:ies|(?<!s)s)$")
_SATURATION, _LENGTH = 1.2, 0.75
"""How soon a repeated word counts no more, and how much a long paper is held back: k1 and b."""


def words(text: str) -> list[str]:
    """Lower-case words, in the singular as far as a letter tells, and numbers."""
    return [_PLURAL.sub(lambda end: "y" if end[0] == "ies" else "", word) for word in _WORD.findall(text.lower())]


class WordIndex:
    """Args:
    documents: what is searched. Nobody's rights are known here.
    """

    label = "words (BM25)"

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._counts = [Counter(words(f"{each.title} {each.title} {each.text}")) for each in documents]
        self._lengths = [counts.total() for counts in self._counts]
        self._mean = sum(self._lengths) / max(1, len(documents))
        self._holding = Counter(word for counts in self._counts for word in counts)

    def best(self, query: str, n: int) -> list[Document]:
        """The n papers that fit the query best, the best first; fewer where no more have a word of it."""
        asked = set(words(query))
        scores = [(self._score(asked, at), -at) for at in range(len(self._documents))]
        return [self._documents[-at] for score, at in sorted(scores, reverse=True)[:n] if score > 0]

    def _score(self, asked: set[str], at: int) -> float:
        counts, length = self._counts[at], self._lengths[at] / self._mean
        return sum(self._rarity(word) * self._weight(counts[word], length) for word in asked if word in counts)

    def _rarity(self, word: str) -> float:
        holding = self._holding[word]
        return math.log(1 + (len(self._documents) - holding + 0.5) / (holding + 0.5))

    @staticmethod
    def _weight(count: int, length: float) -> float:
        return count * (_SATURATION + 1) / (count + _SATURATION * (1 - _LENGTH + _LENGTH * length))

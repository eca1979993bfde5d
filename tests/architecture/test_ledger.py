"""The ledger and the tests agree, both ways."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.house import ROOT, modules, shown
from tests.ledger import LEDGER


def proofs(path: Path) -> Iterator[tuple[str, str]]:
    """Each id that `path` claims to prove, with its place. An id must be written out, so that a search finds it."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name(id="proves") | ast.Attribute(attr="proves"), args=args):
                for arg in args:
                    assert isinstance(arg, ast.Constant), f"{shown(path)}:{node.lineno}: write the id out"
                    yield str(arg.value), f"{shown(path)}:{node.lineno}"


PROOFS = [proof for path in modules(ROOT / "tests") if path.name.startswith("test_") for proof in proofs(path)]


def test_every_promise_is_proven() -> None:
    unproven = LEDGER.keys() - {promised for promised, _ in PROOFS}
    assert not unproven, "no test proves " + ", ".join(sorted(unproven))


def test_every_proof_has_its_promise() -> None:
    unknown = [f"{place}: {promised}" for promised, place in PROOFS if promised not in LEDGER]
    assert not unknown, "not in tests/ledger.py: " + ", ".join(unknown)


def test_a_promise_is_a_sentence_with_a_source() -> None:
    for name, promise in LEDGER.items():
        assert promise.source, name
        assert promise.sentence.endswith("."), name
        assert promise.sentence[0].isupper() or not promise.sentence[0].isalpha(), name

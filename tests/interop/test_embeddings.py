"""The extra rag: a model that runs here, from packages alone."""

from __future__ import annotations

from pathlib import Path

from tests.interop.live import Live
from tests.interop.play import play_python
from tests.ledger import proves
from tests.needs import ROOT

from remit_demo.documents import embeddings


@proves("demo.embeddings")
async def test_papers_are_found_by_what_they_mean(on_loopback: Live) -> None:
    found = await play_python(
        on_loopback,
        "embed",
        texts=["Crème brûlée – naïve, don't! 31.50 USD (per share)…", "antidisestablishmentarianism €5", "", "x\ty\nz"],
        queries=["may I accept a present", "time off for a new baby", "the outlook for Orla Shipping"],
        vocabulary=str(Path(embeddings.__file__).with_name("vocab.txt")),
        source=[str(ROOT / "src")],
    )
    assert found["differ"] == []
    first = {query: ids[0] for query, ids in found["best"].items()}
    assert first == {
        "may I accept a present": "handbook-gifts",
        "time off for a new baby": "handbook-parents",
        "the outlook for Orla Shipping": "deal-orla-offer",
    }

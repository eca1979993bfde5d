"""A model in colours: nothing is lost, and nobody waits for it."""

from __future__ import annotations

import time

import pytest
from tests.pages.conftest import MODEL

from remit_server.ui.highlight import spans


@pytest.mark.parametrize(
    "text",
    [MODEL, "a 'b", 'x "\\', "'a' \"b\" 'c", '"a\\"b" + c', '"""', "# \"a\n  b#c 'd'  # e", "\u202e\u2028x", ""],
)
def test_put_together_again_it_is_what_it_was(text: str) -> None:
    assert ["".join(span.text for span in line) for line in spans(text)] == text.splitlines()


def test_what_is_drawn_as_what() -> None:
    (line,) = spans("    define viewer: [user, group#member] or owner from parent  # all of them")
    drawn = {span.text.strip(): span.kind for span in line}
    assert drawn["define"] == drawn["or"] == drawn["from"] == "word"
    assert drawn["viewer"] == "name"
    assert drawn["user"] == drawn["group"] == "type"
    assert drawn["# all of them"] == "note"
    (line,) = spans('now < end + "a\\"b" + \'c\'')
    assert [span.text for span in line if span.kind == "text"] == ['"a\\"b"', "'c'"]


@pytest.mark.parametrize("piece", ['\\"', "\\'", '"', "'", "{", " #", "a.", "\\"])
def test_a_long_line_takes_no_longer_than_its_length(piece: str) -> None:
    """A quote that nothing ends is looked after once, and not from each quote in it."""
    begun = time.perf_counter()
    spans("// " + piece * 60_000)
    assert time.perf_counter() - begun < 5

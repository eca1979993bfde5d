"""Characters that are in a text and that nobody sees: what a person reads must be all there is."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories: controls and line breaks, direction and zero-width marks, surrogates, private use, unassigned, line and
paragraph separators."""
# Blank on screen without being of those categories: fillers, joiners, the empty Braille cell, variation selectors.
# U+FE0F stays: it only asks for the coloured form of an emoji.
_BLANK: Final = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | set(range(0x180B, 0x1810))
    | set(range(0xFE00, 0xFE0F))
    | set(range(0xE0100, 0xE01F0))
)


def unseen(character: str) -> bool:
    """Whether one character shows nothing, or changes how others are shown."""
    return unicodedata.category(character) in _UNSEEN or ord(character) in _BLANK


def hides(text: str) -> bool:
    """Whether a text has such a character."""
    return any(map(unseen, text))


_LINK: Final = re.compile(
    r"://|www[.。]|[\w-][.。](com|net|org|io|dev|app|ai|info|biz|ru|cn|xyz|link|click)\b", re.IGNORECASE
)
"""Of a text in Unicode's compatible form, where a wide letter is a letter. Browsers take the ideographic full stop for a dot."""


def links(text: str) -> bool:
    """Whether a text leads somewhere, or looks as if it did: an agent's words are no place to be sent away from."""
    return _LINK.search(unicodedata.normalize("NFKC", text)) is not None


_ACCENTS_IN_A_ROW: Final = 3  # no living script needs more; a longer pile grows over the lines above and below


def reveal(text: str) -> str:
    """`text` with each hiding character replaced by `⟨U+XXXX⟩`. Plain text in, plain text out: not yet escaped."""
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    accents = 0
    for character in text:
        accents = accents + 1 if unicodedata.combining(character) else 0
        hidden = unseen(character) or accents > _ACCENTS_IN_A_ROW
        out.append(f"⟨U+{ord(character):04X}⟩" if hidden else character)
    return "".join(out)

"""Make characters that hide or reorder text visible.

An agent chooses its name, its reason and the values in its request. With bidirectional controls, zero-width
characters or a pile of accents it could make "pay 1000" read as something else (Unicode TR 36, section 2; "Trojan
Source", CVE-2021-42574). Such characters are shown by their code point, as in `⟨U+202E⟩`, and so do nothing.
"""

import re
import unicodedata

_HIDING_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Blank on screen without being of those categories: fillers, joiners, the empty Braille cell, variation selectors.
# U+FE0F stays: it only asks for the coloured form of an emoji.
_BLANK = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | set(range(0x180B, 0x1810))
    | set(range(0xFE00, 0xFE0F))
    | set(range(0xE0100, 0xE01F0))
)
_ACCENTS_IN_A_ROW = 3  # no living script needs more; a longer pile grows over the lines above and below


def reveal(text: str) -> str:
    """`text` with each hiding character replaced by `⟨U+XXXX⟩`. Plain text in, plain text out: not yet escaped."""
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    accents = 0
    for character in text:
        accents = accents + 1 if unicodedata.combining(character) else 0
        hides = (
            unicodedata.category(character) in _HIDING_CATEGORIES
            or ord(character) in _BLANK
            or accents > _ACCENTS_IN_A_ROW
        )
        out.append(f"⟨U+{ord(character):04X}⟩" if hides else character)
    return "".join(out)


_LINE_END = re.compile(r"\r\n?|\n")


def reveal_lines(text: str) -> list[str]:
    """The lines of `text`, each revealed: for quotations, where a line break is part of what was said."""
    return [reveal(line) for line in _LINE_END.split(text)]

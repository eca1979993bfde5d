"""Make characters that hide or reorder text visible.

An agent chooses its name, its reason and the values in its request. With bidirectional controls, zero-width
characters or a pile of accents it could make "pay 1000" read as something else (Unicode TR 36, section 2; "Trojan
Source", CVE-2021-42574). Such characters are shown by their code point, as in `⟨U+202E⟩`, and so do nothing.
"""

import re
import unicodedata

from remit_server.rules.visible import unseen

_ACCENTS_IN_A_ROW = 3  # no living script needs more; a longer pile grows over the lines above and below


def reveal(text: str) -> str:
    """`text` with each hiding character replaced by `⟨U+XXXX⟩`. Plain text in, plain text out: not yet escaped."""
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    accents = 0
    for character in text:
        accents = accents + 1 if unicodedata.combining(character) else 0
        hides = unseen(character) or accents > _ACCENTS_IN_A_ROW
        out.append(f"⟨U+{ord(character):04X}⟩" if hides else character)
    return "".join(out)


_LINE_END = re.compile(r"\r\n?|\n")


def reveal_lines(text: str) -> list[str]:
    """The lines of `text`, each revealed: for quotations, where a line break is part of what was said."""
    return [reveal(line) for line in _LINE_END.split(text)]

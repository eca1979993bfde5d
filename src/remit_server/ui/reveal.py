"""Make characters that hide or reorder text visible.

An agent chooses its name, its reason and the values in its request. With bidirectional controls, zero-width
characters or a pile of accents it could make "pay 1000" read as something else (Unicode TR 36, section 2; "Trojan
Source", CVE-2021-42574). Such characters are shown by their code point, as in `⟨U+202E⟩`, and so do nothing.
"""

import re

from remit_server.rules.visible import reveal

_LINE_END = re.compile(r"\r\n?|\n")


def reveal_lines(text: str) -> list[str]:
    """The lines of `text`, each revealed: for quotations, where a line break is part of what was said."""
    return [reveal(line) for line in _LINE_END.split(text)]

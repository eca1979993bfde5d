"""A provider's answer without the credential that we sent: some endpoints echo what they were asked with.

This finds the credential as it was attached, and as JSON, a URL or base64 would write it. It is a net below the path rules,
not instead of them: a provider that wanted the agent to have the token could always spell it backwards.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""A credential shorter than this is not looked for: it would be found everywhere."""
_MASK = b"*"
_TRIPLET = re.compile(r"%[0-9A-F]{2}")


def spellings(secrets: Iterable[str]) -> frozenset[str]:
    """The forms in which an answer may hold a credential."""
    found: set[str] = set()
    for secret in secrets:
        if len(secret) < SHORTEST:
            continue
        written = json.dumps(secret)[1:-1]
        found |= {secret, written, written.replace("/", "\\/"), written.replace("+", "\\u002B")}
        encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
        found |= encoded | {_TRIPLET.sub(lambda octet: octet[0].lower(), text) for text in encoded}
        for lead in range(3):  # in base64 a text looks different by where in a group of three octets it begins
            found |= _inside_base64(secret.encode(), lead)
    return frozenset(found)


def _inside_base64(secret: bytes, lead: int) -> set[str]:
    """What every base64 of a text with this secret in it has in common, when it begins `lead` octets into a group."""
    whole = (lead + len(secret)) // 3 * 3
    octets = (b"\0" * lead + secret)[:whole]
    skip = 4 if lead else 0
    return {text for each in (b64encode, urlsafe_b64encode) if len(text := each(octets).decode()[skip:]) >= SHORTEST}


class Mask:
    """Puts asterisks over credentials in a body that goes by in pieces; its length stays.

    What could be the beginning of a credential is held back until the next piece shows. `part`: the body is a range of
    another, so that a credential may begin before it or end after it.
    """

    def __init__(self, secrets: Iterable[str], *, part: bool = False) -> None:
        self.spelled = spellings(secrets)
        """What it looks for."""
        self._needles = tuple(sorted((text.encode() for text in self.spelled), key=len, reverse=True))
        self._held = b""
        self._begun = not part
        self._part = part
        self.found = False

    def feed(self, piece: bytes) -> bytes:
        """What may go on now."""
        if not self._needles:
            return piece
        text = self._covered(self._held + piece)
        if not self._begun:
            if len(text) < len(self._needles[0]):
                self._held = text
                return b""
            text, self._begun = self._without_end(text), True
        keep = self._open_end(text)
        cut = len(text) - keep
        self._held = text[cut:]
        return text[:cut]

    def end(self) -> bytes:
        """The rest, when nothing follows."""
        text, self._held = self._held, b""
        if not self._begun:
            text = self._without_end(text)
        if self._part and (keep := self._open_end(text)) >= SHORTEST:
            self.found = True
            text = text[: len(text) - keep] + _MASK * keep
        return text

    def _covered(self, text: bytes) -> bytes:
        for needle in self._needles:
            if needle in text:
                self.found = True
                text = text.replace(needle, _MASK * len(needle))
        return text

    def _open_end(self, text: bytes) -> int:
        """How many octets at the end may be the beginning of a credential."""
        longest = 0
        for needle in self._needles:
            first, at = needle[:1], max(0, len(text) - len(needle) + 1)
            while (at := text.find(first, at)) != -1 and len(text) - at > longest:
                if needle.startswith(text[at:]):
                    longest = len(text) - at
                    break
                at += 1
        return longest

    def _without_end(self, text: bytes) -> bytes:
        """The text, with asterisks over the end of a credential that began before it."""
        longest = 0
        for needle in self._needles:
            for size in range(min(len(needle), len(text)), SHORTEST - 1, -1):
                if needle.endswith(text[:size]):
                    longest = max(longest, size)
                    break
        self.found = self.found or longest > 0
        return _MASK * longest + text[longest:]


class Inflate:
    """Takes gzip or deflate off a body that goes by in pieces; we ask for neither, and some send them all the same."""

    AT_ONCE = 64 * 1024

    def __init__(self, coding: str) -> None:
        self._bits = 31 if coding in {"gzip", "x-gzip"} else 15
        self._inner = zlib.decompressobj(self._bits)
        self._begun = False

    @classmethod
    def takes(cls, coding: str) -> bool:
        return coding in {"gzip", "x-gzip", "deflate"}

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What it unpacks to, in pieces of 64 KiB at most. Raises `ValueError` when it does not unpack."""
        self._begun, more = self._begun or bool(piece), False
        try:
            while piece or more:
                if self._inner.eof:  # gzip may be several in a row (RFC 1952 section 2.2)
                    self._inner = zlib.decompressobj(self._bits)
                unpacked = self._inner.decompress(piece, self.AT_ONCE)
                piece = self._inner.unconsumed_tail or self._inner.unused_data
                more = len(unpacked) == self.AT_ONCE and not self._inner.eof
                yield unpacked
        except zlib.error as error:
            raise ValueError("the body does not unpack") from error

    @property
    def whole(self) -> bool:
        """Whether it came to its end. Some announce a coding for a body of nothing."""
        return self._inner.eof or not self._begun

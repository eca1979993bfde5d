"""What may come of reading a JWT, a JWK or a JWK Set that somebody else made."""

from __future__ import annotations

from typing import Any, Final

from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

UNREADABLE: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""joserfc's own errors, and those of what it stands on: it trusts headers and keys to be objects with members of the right
kinds, of a sane depth."""


class Registry(JWSRegistry):
    """The algorithms that it is made with, and no others.

    Unlike joserfc's own it has room for an RSA key in the header of a DPoP proof (RFC 9449 section 4.2), and takes `EdDSA`,
    as OpenID providers and clients go on to call it (RFC 9864), without a warning each time.
    """

    max_header_length = 4096

    def get_alg(self, name: str) -> Any:
        if not isinstance(name, str) or name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]

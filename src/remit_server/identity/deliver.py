"""The port through which answers leave for a client's redirect URI; `ui/returning.py` is behind it, since one of the three
ways there (form_post) is a page."""

from __future__ import annotations

from typing import Protocol

from remit_server.errors import ProtocolError
from remit_server.rules.authorization import Back
from remit_server.wire.http import Answer


class Deliver(Protocol):
    def __call__(self, back: Back, parameters: dict[str, str]) -> Answer:
        """Send the browser to the client with these parameters, `state` and `iss`."""


def error_parameters(error: ProtocolError) -> dict[str, str]:
    """RFC 6749 section 4.1.2.1."""
    return {"error": error.code, "error_description": error.description}

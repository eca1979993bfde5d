"""Read parameters as OAuth wants them: none twice."""

from __future__ import annotations

from urllib.parse import parse_qsl

from remit_demo.provider.authority import OAuthError


def parse_form(text: bytes | str) -> dict[str, str]:
    """Return the parameters of a query or a form body.

    Raises:
        OAuthError: ``invalid_request``; a parameter is repeated (RFC 6749 section 3.1) or the text is malformed.
    """
    try:
        raw = text.decode("ascii") if isinstance(text, bytes) else text
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=50, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "malformed parameters") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a parameter is repeated")
    return form


def parse_choices(body: bytes, name: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the single fields of a page's form, and the values of the one that may repeat (its check boxes)."""
    pairs = parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=50)
    return {key: value for key, value in pairs if key != name}, tuple(value for key, value in pairs if key == name)

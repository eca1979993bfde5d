"""The Content-Security-Policy of every page."""

from collections.abc import Iterable


def content_security_policy(form_targets: Iterable[str] = ()) -> str:
    """Everything from this origin or not at all; no inline script or style, no framing, no HTML made by script.

    Args:
        form_targets: origins, such as `https://app.example`, that a form may be redirected to (`Page.form_targets`).
    """
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            " ".join(("form-action 'self'", *form_targets)),
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )

"""The Content-Security-Policy of every page."""

from collections.abc import Iterable


def content_security_policy(form_targets: Iterable[str] = (), script_urls: Iterable[str] = ()) -> str:
    """Everything from this origin or not at all; no inline script or style, no framing, no HTML made by script.

    Args:
        form_targets: origins, such as `https://app.example`, that a form may be redirected to (`Page.form_targets`).
        script_urls: names of policies of Trusted Types by which a script of the page names another (`View.script_urls`).
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
            " ".join(("trusted-types", *(script_urls or ("'none'",)))),
        )
    )

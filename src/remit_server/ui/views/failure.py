"""When something did not work."""

from typing import ClassVar

from remit_server.ui.views.parts import View


class ErrorView(View, frozen=True, kw_only=True):
    """Anything that stopped a page."""

    template: ClassVar[str] = "error.html"
    happened: str
    """The heading, a sentence: "This sign-in took too long."."""
    remedy: str
    """What to do now."""
    reference: str
    """To be told to an administrator; finds the log line."""
    code: str | None = None
    """The OAuth error code, for the builder: `invalid_redirect_uri`."""
    back_href: str | None = None
    back_name: str | None = None


class NotFoundView(View, frozen=True, kw_only=True):
    """404, and what a person sees who asks for somebody else's approval."""

    template: ClassVar[str] = "not-found.html"

"""How a person signs in."""

from typing import ClassVar

from remit_server.ui.views.parts import View, Viewer


class SecurityView(View, frozen=True, kw_only=True):
    """`/security`. Posts `csrf` to `/security/enrol`, or `csrf`, `code` to `/security/remove`."""

    template: ClassVar[str] = "security.html"
    csrf: str
    viewer: Viewer
    now: int
    app_since: int | None = None
    """When the authenticator app was set up; `None` when there is none."""
    done: str | None = None
    """What just happened."""
    error: str | None = None
    """Why the app was not removed."""


class EnrolView(View, frozen=True, kw_only=True):
    """`/security/enrol`. Posts `csrf`, `resume`, `code` to itself."""

    template: ClassVar[str] = "enrol.html"
    csrf: str
    viewer: Viewer
    resume: str
    """Names the enrolment, also to the picture at `/security/qr`."""
    secret: str
    """Base 32, to be typed where no camera is at hand."""
    error: str | None = None

"""How a person signs in."""

from typing import Any, ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer


class Passkey(Struct, frozen=True, kw_only=True):
    """One of the person's. Posts `csrf` and `name` or `remove` to `/security/passkeys/{id}`."""

    id: str
    name: str
    created_at: int
    used_at: int | None = None
    synced: bool = False
    """May be on several devices."""


class SecurityView(View, frozen=True, kw_only=True):
    """`/security`. Posts `csrf` to `/security/enrol`, `csrf`, `code` to `/security/remove`, or `csrf`,
    `own_code` to `/security/code`."""

    template: ClassVar[str] = "security.html"
    csrf: str
    viewer: Viewer
    now: int
    app_since: int | None = None
    """When the authenticator app was set up; `None` when there is none."""
    passkeys: tuple[Passkey, ...] = ()
    done: str | None = None
    """What just happened."""
    error: str | None = None
    """Why the app was not removed."""
    passkey_error: str | None = None
    """Why a passkey was not renamed or removed."""
    code: Literal["chosen", "wanted"] | None = None
    """The code that agents must bring: chosen, or not yet although there is an agent that must; `None`: not needed here."""
    code_error: str | None = None
    """Why that code was not changed."""


class PasskeysView(View, frozen=True, kw_only=True):
    """`/security/passkeys`. Posts `csrf`, `name`, `credential` to itself."""

    template: ClassVar[str] = "passkeys.html"
    csrf: str
    viewer: Viewer
    options: dict[str, Any] | None
    """What the browser is asked for (`rules/passkeys.py`); `None` where there can be no passkeys."""
    name: str = ""
    first: bool = False
    """From this one on a password alone is not enough."""
    error: str | None = None


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

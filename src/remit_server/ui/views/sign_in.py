"""Sign-in, second factor, first administrator, sign-out."""

from typing import Any, ClassVar

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer


class Upstream(Struct, frozen=True, kw_only=True):
    """A provider to sign in with instead."""

    name: str
    href: str
    """A GET that starts the sign-in there; carries `resume` itself."""


class SignInView(View, frozen=True, kw_only=True):
    """`/login`. Posts `csrf`, `resume`, `identifier`, `password` to `/login`."""

    template: ClassVar[str] = "sign-in.html"
    csrf: str
    resume: str
    """Opaque reference to what the person was about to do; empty when they came by themselves."""
    organisation: str
    client_name: str | None = None
    """Who asked for the sign-in."""
    identifier: str = ""
    """What was typed the last time."""
    error: str | None = None
    """Wrong identifier or password: one sentence that does not say which."""
    notice: str | None = None
    """Anything else to know before trying: "Too many tries. Wait 30 seconds."."""
    upstreams: tuple[Upstream, ...] = ()
    passkey: dict[str, Any] | None = None
    """What the browser is asked for (`rules/passkeys.py`); its answer goes to `/login` as `credential`. No button when `None`."""
    passkey_error: str | None = None
    """Why the passkey that was shown opened nothing."""


class SecondFactorView(View, frozen=True, kw_only=True):
    """The second step of a sign-in. Posts `csrf`, `resume` and `code` or `credential` to `/login/second-factor`."""

    template: ClassVar[str] = "second-factor.html"
    csrf: str
    resume: str
    identifier: str
    """Whose sign-in this is."""
    app: bool = True
    """There is an authenticator app."""
    passkey: dict[str, Any] | None = None
    """As at sign-in; `None` when the person has no passkey."""
    error: str | None = None
    """Why the code did not do."""
    passkey_error: str | None = None
    other_href: str = "/login"
    """To sign in as somebody else, for the same errand."""


class SetUpView(View, frozen=True, kw_only=True):
    """`/setup`, behind the one-time link of a first start. Posts `csrf`, `ticket`, `name`, `email`, `password`."""

    template: ClassVar[str] = "set-up.html"
    csrf: str
    ticket: str
    """The secret of the one-time link."""
    issuer: str
    name: str = ""
    email: str = ""
    name_error: str | None = None
    email_error: str | None = None
    password_error: str | None = None
    password_length: int = 12
    """The fewest characters that a password may have."""


class SignOutView(View, frozen=True, kw_only=True):
    """Asks before signing out. Posts `csrf`, `resume`, `answer` (`sign_out` or `stay`) to `/logout`."""

    template: ClassVar[str] = "sign-out.html"
    csrf: str
    resume: str
    viewer: Viewer
    client_name: str | None = None
    """The app that sent the person here."""


class SignedOutView(View, frozen=True, kw_only=True):
    """After signing out."""

    template: ClassVar[str] = "signed-out.html"
    return_href: str | None = None
    return_name: str | None = None
    """The app behind `return_href`."""

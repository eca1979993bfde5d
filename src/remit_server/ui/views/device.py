"""The device flow's pages (RFC 8628, section 3.3)."""

from typing import ClassVar

from remit_server.ui.views.consent import Permission
from remit_server.ui.views.parts import Agent, Detail, View, Viewer


class DeviceCodeView(View, frozen=True, kw_only=True):
    """`/device`: enter the code. Posts `csrf`, `user_code` to `/device`."""

    template: ClassVar[str] = "device-code.html"
    csrf: str
    viewer: Viewer | None = None
    user_code: str = ""
    error: str | None = None


class DeviceConfirmView(View, frozen=True, kw_only=True):
    """Did you start this? Posts `csrf`, `user_code`, `scope` (repeated), `answer` (`allow` or `deny`) to
    `/device/answer`. Shown before anything is granted, since a stranger may have sent the code (section 5.4)."""

    template: ClassVar[str] = "device-confirm.html"
    csrf: str
    viewer: Viewer
    now: int
    user_code: str
    """As printed on the device: `WDJB-MJHT`."""
    agent: Agent
    asked_at: int
    place: str
    """Where the request came from, as far as is known: "127.0.0.1, this machine"."""
    acting_as: str
    permissions: tuple[Permission, ...] = ()
    details: tuple[Detail, ...] = ()
    lasts: str
    still_asks: tuple[str, ...] = ()


class DeviceDoneView(View, frozen=True, kw_only=True):
    """After the answer."""

    template: ClassVar[str] = "device-done.html"
    viewer: Viewer
    agent_name: str
    allowed: bool

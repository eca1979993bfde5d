"""The person's devices: which are told that an agent waits, and which prove that it is them."""

from typing import ClassVar

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer
from remit_server.ui.views.security import Passkey


class Browser(Struct, frozen=True, kw_only=True):
    """One that is told by push. Posts `csrf` to `/devices/{id}`, which removes it."""

    id: str
    """SHA-256 of the endpoint, in hexadecimal: by it the script knows which of them it runs in."""
    device: str
    created_at: int


class DevicesView(View, frozen=True, kw_only=True):
    """`/devices`. Posts `csrf`, `endpoint`, `p256dh`, `auth` to itself."""

    template: ClassVar[str] = "devices.html"
    script_urls: ClassVar[tuple[str, ...]] = ("worker",)
    csrf: str
    viewer: Viewer
    now: int
    here: str = ""
    """What this device looks like: "iPhone"; empty when nobody can tell."""
    key: str | None = None
    """The server's key as push services know it; `None` where web push is not set up."""
    browsers: tuple[Browser, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    done: str | None = None
    """What just happened."""
    error: str | None = None

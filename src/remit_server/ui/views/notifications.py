"""How a person is told that an agent waits for them."""

from typing import ClassVar

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer


class Browser(Struct, frozen=True, kw_only=True):
    """One that is told by push. Posts `csrf` to `/notifications/{id}`, which removes it."""

    id: str
    device: str
    created_at: int


class NotificationsView(View, frozen=True, kw_only=True):
    """`/notifications`. Posts `csrf`, `endpoint`, `p256dh`, `auth` to itself."""

    template: ClassVar[str] = "notifications.html"
    script_urls: ClassVar[tuple[str, ...]] = ("worker",)
    csrf: str
    viewer: Viewer
    now: int
    key: str | None = None
    """The server's key as push services know it; `None` where web push is not set up."""
    browsers: tuple[Browser, ...] = ()
    done: str | None = None
    """What just happened."""
    error: str | None = None

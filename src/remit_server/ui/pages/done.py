"""GET /logout/done: signed out."""

from __future__ import annotations

from remit_server.ui.html import Pages
from remit_server.ui.render import Page
from remit_server.ui.views.sign_in import SignedOutView
from remit_server.wire.http import Answer, Request


class Done:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def __call__(self, _: Request) -> Answer:
        return self._pages(Page(SignedOutView()))

"""GET /worker.js: the service worker, at the top so that it may serve the whole site (Service Workers section 4.4)."""

from __future__ import annotations

from remit_server.ui.assets import Assets
from remit_server.wire.http import Answer, Request


class Worker:
    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def __call__(self, request: Request) -> Answer:  # noqa: ARG002 - every request is answered alike
        script = self._assets.find("worker.js")
        assert script is not None, "it is among the static files"
        return Answer(
            200,
            script.body,
            (
                ("content-type", script.media_type),
                ("cache-control", "no-cache"),  # a changed worker is found at the next visit
                ("content-security-policy", "default-src 'none'"),
                ("x-content-type-options", "nosniff"),
                ("cross-origin-resource-policy", "same-origin"),
            ),
        )

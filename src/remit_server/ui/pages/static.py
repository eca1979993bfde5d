"""GET /static/{name}: style, scripts, icons."""

from __future__ import annotations

from remit_server.errors import NotFound
from remit_server.ui.assets import Assets
from remit_server.wire.http import Answer, Request


class Static:
    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def __call__(self, request: Request) -> Answer:
        asset = self._assets.find(request.params["name"])
        if asset is None:
            raise NotFound
        return Answer(
            200,
            asset.body,
            (
                ("content-type", asset.media_type),
                ("cache-control", asset.cache_control),
                ("x-content-type-options", "nosniff"),
                ("cross-origin-resource-policy", "same-origin"),
            ),
        )

"""ntfy: a publish by JSON (docs.ntfy.sh/publish), which opens the page when it is touched and has no buttons."""

from __future__ import annotations

from typing import Any

import msgspec

from remit_server.approvals.channels.notice import Addressed, Notice, NotReached
from remit_server.errors import TemporarilyUnavailable
from remit_server.runtime.machines import Machines

_HIGH = 4


class Ntfy:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def _configured(self) -> dict[str, Any] | None:
        organisation = await self._machines.store.organisation.get("organisation")
        return organisation.channels.get("ntfy") if organisation else None

    async def reaches(self, whom: Addressed) -> bool:
        return bool(whom.preferences.topic) and await self._configured() is not None

    async def tell(self, whom: Addressed, notice: Notice) -> None:
        configured = await self._configured()
        if configured is None:
            raise NotReached("ntfy is not set up any more", for_good=True)
        body = msgspec.json.encode(
            {
                "topic": whom.preferences.topic,
                "title": notice.title,
                "message": notice.sentence,
                "click": notice.url,
                "priority": _HIGH,
            }
        )
        headers = {"Content-Type": "application/json"}
        if token := configured.get("token"):
            headers["Authorization"] = f"Bearer {token}"
        try:
            reply = await self._machines.outbound.send("POST", configured["server"], headers=headers, body=body)
        except TemporarilyUnavailable as error:
            raise NotReached("ntfy could not be reached") from error
        if not 200 <= reply.status < 300:
            raise NotReached(f"ntfy answered {reply.status}", for_good=reply.status in {400, 401, 403})

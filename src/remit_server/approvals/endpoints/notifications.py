"""GET and PUT /me/v1/notifications; DELETE /me/v1/notifications/{id}: how the person is told, and in which browsers."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from remit_server.approvals.channels.web_push import WebPush
from remit_server.approvals.channels.wishes import wish
from remit_server.errors import Forbidden, InvalidRequest
from remit_server.records import Preferences, User
from remit_server.records.notification import Way
from remit_server.rules import notifying, scopes
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import Caller, person
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer


class Wishes(Struct, frozen=True, forbid_unknown_fields=True):
    """All of them: what is left out is as it is for who has said nothing."""

    ways: tuple[Way, ...] = Preferences(user_id="").ways
    private: bool = False
    quiet: tuple[str, str] | None = None
    time_zone: str = "UTC"


def _own(who: Caller) -> None:
    """Raises `Forbidden` for a client that may not have these scopes any more."""
    if scopes.NOTIFICATIONS.isdisjoint(scopes.of_account(who.client)):
        raise Forbidden("Only the organisation's own apps may change how a person is told, and agents never.")


class Notifications:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        verb = "read" if request.method in {"GET", "HEAD"} else "update"
        who, user = await person(request, machines, scopes=(f"{verb}:me:notifications",))
        _own(who)
        if verb == "read":
            return json_answer(await self._shown(user, await machines.store.preferences.get(user.id)))
        try:
            wishes = msgspec.json.decode(await request.body(), type=Wishes)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"The body is not what a person can wish: {error}") from error
        wished = Preferences(user_id=user.id, **msgspec.structs.asdict(wishes))
        kept = await wish(machines, wished, client=who.client.id, address=request.address)
        return json_answer(await self._shown(user, kept))

    async def _shown(self, user: User, kept: Preferences) -> dict[str, Any]:
        store = self._machines.store
        organisation = await store.organisation.get("organisation")
        channels = organisation.channels if organisation else {}
        shown: dict[str, Any] = {
            "ways": list(kept.ways),
            "available": [way for way in notifying.WAYS if way in channels],
            "private": kept.private,
            "quiet": kept.quiet,
            "time_zone": kept.time_zone,
            "browsers": [
                {"id": each.id, "device": each.device, "created_at": each.created_at}
                for each in await store.push_subscriptions.of_user(user.id)
            ],
        }
        if kept.topic and "ntfy" in channels:
            shown["ntfy"] = {"server": channels["ntfy"]["server"], "topic": kept.topic}
        return shown


class Browser:
    def __init__(self, machines: Machines, web_push: WebPush) -> None:
        self._machines, self._web_push = machines, web_push

    async def __call__(self, request: Request) -> Answer:
        who, user = await person(request, self._machines, scopes=("update:me:notifications",))
        _own(who)
        await self._web_push.unsubscribe(user, request.params["id"], address=request.address)
        return Answer(204, headers=NO_STORE)

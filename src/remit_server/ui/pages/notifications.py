"""/notifications: by which ways the person is told that an agent waits, when, and how much is said there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast, get_args
from zoneinfo import ZoneInfo, available_timezones

from remit_server.approvals.channels.notice import Addressed, Channel, zone_of
from remit_server.approvals.channels.ways import Tried
from remit_server.approvals.channels.wishes import wish
from remit_server.errors import InvalidRequest
from remit_server.records import Preferences, User
from remit_server.records.notification import Way
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import posted, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.notifications import NotificationsView, Outcome, WayView
from remit_server.wire.form import Form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

LABELS: Final = {"web_push": "Push", "email": "E-mail", "ntfy": "ntfy"}
PLACES: Final = ("first", "second", "third")
LACKS: Final = {
    "web_push": "No device is told yet.",
    "email": "Nobody has confirmed that your e-mail address is yours.",
    "ntfy": "You get a topic of your own as soon as you choose it.",
}
ZONES: Final = tuple(sorted(available_timezones()))


class Notifications:
    """The page, and the form by which the person changes their wishes."""

    def __init__(self, machines: Machines, pages: Pages, channels: Mapping[str, Channel]) -> None:
        self._machines, self._pages, self._channels = machines, pages, channels

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        if request.method != "POST":
            who = await visitor(request, machines)
            person = signed_in(who)
            if person is None:
                return await sign_in_first(machines, who, "/notifications")
            return await self.page(who, person[0])
        sent = await posted(request, machines, back="/notifications")
        if isinstance(sent, Answer):
            return sent
        wished = _wished(sent.form, sent.user, await machines.store.preferences.get(sent.user.id), await self._set_up())
        try:
            await wish(machines, wished, address=request.address)
        except InvalidRequest as error:
            return await self.page(sent.who, sent.user, wished=wished, error=error.text)
        return await self.page(sent.who, sent.user, done="Saved.")

    async def page(
        self,
        who: Visitor,
        user: User,
        *,
        wished: Preferences | None = None,
        tried: tuple[Tried, ...] = (),
        done: str | None = None,
        error: str | None = None,
    ) -> Answer:
        """`wished` is what was typed, when it could not be kept."""
        machines = self._machines
        kept = wished or await machines.store.preferences.get(user.id)
        channels = await self._set_up()
        view = NotificationsView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            now=machines.clock.now(),
            ways=tuple([await self._way(way, user, kept) for way in channels]),
            chosen=tuple(way for way in kept.ways if way in channels),
            topic=f"{channels['ntfy']['server'].rstrip('/')}/{kept.topic}"
            if kept.topic and "ntfy" in channels
            else None,
            private=kept.private,
            quiet=kept.quiet,
            time_zone=kept.time_zone,
            zones=ZONES,
            tried=tuple(Outcome(label=LABELS[each.way], why=each.why) for each in tried),
            done=done,
            error=error,
        )
        return self._pages(Page(view, 400 if error else 200))

    async def _set_up(self) -> dict[str, Any]:
        """What the organisation has set up of the ways to tell a person."""
        organisation = await self._machines.store.organisation.get("organisation")
        channels = organisation.channels if organisation else {}
        return {way: channels[way] for way in LABELS if way in channels}

    async def _way(self, way: str, user: User, kept: Preferences) -> WayView:
        whom = Addressed(user=user, preferences=kept, zone=zone_of(kept.time_zone) or ZoneInfo("UTC"))
        where = None
        if await self._channels[way].reaches(whom):
            devices = len(await self._machines.store.push_subscriptions.of_user(user.id)) if way == "web_push" else 0
            told = "one device" if devices == 1 else f"{devices} devices"
            where = {"web_push": told, "email": user.email, "ntfy": "your own topic"}[way]
        return WayView(value=way, label=LABELS[way], where=where, lacks=None if where else LACKS[way])


def _wished(form: Form, user: User, kept: Preferences, set_up: Iterable[str]) -> Preferences:
    """What the form says. A way that is not set up now is not on the page: what the person said of it stays, at the end."""
    chosen = [way for place in PLACES if (way := form.get(place)) in get_args(Way)]
    ways = dict.fromkeys([*chosen, *(way for way in kept.ways if way not in set_up)])
    return Preferences(
        user_id=user.id,
        ways=cast("tuple[Way, ...]", tuple(ways)),
        private=form.has("private"),
        quiet=(form.get("from") or "", form.get("until") or "") if form.has("quiet") else None,
        time_zone=form.get("time_zone") or "UTC",
    )

"""What a person wishes: seen and changed, on a page or by an app of the organisation's own."""

from __future__ import annotations

import msgspec

from remit_server.approvals.channels.notice import zone_of
from remit_server.errors import InvalidRequest
from remit_server.records import Preferences
from remit_server.rules import notifying
from remit_server.runtime.ids import new_secret
from remit_server.runtime.machines import Machines


async def wish(machines: Machines, wished: Preferences, *, client: str | None = None, address: str = "") -> Preferences:
    """Keep these wishes; the person's ntfy topic is made when they first want that way, and stays. Raises `InvalidRequest`."""
    notifying.judge(wished)
    if zone_of(wished.time_zone) is None:
        raise InvalidRequest("There is no time zone of this name.")
    store = machines.store
    topic = (await store.preferences.get(wished.user_id)).topic
    if "ntfy" in wished.ways and not topic:
        topic = new_secret()
    kept = msgspec.structs.replace(wished, topic=topic)
    event = machines.event(
        "notifications.changed", user=kept.user_id, client=client, subject=kept.user_id, address=address,
        ways=list(kept.ways), private=kept.private, quiet=list(kept.quiet or ()), time_zone=kept.time_zone,
    )  # fmt: skip
    await store.commit(store.preferences.put(kept), events=(event,))
    return kept

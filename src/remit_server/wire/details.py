"""authorization_details in: which types there are, which the APIs take, and the judged details."""

from __future__ import annotations

from remit_server.catalog.load import detail_types
from remit_server.records import Client, DetailType
from remit_server.rules import details as rules
from remit_server.runtime.machines import Machines
from remit_server.wire.form import Form


async def known_types(machines: Machines) -> dict[str, DetailType]:
    """The catalog's types, and the organisation's own, which come first."""
    return {**detail_types(), **{kind.type: kind for kind in await machines.store.detail_types.all()}}


async def asked_details(machines: Machines, client: Client, form: Form, audiences: tuple[str, ...]) -> rules.Details:
    """The details that a request asks for; without an audience, those of any API that the client may call."""
    text = form.get("authorization_details")
    if text is None:
        return ()
    allowed: set[str] = set()
    undescribed: set[str] = set()
    for audience in audiences or tuple(client.apis):
        api = await machines.store.apis.get(audience)
        if api is not None:
            allowed |= set(api.authorization_details)
            undescribed |= set(api.undescribed_details)
    return rules.judge(text, await known_types(machines), allowed, undescribed)

"""From what a request asks to what this client may have: audiences and scopes, settled together."""

from __future__ import annotations

from msgspec import Struct

from remit_server.errors import InvalidGrant, InvalidTarget
from remit_server.records import Client
from remit_server.rules import scopes as scope_rules
from remit_server.rules import targets
from remit_server.runtime.machines import Machines
from remit_server.wire.form import Form


class Target(Struct, frozen=True):
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]


def own_audiences(machines: Machines) -> dict[str, tuple[str, ...]]:
    """Audiences of this server itself, and their scopes: the person's account, and userinfo."""
    return {machines.settings.url("/me/"): scope_rules.ACCOUNT, machines.settings.url("/userinfo"): ()}


async def settle(machines: Machines, client: Client, form: Form, *, strict: bool = False, user: bool = True) -> Target:
    """What is asked for, as far as the client may have it. `user` is False for a client that acts for itself: it has no
    identity scopes. Raises `InvalidTarget` or `InvalidScope`."""
    own = own_audiences(machines)
    asked = targets.wanted(form.all("resource"), form.all("audience"))
    if not asked and machines.settings.default_audience:
        asked = (machines.settings.default_audience,)
    audiences = targets.allowed(client, asked, tuple(own))
    wanted = scope_rules.parse(form.get("scope")) or scope_rules.parse(client.default_scope if user else None)
    open_: list[str] = []
    for audience in audiences:
        if audience in own:
            open_ += own[audience]
            continue
        api = await machines.store.apis.get(audience)
        if api is None:
            raise InvalidTarget(f"The resource {audience!r} is unknown.")
        open_ += [scope for scope in client.apis[audience] if scope in api.scopes]
    if not user:
        wanted = tuple(scope for scope in wanted if scope not in scope_rules.IDENTITY) if wanted else tuple(open_)
    return Target(audiences, scope_rules.grantable(client, wanted, open_, strict=strict))


async def remaining(
    machines: Machines, client: Client, audiences: tuple[str, ...], scopes: tuple[str, ...]
) -> tuple[str, ...]:
    """Of scopes that were granted earlier, those that the client may have today: what it is registered for may have shrunk
    since. Raises `InvalidGrant` when it lost an audience, so that it asks anew."""
    own = own_audiences(machines)
    open_ = set(scope_rules.IDENTITY)
    for audience in audiences:
        if audience in own:
            open_.update(own[audience])
            continue
        api = await machines.store.apis.get(audience)
        if api is None or audience not in client.apis:
            raise InvalidGrant(f"This client may no longer ask for {audience!r}.")
        open_.update(api.scopes.keys() & client.apis[audience])
    return tuple(scope for scope in scopes if scope in open_)

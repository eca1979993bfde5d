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


def own_audiences(machines: Machines, client: Client) -> dict[str, tuple[str, ...]]:
    """Audiences of this server itself, and their scopes for a client: the person's account, the vault, and userinfo."""
    url, own = machines.settings.url, {"/me/": scope_rules.of_account(client), "/vault/": scope_rules.of_vault(client)}
    return {**{url(path): scopes for path, scopes in own.items() if scopes}, url("/userinfo"): ()}


async def settle(machines: Machines, client: Client, form: Form, *, strict: bool = False, user: bool = True) -> Target:
    """What is asked for, as far as the client may have it. `user` is False for a client that acts for itself: it has no
    identity scopes. Raises `InvalidTarget` or `InvalidScope`."""
    own = own_audiences(machines, client)
    asked = targets.wanted(form.all("resource"), form.all("audience"))
    if not asked and machines.settings.default_audience:
        asked = (machines.settings.default_audience,)
    audiences = targets.allowed(client, asked, tuple(own))
    wanted = scope_rules.parse(form.get("scope")) or scope_rules.parse(client.default_scope if user else None)
    open_ = await _open(machines, client, audiences)
    if not user:
        wanted = tuple(scope for scope in wanted if scope not in scope_rules.IDENTITY) if wanted else tuple(open_)
    return Target(audiences, scope_rules.grantable(client, wanted, open_, strict=strict))


async def remaining(
    machines: Machines, client: Client, audiences: tuple[str, ...], scopes: tuple[str, ...]
) -> tuple[str, ...]:
    """Of scopes that were granted earlier, those that the client may have today: what it is registered for may have shrunk
    since. Raises `InvalidGrant` when it lost an audience, so that it asks anew."""
    try:
        open_ = {*scope_rules.IDENTITY, *await _open(machines, client, audiences)}
    except InvalidTarget as error:
        raise InvalidGrant(f"This client may no longer ask for all of {' '.join(audiences)}.") from error
    return tuple(scope for scope in scopes if scope in open_)


async def _open(machines: Machines, client: Client, audiences: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that a client may have in one token for these audiences.

    APIs may call different things by one name, and each of them reads all of the token: a name that one of them has, and does
    not open to this client, stays out of it. Raises `InvalidTarget`.
    """
    own = own_audiences(machines, client)
    open_: list[str] = []
    closed: set[str] = set()
    for audience in audiences:
        if audience in own:
            open_ += own[audience]
            continue
        api = await machines.store.apis.get(audience)
        if api is None or audience not in client.apis:
            raise InvalidTarget(f"The resource {audience!r} is unknown or not allowed for this client.")
        open_ += [scope for scope in client.apis[audience] if scope in api.scopes]
        closed |= api.scopes.keys() - set(client.apis[audience])
    return tuple(scope for scope in open_ if scope not in closed)

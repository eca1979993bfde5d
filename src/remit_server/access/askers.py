"""Who may ask about whom.

A person's access token asks about that person. A client that proves itself asks about the people who have an agreement with
it. A client of kind api or service that is registered for the access API asks about anybody, and it alone may use `/stores`:
what it sees there, it sees with any token for that API; to change anything takes a scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remit_server.errors import Forbidden, InvalidRequest, InvalidToken
from remit_server.records import Client
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import Caller, caller
from remit_server.wire.client_auth import authenticate
from remit_server.wire.form import parse_form
from remit_server.wire.http import Request

_ANYBODY = frozenset({"api", "service"})
WRITE: Final = "relations:write"
"""To write and delete tuples: who may see what."""
ADMIN: Final = "relations:admin"
"""To create and delete stores, and to write models and their assertions: what a relation means."""


@dataclass(frozen=True)
class Asker:
    """Who asks. `user_id` is whom their token is for, None for a client that asks for itself."""

    client: Client
    user_id: str | None
    anybody: bool = False


def audience(machines: Machines) -> str:
    """The API that tokens for the access API are for."""
    return machines.settings.access_audience or machines.settings.url("/access/")


async def asker(request: Request, machines: Machines) -> Asker:
    """Who asks by AuthZEN. Raises `InvalidToken`, `InvalidClient` or `Forbidden`."""
    scheme = (request.header("authorization") or "").partition(" ")[0].lower()
    if scheme not in {"bearer", "dpop"}:
        return await _client(request, machines)
    shown = await _caller(request, machines)
    if shown.client.dynamic:
        raise Forbidden("A client that registered itself may not ask about access.")
    if shown.user is not None:
        return Asker(shown.client, shown.user.id)
    return Asker(shown.client, None, _trusted(shown, machines))


async def _client(request: Request, machines: Machines) -> Asker:
    client = await authenticate(request, await parse_form(request), machines)
    if not client.confidential or client.dynamic:
        raise Forbidden("Only a registered client that can keep a secret may ask about access.")
    return Asker(client, None, client.kind in _ANYBODY and audience(machines) in client.apis)


async def service(request: Request, machines: Machines, scope: str | None = None) -> Client:
    """The client behind a request to `/stores`. Raises `InvalidToken`, `InsufficientScope` or `Forbidden`."""
    scopes = () if scope is None else (scope,)
    shown = await caller(request, machines, audience=audience(machines), scopes=scopes)
    if not _trusted(shown, machines):
        raise Forbidden("Only a client of kind api or service, acting for itself, may use this API.")
    return shown.client


async def _caller(request: Request, machines: Machines) -> Caller:
    shown = await caller(request, machines)
    # A token that was made for somebody else's API is not for us to take: its holder could be anyone it was shown to. Userinfo
    # stands beside such an API, too; alone it means a token for no API in particular.
    audiences, userinfo = shown.token.audiences, machines.settings.url("/userinfo")
    if {audience(machines), machines.settings.url("/me/")}.isdisjoint(audiences) and audiences != (userinfo,):
        raise InvalidToken(
            detail=f"the token is for {shown.token.audiences}",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    return shown


def _trusted(shown: Caller, machines: Machines) -> bool:
    return (
        shown.token.user_id is None
        and shown.client.kind in _ANYBODY
        and audience(machines) in shown.token.audiences
        and not shown.client.dynamic
    )


def anybody(who: Asker) -> None:
    """Whether they may search for subjects, or through what a model defines. Raises `Forbidden`."""
    if not who.anybody:
        raise Forbidden("You may search for the resources of a user only.")


async def about(machines: Machines, who: Asker, kind: str, id_: str) -> None:
    """Whether they may ask about this subject. Raises `Forbidden`, the same for a person who is not there."""
    if who.anybody or (kind == "agent" and id_ == who.client.id):
        return
    if kind != "user":
        raise Forbidden("You may ask about a user only, and about yourself.")
    if who.user_id is not None:
        if id_ != who.user_id:
            raise Forbidden("This token may ask about its own user only.")
        return
    if "\0" in id_:
        raise InvalidRequest
    if not await machines.store.grants.live(id_, who.client.id):
        raise Forbidden("This user has no agreement with this client.")

"""The records that a manifest asks for, over those that are there: what it does not speak of stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from remit_server.catalog import load
from remit_server.errors import ConfigurationError
from remit_server.management.manifest import declared as d
from remit_server.management.manifest import needs
from remit_server.management.manifest.check import (
    entry_of,
    methods_of,
    policy_name,
    secrets_of,
    settings_of,
    text_of,
    written,
)
from remit_server.management.manifest.relations import model_of, tuples_of
from remit_server.records import Api, Client, Connection, DetailType, Organisation, Policy, User
from remit_server.rules import providers
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.ids import id_after, new_id
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.secrets import Peppers
from remit_server.storage.store import Store

STORES = "relation store"
KINDS = ("user", "api", "client", "connection", "detail type", STORES, "policy")


class ModelledStore(Struct, frozen=True, kw_only=True):
    """A relation store with its newest model."""

    id: str
    name: str
    model: dict[str, Any]
    model_id: str
    created_at: int


class State(Struct, frozen=True, kw_only=True):
    """Records by kind and key, as they are or as they are wanted; and, by the store's name, the relation tuples
    that the manifest names or an earlier one brought."""

    organisation: Organisation = Organisation()
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tuples: Mapping[str, frozenset[RelationTuple]] = field(default_factory=dict)
    accounts: Mapping[str, int] = field(default_factory=dict)
    """How many accounts people have connected, by the name of the connection; only of what is there."""


async def present(store: Store, manifest: d.Manifest) -> State:
    """What is there of everything that the manifest names or an earlier one brought."""
    organisation = await store.organisation.get("organisation") or Organisation()
    users = {}
    for named in manifest.users:
        found = await store.users.get(named.id) if named.id else None
        if found is None and (found := await store.users.by_email(named.email)) and named.id not in {None, found.id}:
            raise ConfigurationError(
                f"{named.email} is there already, as {found.id}; {named.id} cannot have that address"
            )
        if found is not None:
            users[found.id] = found
    for key in organisation.applied.get("user", ()):
        if key not in users and (old := await store.users.get(key)):
            users[key] = old
    stores = await _stores(store, manifest, organisation)
    return State(
        organisation=organisation,
        records={
            "user": users,
            "api": {one.identifier: one for one in await store.apis.all()},
            "client": {one.id: one for one in await store.clients.all()},
            "connection": {one.name: one for one in await store.connections.all()},
            "detail type": {one.type: one for one in await store.detail_types.all()},
            STORES: stores,
            "policy": {one.name: one for one in await store.policies.all()},
        },
        tuples=await _tuples(store, manifest, organisation, stores),
        accounts=await store.connected_accounts.counts(),
    )


async def _stores(store: Store, manifest: d.Manifest, organisation: Organisation) -> dict[str, ModelledStore]:
    names = dict.fromkeys((*(one.name for one in manifest.relations.stores), *organisation.applied.get(STORES, ())))
    found = {}
    for name in names:
        if one := await store.relations.store_named(name):
            newest = await store.relation_models.get(one.id, one.model_id)
            model = newest.model if newest else {}
            found[name] = ModelledStore(
                id=one.id, name=name, model=model, model_id=one.model_id, created_at=one.created_at
            )
    return found


async def _tuples(
    store: Store, manifest: d.Manifest, organisation: Organisation, stores: Mapping[str, ModelledStore]
) -> dict[str, frozenset[RelationTuple]]:
    named: dict[str, dict[tuple[str, str, str], RelationTuple]] = {name: {} for name in stores}
    for text in organisation.applied.get("tuple", ()):
        name, one = read_tuple(text)
        named.get(name, {})[one.key] = one
    for declared in manifest.relations.stores:
        named.get(declared.name, {}).update((one.key, one) for one in tuples_of(declared))
    return {
        name: frozenset(await store.relations.present(stores[name].id, tuples.values()))
        for name, tuples in named.items()
    }


def spelled_tuple(store: str, one: RelationTuple) -> str:
    """As the organisation remembers that a manifest brought it."""
    return f"{store} {one.object}#{one.relation}@{one.subject}"


def read_tuple(text: str) -> tuple[str, RelationTuple]:
    """The store's name and the tuple of what `spelled_tuple` made."""
    name, _, one = text.rpartition(" ")
    object_, _, rest = one.partition("#")
    relation, _, subject = rest.partition("@")
    return name, RelationTuple(object_, relation, subject)


async def wanted(manifest: d.Manifest, now_there: State, passwords: Passwords, peppers: Peppers, now: int) -> State:
    """What the manifest asks for. Passwords that are right already keep their hash, so that nothing changes."""
    there = now_there.records
    by_email = {(user.email or "").lower(): user for user in there["user"].values()}
    users = {}
    for user in manifest.users:
        record = await _user(user, by_email.get(user.email.lower()) or there["user"].get(user.id or ""), passwords, now)
        users[record.id] = record
    stores = manifest.relations.stores
    return State(
        organisation=replace(
            now_there.organisation,
            name=manifest.organisation.name,
            domains=tuple(domain.lower() for domain in manifest.organisation.domains),
            settings=settings_of(manifest),
            channels=_channels(manifest.channels),
            needs=tuple(needs.declared(manifest)),
        ),
        records={
            "user": users,
            "api": {one.identifier: _api(one) for one in manifest.apis},
            "client": {one.id: _client(one, there["client"].get(one.id), peppers, now) for one in manifest.clients},
            "connection": {one.name: _connection(one) for one in manifest.connections},
            "detail type": {kind.type: kind for one in manifest.details for kind in [_detail_type(one)]},
            STORES: {one.name: _store(one, there[STORES].get(one.name), now) for one in stores},
            "policy": {policy_name(one): Policy(name=policy_name(one), text=text_of(one)) for one in manifest.policies},
        },
        tuples={one.name: frozenset(tuples_of(one)) for one in stores},
    )


async def _user(user: d.User, there: User | None, passwords: Passwords, now: int) -> User:
    old = there or User(id=user.id or f"remit|{new_id()}", created_at=now, updated_at=now)
    hashed, changed_at = old.password, old.password_changed_at
    if user.password is not None and not await passwords.verify(old.password, user.password.value):
        hashed, changed_at = await passwords.hash(user.password.value), now
    return replace(
        old, email=user.email, email_verified=user.email_verified, name=user.name, groups=user.groups,
        administrator=user.administrator, password=hashed, password_changed_at=changed_at,
    )  # fmt: skip


def _api(api: d.Api) -> Api:
    return Api(
        identifier=api.identifier, name=api.name, scopes=api.scopes, authorization_details=api.authorization_details,
        undescribed_details=api.undescribed_details,
        lifetime=api.token.lifetime, alg=api.token.alg, sender_constrained=api.token.sender_constrained,
        skip_consent=api.skip_consent, dynamic_clients=api.dynamic_clients,
    )  # fmt: skip


def _client(client: d.Client, there: Client | None, peppers: Peppers, now: int) -> Client:
    if there is not None and there.dynamic:
        raise ConfigurationError(f"{client.id} registered itself; a manifest cannot take its id")
    old = there or Client(id=client.id, name=client.name, created_at=now, updated_at=now)
    same = ("name", "kind", "owner", "purpose", "redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri",
            "grants", "apis", "connections", "proxy", "api", "default_scope", "first_party", "require_par",
            "dpop_bound", "backchannel_token_delivery_mode", "backchannel_client_notification_endpoint",
            "backchannel_authentication_request_signing_alg", "backchannel_user_code_parameter")  # fmt: skip
    return replace(
        old,
        **{name: getattr(client, name) for name in same},
        auth_methods=methods_of(client.auth),
        secrets=tuple(peppers.client_secret(secret.value) for secret in secrets_of(client.auth)),
        jwks=client.auth.jwks,
        jwks_uri=client.auth.jwks_uri,
    )


def _connection(connection: d.Connection) -> Connection:
    entry = entry_of(connection)
    assert entry is not None, "the check found it"
    return providers.resolve(entry, written(connection))


def _detail_type(details: d.Details) -> DetailType:
    return load.detail_type(details.document, where="details")


def _store(store: d.RelationStore, there: ModelledStore | None, now: int) -> ModelledStore:
    """A model that differs is a new one, and has an id of its own."""
    old = there or ModelledStore(id=new_id(), name=store.name, model={}, model_id="", created_at=now)
    model = model_of(store)
    return old if model == old.model else replace(old, model=model, model_id=id_after(old.model_id))


def _channels(channels: d.Channels) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if channels.email:
        found["email"] = {"smtp": channels.email.smtp.value, "from": channels.email.sender}
    if channels.web_push:
        # As it will be read back, with lists for tuples: else applying twice would find a difference.
        found["web_push"] = msgspec.json.decode(msgspec.json.encode(channels.web_push))
    if ntfy := channels.ntfy:
        found["ntfy"] = {"server": ntfy.server} | ({"token": ntfy.token.value} if ntfy.token else {})
    if channels.webhooks:
        found["webhooks"] = [
            {"name": each.name, "url": each.url, "secret": each.secret.value} for each in channels.webhooks
        ]
    return found

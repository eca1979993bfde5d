"""Put a manifest into force: everything but relation tuples in one unit, so that it holds as a whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from remit_server.errors import TemporarilyUnavailable
from remit_server.management.manifest.declared import Manifest
from remit_server.management.manifest.plan import Change, Plan, Tuples, plan
from remit_server.management.manifest.wanted import STORES, State, present, wanted
from remit_server.management.set_up import FIRST, can_sign_in
from remit_server.records import Actor, Event
from remit_server.rules.relations.model import compiled
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.secrets import Peppers
from remit_server.storage.contract import Lost, Step
from remit_server.storage.groups.relation_models import RelationModel
from remit_server.storage.groups.relation_writes import Clash, Done, StoreGone, Write
from remit_server.storage.groups.relations import RelationStore
from remit_server.storage.groups.rows import Directory
from remit_server.storage.store import Store

LEASE_SECONDS = 60
TUPLES_AT_ONCE = 1000


@dataclass(frozen=True)
class Applier:
    """Compares manifests with a store and puts them into force."""

    store: Store
    clock: Clock
    passwords: Passwords
    peppers: Peppers

    async def plan(self, manifest: Manifest) -> Plan:
        """What applying would change now. Raises `ConfigurationError` when an address or an id is somebody else's."""
        there = await present(self.store, manifest)
        return plan(there, await self._wanted(manifest, there))

    async def apply(self, manifest: Manifest) -> Plan:
        """Apply, and answer what was changed. Nodes that start together with one manifest take turns.

        Raises `ConfigurationError`; `TemporarilyUnavailable` when another node has been applying for a minute.
        """
        async with self._turn() as holder:
            found = await self.plan(manifest)
            if found:
                await self._carry_out(found, holder)
            return found

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[str]:
        """The lease, renewed for as long as the block runs: the passwords of a thousand people take a minute to hash."""
        holder = new_id()
        for _ in range(LEASE_SECONDS * 5):
            if await self.store.leases.take("apply", holder, self.clock.now(), LEASE_SECONDS):
                break
            await asyncio.sleep(0.2)
        else:
            raise TemporarilyUnavailable("Another process is applying a configuration.")
        renewal = asyncio.create_task(self._renew(holder))
        try:
            yield holder
        finally:
            renewal.cancel()
            await self.store.leases.leave("apply", holder)

    async def _renew(self, holder: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await self.store.leases.take("apply", holder, self.clock.now(), LEASE_SECONDS)

    async def _wanted(self, manifest: Manifest, there: State) -> State:
        return await wanted(manifest, there, self.passwords, self.peppers, self.clock.now())

    async def _carry_out(self, found: Plan, holder: str) -> None:
        steps: list[Step] = [self.store.leases.keep("apply", holder, self.clock.now(), LEASE_SECONDS)]
        events: list[Event] = []
        # Stores first: somebody may have put a model meanwhile, and then nothing is done yet. Then removals: an address or a
        # name may go from one record to another.
        for change in sorted(found.changes, key=lambda change: (change.kind != STORES, change.act != "remove")):
            steps += await self._steps(change)
            events += self._events(change)
        steps.append(self.store.organisation.put(found.until_written))
        lines = [f"{change.act} {change.kind} {change.key}" for change in found.changes]
        if found.changes or found.tuples:
            events.append(
                self._event("configuration.applied", changes=lines, tuples=[str(one) for one in found.tuples])
            )
        try:
            await self.store.commit(*steps, events=tuple(events))
        except Lost as lost:
            if lost.step == 0:
                raise TemporarilyUnavailable("Another process took over while this one was held up.") from lost
            raise TemporarilyUnavailable("Others changed the same in the meantime. Apply once more.") from lost
        for tuples in found.tuples:
            await self._write(tuples)
        if found.until_written != found.organisation:
            keep = self.store.leases.keep("apply", holder, self.clock.now(), LEASE_SECONDS)
            with suppress(Lost):  # another process applies by now, and remembers what it finds
                await self.store.commit(keep, self.store.organisation.put(found.organisation))

    async def _steps(self, change: Change) -> Sequence[Step]:  # noqa: PLR0911 - a line a kind
        store, now = self.store, self.clock.now()
        match change.kind, change.act:
            case "organisation", _:
                return ()  # it is written at the end in any case
            case "user", "remove":
                return await self._remove_user(change.old.id)
            case "user", _:
                return await self._put_user(change, now)
            case "client", "create":
                return (store.clients.add(replace(change.new, updated_at=now)),)
            case "client", "change":
                return (store.clients.change(replace(change.new, updated_at=now)),)
            case "client", "remove":
                return (
                    store.clients.remove(change.key), store.lendings.end_of_client(change.key),
                    store.allowances.forget_client(change.key),
                )  # fmt: skip
            case "relation store", "remove":
                return store.relations.remove_store(change.old.id, now), store.relation_models.undefine(change.old.id)
            case "relation store", _:
                return self._put_model(change, now)
        directory = self._directories[change.kind]
        return (directory.remove(change.key) if change.act == "remove" else directory.put(change.new),)

    @property
    def _directories(self) -> dict[str, Directory[Any]]:
        store = self.store
        return {
            "api": store.apis, "client": store.clients, "connection": store.connections,
            "detail type": store.detail_types, "policy": store.policies,
        }  # fmt: skip

    def _put_model(self, change: Change, now: int) -> Sequence[Step]:
        new, before = change.new, change.old.model_id if change.old else ""
        model = RelationModel(id=new.model_id, model=new.model, created_at=now)
        steps = self.store.relation_models.put(new.id, before, model, compiled(new.model).types)
        if change.old is not None:
            return steps
        record = RelationStore(id=new.id, name=new.name, created_at=now, updated_at=now)
        return self.store.relations.add_store(record), *steps

    async def _put_user(self, change: Change, now: int) -> Sequence[Step]:
        user = replace(change.new, updated_at=now)
        steps = [self.store.users.put(user) if change.old else self.store.users.add(user)]
        if change.old is not None and change.old.password != user.password:
            steps.append(self.store.sessions.end_all(user.id, now))
        if user.administrator and await can_sign_in(self.store, user):
            steps.append(may_miss(self.store.secrets.add(FIRST, user.id.encode())))
        return steps

    async def _remove_user(self, user_id: str) -> Sequence[Step]:
        """With all that hangs on the person: should the id come back, nothing of the old comes with it."""
        store, now = self.store, self.clock.now()
        return (
            *(
                may_miss(store.grants.revoke(grant.id, now, "user removed"))
                for grant in await store.grants.of_user(user_id)
            ),
            # The rows go when the vault has told the providers, or has given up telling them.
            store.connected_accounts.part(user_id, now),
            store.lendings.end_of_user(user_id),
            store.allowances.forget_user(user_id),
            store.blocked_askers.forget_user(user_id),
            may_miss(store.second_factors.forget(user_id)),
            store.passkeys.forget(user_id),
            store.preferences.forget(user_id),
            store.push_subscriptions.forget(user_id),
            store.sessions.end_all(user_id, now),
            store.users.remove(user_id),
        )

    async def _write(self, tuples: Tuples) -> None:
        one = await self.store.relations.store_named(tuples.store)
        if one is None:
            raise TemporarilyUnavailable("Others changed the same relations in the meantime.")
        gone, new = ({each.key: each for each in some} for some in (tuples.removed, tuples.added))
        keys, revision = list(gone | new), one.revision

        def event(done: Done) -> Event:
            told = {"revision": done.revision, "written": len(done.written), "deleted": len(done.deleted)}
            return self._event("access.written", one.id, store=one.name, **told)

        for start in range(0, len(keys), TUPLES_AT_ONCE):
            some = keys[start : start + TUPLES_AT_ONCE]
            asked = Write(
                self.clock.now(), event, [new[key] for key in some if key in new], [gone[key] for key in some if key in gone],
                on_duplicate="ignore", on_missing="ignore",
            )  # fmt: skip
            try:
                revision = (await self.store.relations.write(one.id, revision, asked)).revision
            except (Clash, StoreGone) as error:
                raise TemporarilyUnavailable("Others changed the same relations in the meantime.") from error

    def _events(self, change: Change) -> Sequence[Event]:
        kinds = {"create": "created", "change": "changed", "remove": "removed"}
        if change.kind in {"client", "user"}:
            about = {"changed": [line.partition(":")[0] for line in change.lines]} if change.lines else {}
            return (self._event(f"{change.kind}.{kinds[change.act]}", (change.new or change.old).id, **about),)
        return ()

    def _event(self, kind: str, subject: str | None = None, **about: Any) -> Event:
        return Event(id=new_id(), at=self.clock.now(), kind=kind, actor=Actor(), subject=subject, about=about)


def may_miss(step: Step) -> Step:
    """The step, which may find its work done already."""
    return Step(step.statement, step.params, may_miss=True, wake=step.wake)

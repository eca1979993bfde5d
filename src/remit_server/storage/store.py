"""The store: an engine, the barrier over it, and typed groups on top. Rooms know only this."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from remit_server.records import Api, Connection, DetailType, Organisation, Policy
from remit_server.records.event import Event
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Row, Step, Unit
from remit_server.storage.groups.agreements import Codes, Grants, Once, PushedRequests, Tokens
from remit_server.storage.groups.allowances import Allowances
from remit_server.storage.groups.approvals import Approvals, BlockedAskers
from remit_server.storage.groups.clients import Clients
from remit_server.storage.groups.connections import ConnectAttempts, ConnectedAccounts
from remit_server.storage.groups.deliveries import Deliveries
from remit_server.storage.groups.keys import DataKeys, Secrets, SigningKeys
from remit_server.storage.groups.leases import Leases
from remit_server.storage.groups.lendings import Lendings
from remit_server.storage.groups.passkeys import Passkeys
from remit_server.storage.groups.people import Interactions, Sessions, Users
from remit_server.storage.groups.preferences import PreferencesOf, PushSubscriptions
from remit_server.storage.groups.proxied_calls import ProxiedCalls
from remit_server.storage.groups.relation_models import RelationModels
from remit_server.storage.groups.relations import Relations
from remit_server.storage.groups.rows import Directory, Rows
from remit_server.storage.groups.second_factors import SecondFactors
from remit_server.storage.groups.trail import Trail
from remit_server.storage.keyring import Keyring, SealedReads
from remit_server.storage.sql import tables as t


class Store:
    def __init__(self, engine: Engine, barrier: Barrier, keyring: Keyring | None = None) -> None:
        """Without a keyring the barrier's keys are all there will ever be, as in a tool that runs alone."""
        sealed: Engine = SealedReads(engine, keyring, barrier) if keyring else engine
        self.engine = engine
        self.barrier = barrier
        self._keyring = keyring
        self.organisation = Directory(sealed, Rows(t.ORGANISATION, Organisation, barrier=barrier))
        self.clients = Clients(engine)
        self.apis = Directory(engine, Rows(t.APIS, Api))
        self.detail_types = Directory(engine, Rows(t.DETAIL_TYPES, DetailType))
        self.policies = Directory(engine, Rows(t.POLICIES, Policy))
        self.connections = Directory(sealed, Rows(t.CONNECTIONS, Connection, barrier=barrier))
        self.users = Users(engine)
        self.sessions = Sessions(engine)
        self.second_factors = SecondFactors(sealed, barrier)
        self.passkeys = Passkeys(sealed, barrier)
        self.interactions = Interactions(sealed, barrier)
        self.grants = Grants(engine)
        self.codes = Codes(engine)
        self.tokens = Tokens(engine)
        self.pushed_requests = PushedRequests(engine)
        self.once = Once(engine)
        self.approvals = Approvals(sealed, barrier)
        self.blocked_askers = BlockedAskers(engine)
        self.deliveries = Deliveries(engine)
        self.preferences = PreferencesOf(sealed, barrier)
        self.push_subscriptions = PushSubscriptions(sealed, barrier)
        self.allowances = Allowances(sealed, barrier)
        self.connected_accounts = ConnectedAccounts(sealed, barrier)
        self.lendings = Lendings(sealed, barrier)
        self.connect_attempts = ConnectAttempts(sealed, barrier)
        self.proxied_calls = ProxiedCalls(engine)
        self.signing_keys = SigningKeys(sealed, barrier)
        self.secrets = Secrets(sealed, barrier)
        self.data_keys = DataKeys(engine)
        self.relations = Relations(engine)
        self.relation_models = RelationModels(engine)
        self.leases = Leases(engine)
        self.trail = Trail(engine)
        self.watch: Callable[[Unit], AbstractContextManager[Any]] = lambda _: nullcontext()
        """Is around every commit; an operator's counts and spans hang here."""

    async def commit(
        self, *steps: Step, events: tuple[Event, ...] = (), wakes: tuple[str, ...] = ()
    ) -> list[Row | None]:
        """Write one unit. Raises `Lost` when a deciding step finds nothing to change, `Busy` when it cannot be written now."""
        unit = Unit(steps, events, wakes)
        with self.watch(unit):
            return await self.engine.commit(unit)

    async def close(self) -> None:
        if self._keyring:
            await self._keyring.close()
        await self.engine.close()

"""The connect flow: a link, a trip to the provider, and an account that is kept.

Two ways end differently. An app that speaks the My Account API gives a redirect URI, and what the provider answered waits
until the app proves with `complete` that it is still the one who asked. A link that a person opens by themselves, or that an
agent was given instead of a token, ends here.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

import msgspec

from remit_server.errors import AccessDenied, Conflict, InvalidRequest, NotFound, ProtocolError, TooManyRequests
from remit_server.records import Client, ConnectAttempt, ConnectedAccount, Connection, Event, User
from remit_server.records.connection import DONE, HELD, RETURNED, SENT, WELL
from remit_server.rules import connecting, providers, sharing
from remit_server.rules.connection import Issued, home_of
from remit_server.rules.redemption import challenge_of
from remit_server.runtime.ids import hashed, new_id, new_secret
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import OutboundRefused
from remit_server.runtime.ports import Act
from remit_server.storage.contract import Lost, Step
from remit_server.vault import upstream
from remit_server.vault.lend import lent
from remit_server.wire.tokens import permitted

RACES = 4
"""How often keeping an account is tried again because somebody changed it in this moment."""


class Begun(msgspec.Struct, frozen=True):
    """A flow, and the two secrets that were made for it."""

    attempt: ConnectAttempt
    ticket: str
    auth_session: str


class NotConnectedHere(ProtocolError):
    """The provider did not give an account. `text` is for the person."""

    code = "access_denied"
    may_redirect = False


async def begin(
    machines: Machines, user: User, connection_name: str, *, client: Client | None = None,
    wish: connecting.Wish | None = None, scopes: tuple[str, ...] = (), account: ConnectedAccount | None = None,
    shared: bool = False,
) -> Begun:  # fmt: skip
    """Start a flow for a person. `account` is the one that is to be renewed or widened; without it, the default one is
    proposed. `shared`: on behalf of the organisation.

    Raises `NotFound` for a connection that is not for this client or not to be shared by this person, `InvalidRequest` for
    scopes that are not, `AccessDenied` when the organisation refuses.
    """
    found = await machines.store.connections.get(connection_name)
    connection = connecting.usable(found, client)
    if shared and not sharing.may_share(connection, user):
        raise NotFound(detail="not to be connected on behalf of the organisation by this person")
    asked = connecting.scopes_to_ask(connection, client, wish.scopes if wish else scopes)
    if client is not None:
        await permitted(
            machines, Act(kind="connect", client=client, user=user, connection=connection.name, scopes=asked)
        )
    ticket, auth_session, now = new_secret(), new_secret(), machines.clock.now()
    attempt = ConnectAttempt(
        ticket=hashed(ticket), user_id=user.id, connection=connection.name, client_id=client.id if client else None,
        shared=shared, account_id=account.id if account else None, redirect_uri=wish.redirect_uri if wish else None,
        state=wish.state if wish else None, challenge=wish.challenge if wish else "", auth_session=hashed(auth_session),
        asked=asked, scopes=asked, authorization_params=wish.authorization_params if wish else {}, created_at=now,
        expires_at=now + connecting.LIFETIME,
    )  # fmt: skip
    await machines.store.commit(machines.store.connect_attempts.add(attempt))
    return Begun(attempt, ticket, auth_session)


async def link(
    machines: Machines, user: User, connection: str, client: Client, scopes: tuple[str, ...] = (), *,
    account: ConnectedAccount | None = None,
) -> str | None:  # fmt: skip
    """A URL that the person may open once to connect what an agent lacks, or to mend or widen `account`; None when the agent
    asks for too many of them, or could not use the account anyway."""
    try:
        machines.throttle.check(f"connect|{client.id}|{user.id}", per_minute=10, burst=20)
        begun = await begin(machines, user, connection, client=client, scopes=scopes, account=account)
    except (AccessDenied, InvalidRequest, NotFound, TooManyRequests):
        return None
    return f"{machines.settings.url('/connect')}?ticket={begun.ticket}"


class Opened(msgspec.Struct, frozen=True):
    """A flow whose person looks at its link."""

    user: User
    attempt: ConnectAttempt
    connection: Connection
    accounts: Sequence[ConnectedAccount]
    """What is connected there already, of those among whom the new one will be."""

    def meant(self, account_id: str | None) -> ConnectedAccount | None:
        """The account that the person wants to renew or widen. Raises `InvalidRequest` for one that is not theirs."""
        if account_id is None:
            return None
        for account in self.accounts:
            if account.id == account_id:
                return account
        raise InvalidRequest("This account is not there any more: go back, and choose again.")


async def opened(machines: Machines, ticket: str, user: User) -> Opened:
    """The flow of a link. Raises `NotFound` for anybody but its person."""
    attempt = await machines.store.connect_attempts.get(hashed(ticket))
    attempt = connecting.open_to(attempt, user, machines.clock.now())
    connection = connecting.usable(await machines.store.connections.get(attempt.connection), None)
    there = await machines.store.connected_accounts.connected(attempt.owner, connection.name)
    return Opened(user, attempt, connection, [each for each in there if each.state != "disconnected"])


class Chosen(msgspec.Struct, frozen=True):
    """What the person says on the start page: which account they mean (None: another one), and whether the agent that asks
    may use it while they are away."""

    account: ConnectedAccount | None = None
    away: bool = False


async def send_upstream(machines: Machines, open_: Opened, chosen: Chosen) -> str:
    """Where the browser goes now. A link may be followed again until the person has come back: the older trip then leads
    nowhere. Raises `NotFound` when they have."""
    attempt, connection = _as_chosen(open_, chosen), await upstream.complete(machines, open_.connection)
    state, verifier = new_secret(), new_secret() + new_secret()
    sent = msgspec.structs.replace(attempt, step=SENT, upstream_state=hashed(state), upstream_verifier=verifier)
    event = machines.event(
        "vault.connect_started", user=attempt.user_id, client=attempt.client_id, connection=connection.name,
        scope=" ".join(attempt.scopes),
    )  # fmt: skip
    await _advance(machines, sent, was=attempt.step, event=event)
    return connecting.authorization_url(
        connection, sent, redirect_uri=connecting.callback(machines.settings.url(""), connection.name), state=state,
        challenge=challenge_of(verifier), account=chosen.account,
    )  # fmt: skip


def _as_chosen(open_: Opened, chosen: Chosen) -> ConnectAttempt:
    return msgspec.structs.replace(
        open_.attempt, away=chosen.away,
        account_id=chosen.account.id if chosen.account else None,
        scopes=connecting.on_top(open_.connection, open_.attempt.asked, chosen.account),
    )  # fmt: skip


async def cancel(machines: Machines, attempt: ConnectAttempt) -> None:
    """The person does not want to. The link is spent."""
    await _advance(machines, msgspec.structs.replace(attempt, step=DONE), was=attempt.step)


async def returned(
    machines: Machines, user: User, path: str, *, state: str, iss: str | None
) -> tuple[ConnectAttempt, Connection]:
    """The flow whose person is back from the provider, taken: nobody else can come back with the same state. Raises
    `NotFound` or `InvalidRequest`."""
    store = machines.store
    attempt = await store.connect_attempts.by_state(hashed(state))
    connection = await store.connections.get(attempt.connection) if attempt else None
    attempt, connection = connecting.came_back(attempt, connection, path, user, iss=iss, now=machines.clock.now())
    taken = msgspec.structs.replace(attempt, step=RETURNED)
    await _advance(machines, taken, was=SENT)
    return taken, connection


async def redeem(
    machines: Machines, attempt: ConnectAttempt, connection: Connection, code: str | None, said: Mapping[str, str]
) -> tuple[ConnectedAccount, str | None]:
    """The account, and the connect code for the client that waits for it; without such a client, the account is kept already.
    `said` are the parameters with which the person came back. Raises `NotConnectedHere`."""
    if code is None:
        raise NotConnectedHere("The provider was not allowed to go on, so nothing was connected.")
    redirect_uri = connecting.callback(machines.settings.url(""), connection.name)
    outcome = await upstream.redeem(machines, connection, attempt, code, redirect_uri)
    if not isinstance(outcome, Issued):
        raise NotConnectedHere("The provider did not complete the connection. Try again.", detail=repr(outcome))
    chosen = providers.kept(connection, "redirect", said)
    nowhere = NotConnectedHere("The provider did not say where the account is. Try again.", detail="account_values")
    here = providers.located(connection, values := outcome.values | chosen, asked=False)
    if here is None:
        raise nowhere
    try:
        whose = await upstream.identity(machines, here, outcome.access_token, outcome.whose)
    except OutboundRefused as error:
        raise NotConnectedHere(
            "The provider did not say whose account it is. Try again.", detail=error.detail
        ) from error
    if providers.located(connection, values := values | whose.values) is None:
        raise nowhere
    now, whose = machines.clock.now(), providers.joined(whose, chosen)
    account = ConnectedAccount(
        id=new_id(), user_id=attempt.owner, connection=connection.name, home=home_of(connection), label=whose.label,
        upstream_id=whose.id,
        scopes=outcome.scopes, access_token=outcome.access_token, access_expires_at=outcome.expires_at,
        refresh_token=outcome.refresh_token, values=values, created_at=now, refreshed_at=now,
    )  # fmt: skip
    return await arrived(machines, attempt, account)


async def taken(machines: Machines, open_: Opened, chosen: Chosen) -> ConnectAttempt:
    """The flow of a person who types what the provider gave them, instead of going there: taken, as by coming back. Raises
    `NotFound`."""
    attempt = msgspec.structs.replace(_as_chosen(open_, chosen), step=RETURNED)
    await _advance(machines, attempt, was=open_.attempt.step)
    return attempt


async def arrived(
    machines: Machines, attempt: ConnectAttempt, account: ConnectedAccount
) -> tuple[ConnectedAccount, str | None]:
    """The account of a flow that was taken: kept, or held for the client that waits, with the connect code for it."""
    if attempt.redirect_uri is None:
        return await keep(machines, msgspec.structs.replace(attempt, account=account)), None
    connect_code = new_secret()
    held = msgspec.structs.replace(attempt, step=HELD, connect_code=hashed(connect_code), account=account)
    await _advance(machines, held, was=RETURNED)
    return account, connect_code


async def complete(
    machines: Machines,
    user: User,
    client: Client,
    *,
    auth_session: str,
    connect_code: str,
    redirect_uri: str,
    verifier: str,
) -> ConnectedAccount:
    """The waiting client takes over. Raises `InvalidRequest`, the same for every mismatch."""
    attempt = await machines.store.connect_attempts.by_session(hashed(auth_session))
    same = (
        attempt is not None
        and attempt.step == HELD
        and (attempt.user_id, attempt.client_id, attempt.redirect_uri) == (user.id, client.id, redirect_uri)
        and hmac.compare_digest(attempt.connect_code or "", hashed(connect_code))
        and hmac.compare_digest(attempt.challenge.encode(), challenge_of(verifier).encode())
    )
    if attempt is None or not same:
        raise connecting.invalid(("connect_code", "does not belong to this auth_session, client, person and verifier"))
    act = Act(kind="connect", client=client, user=user, connection=attempt.connection, scopes=attempt.asked)
    await permitted(machines, act)
    try:
        return await keep(machines, attempt)
    except NotFound as error:
        raise connecting.invalid(("connect_code", "was used before, or its time is up")) from error


async def keep(machines: Machines, attempt: ConnectAttempt) -> ConnectedAccount:
    """End the attempt, once, and store the account that it brought. An account that the person connected before is renewed
    in its place: it keeps its id, and what agents were lent. The agent that asked is lent it. Raises `NotFound` when the
    attempt was over."""
    store, fresh = machines.store, attempt.account
    assert fresh is not None, "the provider has answered"
    over = msgspec.structs.replace(attempt, step=DONE, account=None, upstream_verifier=None)
    first: tuple[Step, ...] = (store.connect_attempts.advance(over, machines.clock.now(), was=attempt.step),)
    for _ in range(RACES):
        there = await store.connected_accounts.connected(fresh.user_id, fresh.connection)
        before = connecting.renews(there, fresh, attempt.account_id)
        account = _renewed(before, fresh) if before else fresh
        step = store.connected_accounts.save(account) if before else store.connected_accounts.add(account)
        event = machines.event(
            "vault.connected", user=attempt.user_id, client=attempt.client_id, subject=account.id,
            connection=account.connection, scope=" ".join(account.scopes), again=before is not None,
            shared=attempt.shared or None,
        )  # fmt: skip
        lending, lent_event = await _lent(machines, attempt, account)
        try:
            await store.commit(*first, step, *lending, events=(event, *lent_event))
        except Lost as lost:
            if first and lost.step == 0:
                raise NotFound(detail="the connect flow is over") from lost
            first = ()  # it is over, and we ended it: the account is ours alone to store
            continue
        return account
    raise Conflict


async def _lent(
    machines: Machines, attempt: ConnectAttempt, account: ConnectedAccount
) -> tuple[tuple[Step, ...], tuple[Event, ...]]:
    """The agent that asked may use what the person connected for it. What it was lent before does not shrink by that."""
    if attempt.client_id is None:
        return (), ()
    before = await machines.store.lendings.get(account.id, attempt.user_id, attempt.client_id)
    if before is not None and before.away >= attempt.away:
        return (), ()
    step, event = lent(machines, attempt.user_id, account, attempt.client_id, away=attempt.away, before=before)
    return (step,), (event,)


def _renewed(before: ConnectedAccount, fresh: ConnectedAccount) -> ConnectedAccount:
    """Some providers send a refresh token with the first consent only; the old one then goes on, where it came from there."""
    goes_on = before.refresh_token if before.home == fresh.home else None
    return msgspec.structs.replace(
        before, home=fresh.home, label=fresh.label or before.label, upstream_id=fresh.upstream_id or before.upstream_id,
        scopes=fresh.scopes, access_token=fresh.access_token, access_expires_at=fresh.access_expires_at,
        refresh_token=fresh.refresh_token or goes_on, refreshed_at=fresh.refreshed_at,
        credentials=fresh.credentials, values=fresh.values, narrowed=(), **WELL,
    )  # fmt: skip


async def _advance(machines: Machines, attempt: ConnectAttempt, *, was: int, event: Event | None = None) -> None:
    step = machines.store.connect_attempts.advance(attempt, machines.clock.now(), was=was)
    try:
        await machines.store.commit(step, events=(event,) if event else ())
    except Lost as error:
        raise NotFound(detail="the connect flow has gone on, or is over") from error

"""What happened: one line of the trail. The vocabulary is closed; an event never carries a secret."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

KINDS: dict[str, str] = {
    "server.started": "The server started for the first time and made its keys",
    "configuration.applied": "A configuration was applied",
    "client.created": "A client was registered",
    "client.changed": "A client was changed",
    "client.suspended": "A client was suspended: every token of it is refused from now on",
    "client.resumed": "A suspended client was resumed",
    "client.removed": "A client was removed",
    "user.created": "A person was added",
    "user.changed": "A person's record was changed",
    "user.signed_in": "A person signed in",
    "user.sign_in_failed": "A sign-in was refused",
    "user.signed_out": "A person signed out",
    "user.second_factor_added": "A person set up a second factor",
    "user.second_factor_removed": "A second factor was removed",
    "user.second_factor_refused": "A code of a second factor was wrong or used before",
    "passkey.added": "A person added a passkey",
    "passkey.removed": "A passkey was removed",
    "passkey.used": "A person proved with a passkey who they are",
    "passkey.refused": "A passkey was presented in a way that proves nothing",
    "logout.sent": "A client was told that a person signed out",
    "logout.failed": "A client could not be told that a person signed out",
    "user.removed": "A person was removed, with every session, agreement and connected account",
    "consent.given": "A person allowed a client to act for them",
    "consent.refused": "A person refused a client",
    "grant.revoked": "An agreement was revoked, with every token under it",
    "code.issued": "An authorization code was issued",
    "code.reused": "A spent authorization code was presented again: its agreement was revoked",
    "token.issued": "A token was issued",
    "token.refreshed": "A refresh token was rotated",
    "token.reused": "A spent refresh token was presented again: its family was revoked",
    "token.revoked": "A token was revoked",
    "token.refused": "A token was refused",
    "request.pushed": "An authorization request was pushed",
    "approval.asked": "A person was asked",
    "approval.viewed": "The person looked at the request",
    "approval.question": "The person asked the agent something before answering",
    "approval.answered_question": "The agent replied to the person's question",
    "approval.approved": "The person approved, or a standing allowance of theirs did",
    "approval.denied": "The person denied",
    "approval.expired": "Nobody answered in time",
    "approval.notified": "The person was told of the request, or a webhook was",
    "approval.not_delivered": "One way of telling about the request failed; the next was taken, or there was none",
    "approval.client_told": "The client was told of the answer, or got what was approved",
    "approval.client_not_told": "The client could not be told of the answer; it is tried again, or given up",
    "approval.taken": "The approved authority was handed to the client, once",
    "approval.spent": "The approved act was carried out, as its API says: it cannot be once more",
    "approval.not_spent": "An API was asked to do what was not approved, or was done before",
    "allowance.given": "A person allowed an agent a kind of act ahead, up to a bound",
    "allowance.used": "A request was within what the person had allowed ahead",
    "allowance.revoked": "A person took an allowance back",
    "agent.blocked": "A person does not want to be asked by an agent any more",
    "agent.unblocked": "A person lets an agent ask them again",
    "agent.reported": "A person says that something about an agent is wrong",
    "agent.stopped": "A person ended all that an agent had of theirs",
    "vault.connect_started": "A person was sent to a provider to connect an account",
    "vault.connected": "A person connected an account",
    "vault.disconnected": "A connected account was removed",
    "vault.lent": "A person let an agent use a connected account",
    "vault.lending_ended": "A person took back an agent's use of a connected account",
    "vault.default_chosen": "A person chose which of their accounts at a provider agents get that name none",
    "vault.limited": "A connected account was limited to agents of its person's choice, or opened again",
    "vault.exchanged": "A client borrowed access to a connected account",
    "vault.refreshed": "A connected account's token was refreshed upstream",
    "vault.refresh_failed": "A connected account could not be refreshed: for a while, or until it is connected again",
    "vault.recovered": "A connected account that could not be refreshed works again",
    "vault.given_back": "What a provider granted in a connect flow that nobody completed was revoked there",
    "vault.proxied": "A call was made upstream through the vault",
    "vault.call_refused": "A call through the vault was refused before it was made",
    "access.store_created": "A store for relations was created",
    "access.store_removed": "A store was removed, with all relations in it",
    "access.model_written": "It was defined anew what the relations of a store mean",
    "access.assertions_written": "It was written down what should hold under a model",
    "access.written": "Relations were written",
    "access.denied": "A relation check said no",
    "access.needed": "What takes a relation was refused to somebody without it",
    "policy.denied": "The organisation's policy refused",
    "notifications.changed": "A person changed how they are told",
    "notifications.subscribed": "A person's browser asked to be told by push",
    "notifications.unsubscribed": "A browser is not told by push any more",
    "key.created": "A key was made",
    "key.rotated": "A key was rotated",
    "administrator.created": "The first administrator was created through the one-time link",
}


class Actor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who acted: a person, a client, or the server itself; `act` names the one behind, outermost first."""

    user: str | None = None
    client: str | None = None
    chain: tuple[str, ...] = ()
    """Further actors, newest first: agent, sub-agent, tool."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `subject` is what it is about (an id); `about` holds plain facts, never a secret."""

    id: str
    at: int
    kind: str
    actor: Actor = Actor()
    subject: str | None = None
    about: dict[str, Any] = field(default_factory=dict)
    address: str | None = None
    trace: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind} is not in the vocabulary of events")

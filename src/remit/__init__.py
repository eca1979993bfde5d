"""Remit for agents and for the APIs they call.

An agent::

    client = Client()                                    # REMIT_URL, REMIT_CLIENT_ID, REMIT_CLIENT_SECRET
    prompt = await client.device_sign_in(scope="trade:write", audience="https://broker.example")
    print(prompt.verification_uri_complete)
    me = await prompt                                    # -> User; or: await client.on_behalf_of(access_token)

    token = await me.token("calendar", scopes=["calendar.read"])       # -> Token, or raises ConnectRequired
    await http.get(calendar_url, auth=token.auth)

    approval = await me.request({"type": "trade_order", "side": "buy", "qty": 10}, audience="https://broker.example")
    grant = await approval                               # -> Grant, or raises ApprovalDenied, ApprovalExpired ...
    await http.post(orders_url, json=order, auth=grant.token.auth)

    docs = await me.filter(hits, relation="viewer", obj=lambda hit: f"doc:{hit['id']}")      # only what the user may see

An API::

    verify = Verifier(issuer="https://remit.example/", audience="https://broker.example")
    caller = await verify(authorization, method="POST", url=url, dpop=proofs)      # -> Caller, or raises Challenge
    caller.requires("trade:write")
    await caller.spend("trade_order", side="buy", qty=10)                          # exactly what was approved, once

Code without an event loop runs any of these through ``client.sync``: ``me = client.sync(client.on_behalf_of(token))``.
"""

from .approvals import Approval, Grant
from .caller import Caller
from .client import Client
from .credential import PrivateKey
from .dpop import ProofKey
from .errors import (
    ActionRequired,
    AlreadySpent,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalPending,
    AuthenticationRequired,
    Challenge,
    ConnectRequired,
    DetailsChanged,
    InsufficientScope,
    Misconfigured,
    MoreInfoRequested,
    NotAllowed,
    Refused,
    RemitError,
    SignInRequired,
    StepUpRequired,
    Unavailable,
    UserAway,
)
from .replay import MemoryReplayStore, ReplayStore, Seen, SQLiteReplayStore
from .retrieval import Found
from .sign_in import SignIn
from .sync import Sync
from .tokens import Token
from .user import User, current_user
from .verifier import Verifier

__all__ = [
    "ActionRequired",
    "AlreadySpent",
    "Approval",
    "ApprovalDenied",
    "ApprovalExpired",
    "ApprovalPending",
    "AuthenticationRequired",
    "Caller",
    "Challenge",
    "Client",
    "ConnectRequired",
    "DetailsChanged",
    "Found",
    "Grant",
    "InsufficientScope",
    "MemoryReplayStore",
    "Misconfigured",
    "MoreInfoRequested",
    "NotAllowed",
    "PrivateKey",
    "ProofKey",
    "Refused",
    "RemitError",
    "ReplayStore",
    "SQLiteReplayStore",
    "Seen",
    "SignIn",
    "SignInRequired",
    "StepUpRequired",
    "Sync",
    "Token",
    "Unavailable",
    "User",
    "UserAway",
    "Verifier",
    "current_user",
]

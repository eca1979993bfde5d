"""Frozen nouns. A record says what is; rules say what follows from it; storage keeps it.

Times are integer seconds since the epoch, UTC. Ids sort by time. Nothing here does I/O.
"""

from remit_server.records.agreement import Code, Grant, PushedRequest, Token
from remit_server.records.allowance import Allowance
from remit_server.records.approval import Approval, ApprovalState, Message
from remit_server.records.client import Client, ClientKind, ClientState, SecretHash
from remit_server.records.connection import ConnectAttempt, ConnectedAccount, Connection, Narrowed
from remit_server.records.event import Actor, Event
from remit_server.records.key import SigningKey
from remit_server.records.lending import Lending, Offer
from remit_server.records.notification import Delivery, Preferences, PushSubscription
from remit_server.records.organisation import Api, DetailType, Organisation, Policy
from remit_server.records.passkey import Passkey
from remit_server.records.person import Interaction, SecondFactor, Session, User
from remit_server.records.provider import Provider, Upstream
from remit_server.records.proxy import ProxiedCall, ProxyRule

__all__ = [
    "Actor", "Allowance", "Api", "Approval", "ApprovalState", "Client", "ClientKind", "ClientState", "Code", "ConnectAttempt",
    "ConnectedAccount", "Connection", "Delivery", "DetailType", "Event", "Grant", "Interaction", "Lending", "Message",
    "Narrowed", "Offer", "Organisation", "Passkey", "Policy", "Preferences", "Provider", "ProxiedCall", "ProxyRule",
    "PushSubscription", "PushedRequest", "SecondFactor", "SecretHash", "Session", "SigningKey", "Token", "Upstream", "User",
]  # fmt: skip

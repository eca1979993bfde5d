"""Every URL on one screen: methods, path, endpoint. An endpoint's file is named after the last word of its path; a test
walks this table and the grants and refuses any other name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from remit_server.access.embedded import EmbeddedRelations
from remit_server.access.endpoints.action import ActionSearch
from remit_server.access.endpoints.assertions import Assertions
from remit_server.access.endpoints.authorization_models import AuthorizationModel, AuthorizationModels
from remit_server.access.endpoints.authzen_configuration import AuthzenConfiguration
from remit_server.access.endpoints.batch_check import BatchCheck
from remit_server.access.endpoints.changes import Changes
from remit_server.access.endpoints.check import Check
from remit_server.access.endpoints.evaluation import Evaluation
from remit_server.access.endpoints.evaluations import Evaluations
from remit_server.access.endpoints.expand import Expand
from remit_server.access.endpoints.list_objects import ListObjects
from remit_server.access.endpoints.list_users import ListUsers
from remit_server.access.endpoints.read import Read
from remit_server.access.endpoints.resource import ResourceSearch
from remit_server.access.endpoints.stores import StoreEndpoint, StoresEndpoint
from remit_server.access.endpoints.streamed_list_objects import StreamedListObjects
from remit_server.access.endpoints.subject import SubjectSearch
from remit_server.access.endpoints.write import Write
from remit_server.access.withheld import Withheld
from remit_server.approvals.channels.inbox import Inbox
from remit_server.approvals.channels.ways import Trial, ways_of
from remit_server.approvals.channels.web_push import WebPush
from remit_server.approvals.endpoints.allowances import Allowance, Allowances
from remit_server.approvals.endpoints.answer import Answer
from remit_server.approvals.endpoints.approvals import Approvals
from remit_server.approvals.endpoints.bc_authorize import BcAuthorize
from remit_server.approvals.endpoints.blocked_agents import BlockedAgent, BlockedAgents
from remit_server.approvals.endpoints.code import Code
from remit_server.approvals.endpoints.notifications import Browser, Notifications
from remit_server.approvals.endpoints.proof import Proof
from remit_server.approvals.endpoints.reply import Reply
from remit_server.approvals.endpoints.report import Report
from remit_server.approvals.endpoints.spend import Spend
from remit_server.approvals.endpoints.stop import Stop
from remit_server.approvals.grants.ciba import Ciba
from remit_server.approvals.grants.device_code import DeviceCode
from remit_server.identity.advance import Advance
from remit_server.identity.endpoints.authorize import Authorize
from remit_server.identity.endpoints.introspect import Introspect
from remit_server.identity.endpoints.jwks import Jwks
from remit_server.identity.endpoints.logout import Logout as EndSession
from remit_server.identity.endpoints.logout import PlainLogout
from remit_server.identity.endpoints.metadata import Metadata
from remit_server.identity.endpoints.par import Par
from remit_server.identity.endpoints.passkeys import Passkey, Passkeys
from remit_server.identity.endpoints.register import Register, Registration
from remit_server.identity.endpoints.revoke import Revoke
from remit_server.identity.endpoints.token import Token
from remit_server.identity.endpoints.userinfo import Userinfo
from remit_server.identity.grants.authorization_code import AuthorizationCode
from remit_server.identity.grants.client_credentials import ClientCredentials
from remit_server.identity.grants.refresh_token import RefreshToken
from remit_server.management.endpoints.healthz import Healthz
from remit_server.management.endpoints.metrics import Metrics
from remit_server.management.endpoints.readyz import Readyz
from remit_server.oversight.timeline import ChainWatch
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import AccountsPage
from remit_server.ui.pages.activity import Activity
from remit_server.ui.pages.agents import Agents
from remit_server.ui.pages.allowances import AllowancesPage
from remit_server.ui.pages.answer import DeviceAnswer
from remit_server.ui.pages.approvals import ApprovalPage, ApprovalsPage
from remit_server.ui.pages.callback import Callback, ConnectCallback
from remit_server.ui.pages.changes import Changes as ChangesPage
from remit_server.ui.pages.code import OwnCode
from remit_server.ui.pages.connect import ConnectByHand, ConnectPage
from remit_server.ui.pages.consent import Consent
from remit_server.ui.pages.console import Console
from remit_server.ui.pages.default import MakeDefault
from remit_server.ui.pages.delete import DeleteTuple
from remit_server.ui.pages.device import DevicePage
from remit_server.ui.pages.devices import Device, Devices
from remit_server.ui.pages.disconnect import Disconnect
from remit_server.ui.pages.done import Done
from remit_server.ui.pages.enrol import Enrol
from remit_server.ui.pages.events import Events
from remit_server.ui.pages.export import Export
from remit_server.ui.pages.history import History
from remit_server.ui.pages.home import home
from remit_server.ui.pages.log import UseLog
from remit_server.ui.pages.login import Elsewhere, Login
from remit_server.ui.pages.logout import Logout
from remit_server.ui.pages.notifications import Notifications as NotificationsPage
from remit_server.ui.pages.passkeys import Passkey as PasskeyPage
from remit_server.ui.pages.passkeys import Passkeys as PasskeysPage
from remit_server.ui.pages.preview import Preview
from remit_server.ui.pages.proof import Proof as ProofPage
from remit_server.ui.pages.qr import Qr
from remit_server.ui.pages.reconnect import Reconnect
from remit_server.ui.pages.relation import RelationPage
from remit_server.ui.pages.relations import Relations as RelationsPage
from remit_server.ui.pages.remove import Remove
from remit_server.ui.pages.resume import Resume
from remit_server.ui.pages.revoke import RevokeAllowance
from remit_server.ui.pages.second_factor import SecondFactor
from remit_server.ui.pages.security import Security
from remit_server.ui.pages.setup import Setup
from remit_server.ui.pages.start import ConnectStart
from remit_server.ui.pages.static import Static
from remit_server.ui.pages.stop import StopPage
from remit_server.ui.pages.suspend import Suspend
from remit_server.ui.pages.trial import TrialPage
from remit_server.ui.pages.tuples import TuplesPage
from remit_server.ui.pages.unblock import Unblock
from remit_server.ui.pages.why import WhyPage
from remit_server.ui.pages.worker import Worker
from remit_server.ui.returning import Returning
from remit_server.vault.endpoints.accounts import Account, Accounts
from remit_server.vault.endpoints.complete import Complete
from remit_server.vault.endpoints.connect import Connect
from remit_server.vault.endpoints.connections import Connections
from remit_server.vault.endpoints.proxy import ProxyEndpoint
from remit_server.vault.grants.token_exchange import FEDERATED, RFC_8693, TokenExchange
from remit_server.vault.proxy import Proxy
from remit_server.vault.refresh import Refresher
from remit_server.wire.grants import Grant
from remit_server.wire.http import Endpoint


@dataclass(frozen=True)
class Route:
    """`methods` are those that are answered, or ANY. `face` says who reads the errors: `oauth` programs get JSON, `problem`
    programs get RFC 9457's, `openfga` programs get that API's JSON, `page` readers get HTML. `cors` lets browser apps call
    it."""

    methods: str
    path: str
    endpoint: Endpoint
    face: Literal["oauth", "problem", "openfga", "page"] = "oauth"
    cors: bool = False

    @property
    def usual_methods(self) -> tuple[str, ...]:
        """For documents that cannot say ANY."""
        return ("GET", "POST", "PUT", "PATCH", "DELETE") if self.methods == "ANY" else tuple(self.methods.split())


def grants(machines: Machines, refresher: Refresher) -> Iterable[Grant]:
    """Every grant type of every room."""
    return (
        AuthorizationCode(machines),
        ClientCredentials(machines),
        RefreshToken(machines),
        DeviceCode(machines),
        Ciba(machines),
        TokenExchange(machines, refresher, FEDERATED),
        TokenExchange(machines, refresher, RFC_8693),
    )


def routes(machines: Machines, pages: Pages, refresher: Refresher) -> tuple[Route, ...]:
    m = machines
    web_push, ways = WebPush(m), ways_of(m)
    devices = Devices(m, pages, web_push)
    told = NotificationsPage(m, pages, ways)
    types = tuple(grants(m, refresher))
    # One engine, so that what it remembers is remembered once; where another server answers at the door, it serves /stores alone.
    embedded = m.relations if isinstance(m.relations, EmbeddedRelations) else EmbeddedRelations(m.store)
    stores, engine, withheld = embedded.stores, embedded.engine, Withheld(m)
    tuples = TuplesPage(m, pages, stores)
    returning = Returning(pages, m.settings.issuer)
    advance = Advance(m, returning)
    metadata = Metadata(m, (grant.type for grant in types))
    return (
        # identity: tokens
        Route("POST", "/oauth/token", Token(m, types), cors=True),
        Route("POST", "/oauth/introspect", Introspect(m)),
        Route("POST", "/oauth/revoke", Revoke(m), cors=True),
        Route("GET POST", "/userinfo", Userinfo(m), cors=True),
        # approvals: ask, and answer
        Route("POST", "/bc-authorize", BcAuthorize(m)),
        Route("POST", "/oauth/device/code", Code(m), cors=True),
        Route("GET", "/me/v1/approvals", Approvals(m), cors=True),
        Route("GET", "/me/v1/approvals/{id}", Approvals(m), cors=True),
        Route("POST", "/me/v1/approvals/{id}/answer", Answer(m), cors=True),
        Route("POST", "/me/v1/approvals/{id}/proof", Proof(m), cors=True),
        Route("POST", "/approvals/reply", Reply(m)),
        Route("POST", "/approvals/spend", Spend(m)),
        # approvals: how the person stands to an agent
        Route("GET", "/me/v1/allowances", Allowances(m), cors=True),
        Route("DELETE", "/me/v1/allowances/{id}", Allowance(m), cors=True),
        Route("GET", "/me/v1/blocked-agents", BlockedAgents(m), cors=True),
        Route("PUT DELETE", "/me/v1/blocked-agents/{client_id}", BlockedAgent(m), cors=True),
        Route("POST", "/me/v1/agents/{client_id}/report", Report(m), cors=True),
        Route("POST", "/me/v1/agents/{client_id}/stop", Stop(m), cors=True),
        # approvals: how the person is told
        Route("GET PUT", "/me/v1/notifications", Notifications(m), cors=True),
        Route("DELETE", "/me/v1/notifications/{id}", Browser(m, web_push), cors=True),
        # identity: the person's passkeys
        Route("GET", "/me/v1/passkeys", Passkeys(m), cors=True),
        Route("PATCH DELETE", "/me/v1/passkeys/{id}", Passkey(m), cors=True),
        # vault: the person's connected accounts
        Route("POST", "/me/v1/connected-accounts/connect", Connect(m), "problem", cors=True),
        Route("POST", "/me/v1/connected-accounts/complete", Complete(m), "problem", cors=True),
        Route("GET", "/me/v1/connected-accounts/accounts", Accounts(m), "problem", cors=True),
        Route("DELETE", "/me/v1/connected-accounts/accounts/{id}", Account(m), "problem", cors=True),
        Route("GET", "/me/v1/connected-accounts/connections", Connections(m), "problem", cors=True),
        Route("ANY", "/vault/proxy/{connection}/{path}", ProxyEndpoint(m, Proxy(m, refresher)), "problem"),
        # identity: authorization
        Route("GET POST", "/authorize", Authorize(m, returning), face="page"),
        Route("POST", "/oauth/par", Par(m)),
        Route("GET POST", "/login", Login(m, pages, advance), face="page"),
        Route("GET POST", "/login/second-factor", SecondFactor(m, pages, advance), face="page"),
        Route("GET", "/login/{connection}", Elsewhere(m), face="page"),
        Route("GET", "/login/callback/{connection}", Callback(m, advance), face="page"),
        Route("GET POST", "/consent", Consent(m, pages, advance), face="page"),
        # identity: a second factor of one's own
        Route("GET", "/security", Security(m, pages), face="page"),
        Route("GET POST", "/security/enrol", Enrol(m, pages), face="page"),
        Route("GET", "/security/qr", Qr(m), face="page"),
        Route("POST", "/security/remove", Remove(m, pages), face="page"),
        Route("POST", "/security/code", OwnCode(m, pages), face="page"),
        Route("GET POST", "/security/passkeys", PasskeysPage(m, pages), face="page"),
        Route("POST", "/security/passkeys/{id}", PasskeyPage(m, pages), face="page"),
        # identity: signing out
        Route("GET POST", "/oidc/logout", EndSession(m), face="page"),
        Route("GET", "/v2/logout", PlainLogout(m), face="page"),
        Route("GET POST", "/logout", Logout(m, pages), face="page"),
        Route("GET", "/logout/done", Done(pages), face="page"),
        # identity: clients that register themselves
        Route("POST", "/oidc/register", Register(m), cors=True),
        Route("GET PUT DELETE", "/oidc/register/{client_id}", Registration(m), cors=True),
        # identity: metadata
        Route("GET", "/.well-known/openid-configuration", metadata, cors=True),
        Route("GET", "/.well-known/oauth-authorization-server", metadata, cors=True),
        Route("GET", "/.well-known/jwks.json", Jwks(m), cors=True),
        # access: AuthZEN, and what speaks OpenFGA
        Route("POST", "/access/v1/evaluation", Evaluation(m, withheld)),
        Route("POST", "/access/v1/evaluations", Evaluations(m, withheld)),
        Route("POST", "/access/v1/search/subject", SubjectSearch(m)),
        Route("POST", "/access/v1/search/resource", ResourceSearch(m)),
        Route("POST", "/access/v1/search/action", ActionSearch(m)),
        Route("GET", "/.well-known/authzen-configuration", AuthzenConfiguration(m)),
        Route("GET POST", "/stores", StoresEndpoint(m, stores), face="openfga"),
        Route("GET DELETE", "/stores/{store_id}", StoreEndpoint(m, stores), face="openfga"),
        Route("GET POST", "/stores/{store_id}/authorization-models", AuthorizationModels(m, stores), face="openfga"),
        Route(
            "GET", "/stores/{store_id}/authorization-models/{model_id}", AuthorizationModel(m, stores), face="openfga"
        ),
        Route("GET PUT", "/stores/{store_id}/assertions/{model_id}", Assertions(m, stores), face="openfga"),
        Route("POST", "/stores/{store_id}/check", Check(m, stores, engine), face="openfga"),
        Route("POST", "/stores/{store_id}/batch-check", BatchCheck(m, stores, engine), face="openfga"),
        Route("POST", "/stores/{store_id}/list-objects", ListObjects(m, stores, engine), face="openfga"),
        Route(
            "POST", "/stores/{store_id}/streamed-list-objects", StreamedListObjects(m, stores, engine), face="openfga"
        ),
        Route("POST", "/stores/{store_id}/list-users", ListUsers(m, stores, engine), face="openfga"),
        Route("POST", "/stores/{store_id}/expand", Expand(m, stores, engine), face="openfga"),
        Route("POST", "/stores/{store_id}/read", Read(m, stores), face="openfga"),
        Route("POST", "/stores/{store_id}/write", Write(m, stores), face="openfga"),
        Route("GET", "/stores/{store_id}/changes", Changes(m, stores), face="openfga"),
        # running it
        Route("GET", "/healthz", Healthz()),
        Route("GET", "/readyz", Readyz(m)),
        Route("GET", "/metrics", Metrics(m)),
        # pages
        Route("GET", "/", home, "page"),
        Route("GET", "/approvals", ApprovalsPage(m, pages), "page"),
        Route("GET", "/approvals/events", Events(m, Inbox(m))),
        Route("GET", "/approvals/history", History(m, pages), "page"),
        Route("GET POST", "/approvals/{id}", ApprovalPage(m, pages), "page"),
        Route("POST", "/approvals/{id}/preview", Preview(m)),
        Route("POST", "/approvals/{id}/proof", ProofPage(m), "page"),
        Route("GET POST", "/approvals/{id}/stop", StopPage(m, pages), "page"),
        Route("GET", "/allowances", AllowancesPage(m, pages), "page"),
        Route("POST", "/allowances/{id}/revoke", RevokeAllowance(m, pages), "page"),
        Route("POST", "/allowances/blocked/{client_id}/unblock", Unblock(m, pages), "page"),
        Route("GET POST", "/notifications", told, "page"),
        Route("POST", "/notifications/trial", TrialPage(m, told, Trial(m, ways)), "page"),
        Route("GET POST", "/devices", devices, "page"),
        Route("POST", "/devices/{id}", Device(m, devices, web_push), "page"),
        Route("GET", "/worker.js", Worker(pages.assets)),
        Route("GET", "/accounts", AccountsPage(m, pages), "page"),
        Route("POST", "/accounts/connect", ConnectByHand(m), "page"),
        Route("POST", "/accounts/connect/start", ConnectStart(m, pages), "page"),
        Route("POST", "/accounts/{id}/disconnect", Disconnect(m, pages), "page"),
        Route("POST", "/accounts/{id}/reconnect", Reconnect(m), "page"),
        Route("POST", "/accounts/{id}/default", MakeDefault(m, pages), "page"),
        Route("POST", "/accounts/{id}/agents", Agents(m, pages), "page"),
        Route("GET", "/accounts/{id}/log", UseLog(m), "page"),
        Route("GET", "/connect", ConnectPage(m, pages), "page"),
        Route("GET", "/connect/callback/{connection}", ConnectCallback(m, pages), "page"),
        Route("GET POST", "/device", DevicePage(m, pages), "page"),
        Route("POST", "/device/answer", DeviceAnswer(m, pages), "page"),
        Route("GET", "/activity", Activity(m, pages, ChainWatch(m.store, m.clock)), "page"),
        Route("GET", "/activity/export", Export(m), "page"),
        Route("GET", "/console", Console(m, pages), "page"),
        Route("POST", "/console/agents/{id}/suspend", Suspend(m), "page"),
        Route("POST", "/console/agents/{id}/resume", Resume(m), "page"),
        Route("GET", "/console/relations", RelationsPage(m, pages, stores), "page"),
        Route("GET", "/console/relations/{store_id}", RelationPage(m, pages, stores), "page"),
        Route("GET POST", "/console/relations/{store_id}/tuples", tuples, "page"),
        Route("POST", "/console/relations/{store_id}/tuples/delete", DeleteTuple(m, tuples, stores), "page"),
        Route("GET", "/console/relations/{store_id}/changes", ChangesPage(m, pages, stores), "page"),
        Route("GET", "/console/relations/{store_id}/why", WhyPage(m, pages, stores, engine), "page"),
        Route("GET POST", "/setup", Setup(m, pages), "page"),
        Route("GET", "/static/{name}", Static(pages.assets)),
    )

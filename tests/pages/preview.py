"""Every page with sample people in it: for the tests, for screenshots, and for looking while one works on the look.

python tests/pages/preview.py               serve on a free port of 127.0.0.1, under the real policy
python tests/pages/preview.py shots DIR     write screenshots at 390 and 1280 px, light and dark
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from msgspec.structs import replace

from remit_server.rules.relations.check import Question
from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.rules.relations.why import why as why_so
from remit_server.ui.assets import Assets
from remit_server.ui.explaining import answer
from remit_server.ui.highlight import spans
from remit_server.ui.pages.qr import drawn
from remit_server.ui.policy import content_security_policy
from remit_server.ui.render import Page, Renderer
from remit_server.ui.views.accounts import (
    Account,
    AccountsView,
    Candidate,
    ConnectDoneView,
    ConnectLeaveView,
    ConnectStartView,
    Offer,
    Provider,
    Scope,
    Typed,
    Use,
)
from remit_server.ui.views.activity import ActivityView, Chain, Happening
from remit_server.ui.views.approvals import (
    Ahead,
    AllowancesView,
    Allowed,
    ApprovalsView,
    ApprovalView,
    Blocked,
    Decided,
    Field,
    HistoryView,
    Option,
    Proof,
    Said,
    StopView,
    Waiting,
)
from remit_server.ui.views.consent import ConsentView, Permission, ReturnView
from remit_server.ui.views.console import AgentRow, ConnectionRow, ConsoleView, KeyRow, Step, UserRow
from remit_server.ui.views.device import DeviceCodeView, DeviceConfirmView, DeviceDoneView
from remit_server.ui.views.devices import Browser, DevicesView
from remit_server.ui.views.failure import ErrorView, NotFoundView
from remit_server.ui.views.notifications import NotificationsView, Outcome, WayView
from remit_server.ui.views.parts import Agent, Choice, Detail, Fact, View, Viewer
from remit_server.ui.views.relations import (
    Adding,
    Branch,
    Change,
    ChangesView,
    ModelRow,
    Parameter,
    RelationLine,
    RelationsView,
    StoreRow,
    StoreView,
    TuplesView,
    TypeCard,
    WhyView,
    Write,
)
from remit_server.ui.views.relations import Answer as WhyAnswer
from remit_server.ui.views.relations import Field as TypedField
from remit_server.ui.views.relations import Step as Station
from remit_server.ui.views.relations import Tuple as TupleLine
from remit_server.ui.views.security import EnrolView, Passkey, PasskeysView, SecurityView
from remit_server.ui.views.sign_in import SecondFactorView, SetUpView, SignedOutView, SignInView, SignOutView, Upstream

NOW = 1_795_356_000  # 22 November 2026, 14:00 UTC
MINUTE, HOUR, DAY = 60, 3600, 86400
CSRF = "q3f0csrf"

HOSTILE = 'Bob\u202e<img src=x onerror="alert(1)">\u200b{{ 7*7 }}\u2066 & "Co" e\u0301\u0301\u0301\u0301\u0301\x07'
ENDLESS = "Donau" + "dampfschifffahrts" * 12 + "gesellschaft"
ODD = f"{HOSTILE} {ENDLESS}"

ada = Viewer(name="Ada Lovelace", email="ada@example.com", administrator=True, waiting=2)
mallory = Viewer(name=ODD, email=f"{ENDLESS}@example.com")
assistant = Agent(
    name="Trading assistant", owner="Ada Lovelace", registered_at=NOW - 19 * DAY, last_asked_at=NOW - 30 * HOUR
)
stranger = Agent(name="Research helper", registered_at=NOW - 2 * DAY, self_registered=True)
trickster = Agent(name=ODD, owner=ODD, registered_at=NOW - 400 * DAY, self_registered=True)

order = (
    Fact(label="Order", value="Buy, limit 41.20 USD"),
    Fact(label="Shares", value="10 × ZEKO (Zeko Industries)"),
    Fact(label="At most", value="412.00 USD", emphasis=True),
    Fact(label="From account", value="Brokerage ··4821"),
    Fact(label="Goes to", value="broker.example"),
    Fact(label="Valid", value="one order, 5 minutes"),
)
odd_facts = (Fact(label=ODD, value=ODD), Fact(label="Amount", value="1,000.00 USD", emphasis=True))
permissions = (
    Permission(scope="portfolio:read", words="see your portfolio", audience="Broker"),
    Permission(scope="trade:write", words="place orders in your name", audience="Broker", risk="high", optional=True),
    Permission(
        scope="notes:write", words="write notes", audience="Notebook", risk="changes", optional=True, ticked=False
    ),
)
odd_permissions = (Permission(scope=HOSTILE, words=ODD, audience=ODD, risk="high", optional=True),)
agents = (
    Choice(value="trading-assistant", label="Trading assistant"),
    Choice(value="research", label="Research helper"),
)

sign_in = SignInView(
    csrf=CSRF,
    resume="r1",
    organisation="Acme",
    client_name="Trading assistant",
    upstreams=(Upstream(name="Acme Workforce", href="/login/upstream/acme?resume=r1"),),
)
security = SecurityView(csrf=CSRF, viewer=ada, now=NOW, app_since=NOW - 3 * DAY)
passkeys = (
    Passkey(id="p1", name="Phone", created_at=NOW - 9 * DAY, used_at=NOW - 2 * HOUR, synced=True),
    Passkey(id="p2", name="Security key", created_at=NOW - DAY),
)
asked_for = {"rpId": "id.example", "challenge": "Y2hhbGxlbmdl", "allowCredentials": [], "userVerification": "required"}
to_make = {
    "rp": {"id": "id.example", "name": ODD}, "user": {"id": "YWRh", "name": "ada@example.com", "displayName": ODD},
    "challenge": "Y2hhbGxlbmdl", "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
}  # fmt: skip
add_passkey = PasskeysView(csrf=CSRF, viewer=ada, options=to_make, name="iPhone", first=True)
enrol = EnrolView(csrf=CSRF, viewer=ada, resume="r1", secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
second_factor = SecondFactorView(csrf=CSRF, resume="r1", identifier="ada@example.com")
set_up = SetUpView(csrf=CSRF, ticket="t1", issuer="http://127.0.0.1:8080/")
consent = ConsentView(
    csrf=CSRF,
    resume="r1",
    viewer=ada,
    now=NOW,
    agent=stranger,
    purpose="Reads the news about your shares and suggests orders.",
    return_host="127.0.0.1:8765",
    acting_as="Ada Lovelace at Acme",
    permissions=permissions,
    details=(Detail(sentence="place one order at Broker", facts=order[:3]),),
    lasts="until you take it back, or 30 days without use",
    away=True,
    still_asks=("every order at a broker", "every message to others"),
)
device_confirm = DeviceConfirmView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    user_code="WDJB-MJHT",
    agent=assistant,
    asked_at=NOW - 40,
    place="this machine (127.0.0.1)",
    acting_as="Ada Lovelace at Acme",
    permissions=permissions[:2],
    lasts="until you take it back",
    still_asks=("every order at a broker",),
)
inbox = ApprovalsView(
    viewer=ada,
    now=NOW,
    waiting=(
        Waiting(
            id="apr_1",
            agent_name="Trading assistant",
            act="buy 10 shares of ZEKO",
            asked_at=NOW - 48,
            expires_at=NOW + 252,
            unusual="3× your usual order size",
        ),
        Waiting(
            id="apr_2",
            agent_name="Research helper",
            act="send a message to finance@example.com",
            asked_at=NOW - 3 * HOUR,
            expires_at=NOW + 5 * HOUR,
        ),
    ),
    decided=(
        Decided(
            id="apr_3", agent_name="Trading assistant", act="sell 4 shares of ORBI", state="approved", at=NOW - 600
        ),
        Decided(
            id="apr_4", agent_name="Trading assistant", act="buy 2 shares of ZEKO", state="used", at=NOW - 30 * HOUR
        ),
        Decided(
            id="apr_5",
            agent_name="Trading assistant",
            act="buy 1,000 shares of ZEKO",
            state="denied",
            at=NOW - 3 * DAY,
            reason="wrong amount",
        ),
        Decided(
            id="apr_6", agent_name="Research helper", act="share “Q3 plan” with Bob", state="expired", at=NOW - 9 * DAY
        ),
    ),
    asking=(
        Waiting(
            id="apr_7",
            agent_name="Trading assistant",
            act="sell 40 shares of ORBI",
            asked_at=NOW - 20 * MINUTE,
            expires_at=NOW + HOUR,
        ),
    ),
    agents=agents,
)
history = HistoryView(
    viewer=ada,
    now=NOW,
    decided=(
        *inbox.decided,
        Decided(
            id="apr_8",
            agent_name="Trading assistant",
            act="buy 1 share of ZEKO",
            state="used",
            at=NOW - 12 * DAY,
            ahead=True,
        ),
        Decided(
            id="apr_9",
            agent_name="Trading assistant",
            act="buy 9 shares of ORBI",
            state="lapsed",
            at=NOW - 40 * DAY,
            edited=True,
        ),
    ),
    agents=agents,
    outcomes=(Choice(value="approved", label="Approved"), Choice(value="unused", label="Approved, never used")),
    older_href="/approvals/history?before=1.x",
)
card = ApprovalView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    id="apr_1",
    digest="sha-256:8f2c",
    state="pending",
    agent=assistant,
    purpose="Watches prices and places the orders that its user approves",
    act="buy 10 shares of ZEKO",
    facts=order,
    agent_says="ZEKO fell below your limit a moment ago.",
    origin=("asked 48 s ago", "from 127.0.0.1"),
    differences=("3× your usual order size", "first order for ZEKO"),
    effect="One order, once.",
    fields=(Field(name="e0.quantity", label="Shares", kind="number", value="10", hint="A whole number, at most 10."),),
    may_ask=True,
    ahead=Ahead(
        ends=(
            Option(value="1", label="24 hours"),
            Option(value="7", label="7 days", chosen=True),
            Option(value="30", label="30 days"),
            Option(value="90", label="90 days"),
        ),
        times="5",
        currency="USD",
        each="412.00",
        total="2060.00",
        limits=(
            Option(value="limit.ticker", label="Shares: ZEKO", chosen=True),
            Option(value="limit.account", label="Account: ...4821", chosen=True),
        ),
    ),
    expires_at=NOW + 252,
)
talk = (
    Said(mine=True, at=NOW - 9 * MINUTE, text="Why ten and not five?"),
    Said(mine=False, at=NOW - 8 * MINUTE, text="You said on Monday that you want ten.\nFive would cost the same fee."),
)
high_card = replace(
    card,
    risk="high",
    proof=Proof(needed=True, passkey=True),
    thread=talk,
    agent_says=None,
    differences=(),
    editing=True,
)
message_card = replace(
    card,
    agent=stranger,
    first_time=True,
    act="send a message to finance@example.com and 2 more",
    facts=(
        Fact(label="To", value="finance@example.com, cfo@example.com, mallory@elsewhere.example", emphasis=True),
        Fact(label="From", value="ada@example.com"),
        Fact(label="Text", value="Dear all,\nthe numbers are in.\nAda", block=True),
    ),
    risk="high",
    risk_why=("goes outside the organisation",),
    differences=("first message to mallory@elsewhere.example",),
    fields=(
        Field(
            name="e0.recipients",
            label="To",
            kind="boxes",
            hint="Untick what should be left out.",
            options=tuple(
                Option(value=str(n), label=to, chosen=True)
                for n, to in enumerate(("finance@example.com", "cfo@example.com", "mallory@elsewhere.example"))
            ),
        ),
        Field(
            name="e0.role",
            label="They may",
            kind="choice",
            options=(Option(value="view", label="view"), Option(value="edit", label="edit", chosen=True)),
        ),
        Field(
            name="e0.until",
            label="Until",
            kind="time",
            value="2026-12-01T09:00",
            hint="UTC, not after 1 December 2026.",
        ),
    ),
    editing=True,
    ahead=replace(card.ahead or Ahead(ends=(), times=""), open=True, currency=None),
    proof=Proof(needed=True, passkey=True, code=True),
)
odd_card = replace(
    card,
    viewer=mallory,
    id=HOSTILE,
    agent=trickster,
    purpose=ODD,
    act=ODD,
    known=False,
    facts=odd_facts,
    agent_says=f"{ODD}\nsecond line\r\n\u05d0\u05d1\u05d2 pay 1000",
    origin=(ODD,),
    differences=(ODD,),
    risk="high",
    risk_why=(ODD,),
    thread=(Said(mine=True, at=NOW, text=ODD), Said(mine=False, at=NOW, text=f"{ODD}\n{ODD}")),
    error=ODD,
    reason_text=HOSTILE,
    fields=(
        Field(name="e0.x", label=ODD, kind="number", value=HOSTILE, hint=ODD),
        Field(name="e0.y", label=ODD, kind="boxes", hint=ODD, options=(Option(value="0", label=ODD),)),
        Field(name="e0.z", label=ODD, kind="choice", options=(Option(value=HOSTILE, label=ODD),)),
    ),
    ahead=Ahead(ends=(), times=HOSTILE, currency="USD", limits=(Option(value="limit.x", label=ODD),), open=True),
    editing=True,
    proof=Proof(needed=True, passkey=True, code=True),
)
allowances = AllowancesView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    allowances=(
        Allowed(
            id="all_1",
            agent_name="Trading assistant",
            title="Order at a broker",
            facts=(Fact(label="Only", value="ZEKO"), Fact(label="Each up to", value="412.00 USD", emphasis=True)),
            given_at=NOW - 3 * DAY,
            ends_at=NOW + 4 * DAY,
            used_at=NOW - 2 * HOUR,
            uses=2,
            times=5,
            spent="824.00 of 2,060.00 USD",
            share=40,
        ),
        Allowed(
            id="all_2",
            agent_name="Research helper",
            title="Message to others",
            facts=(Fact(label="Only to", value="team@example.com"),),
            given_at=NOW - 40 * DAY,
            ends_at=NOW - 10 * DAY,
            uses=0,
            times=3,
            over="expired",
        ),
    ),
    blocked=(Blocked(client_id="dcr/1", agent_name="Free prizes", at=NOW - DAY),),
)
stop = StopView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    id="apr_1",
    agent=assistant,
    ends=(
        "It loses every token that it has of you.",
        "It may not use your 2 accounts any more: Google Calendar, Slack.",
        "1 allowance ends.",
        "3 requests of it are refused.",
        "It cannot ask you any more.",
    ),
)
notifications = NotificationsView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    ways=(
        WayView(value="web_push", label="Push", where="2 devices"),
        WayView(value="email", label="E-mail", where="ada@example.com"),
        WayView(value="ntfy", label="ntfy", where=None, lacks="You get a topic of your own as soon as you choose it."),
    ),
    chosen=("web_push", "email"),
    quiet=("22:00", "07:00"),
    time_zone="Europe/Berlin",
    zones=("Europe/Berlin", "UTC"),
)
devices = DevicesView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    here="Android",
    key="BPk",
    browsers=(Browser(id="b1", device="Android", created_at=NOW - DAY), Browser(id="b2", device="Mac", created_at=NOW)),
    passkeys=passkeys,
)
see, change = (
    Scope(scope="cal.read", words="See your calendars"),
    Scope(scope="cal.write", words="Add and change entries"),
)
assistant_uses = Use(client_id="trading", name="Trading assistant", may=True, away=True, last_used_at=NOW - 12 * MINUTE)
helper_uses = Use(client_id="helper", name="Research helper", may=False, last_used_at=NOW - 19 * DAY)
slack = Account(
    id="con_3",
    label="ada in Acme",
    scopes=(Scope(scope="chat:write", words="Post messages as you"), Scope(scope="channels:read")),
    connected_at=NOW - 90 * DAY,
    limited=True,
    agents=(helper_uses, replace(assistant_uses, may=False, away=False, last_used_at=None)),
    health="reconnect",
    cause="The provider does not accept the grant any more: it was withdrawn there, or has run out.",
)
accounts = AccountsView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    organisation="Acme",
    providers=(
        Provider(
            connection="calendar",
            title="Google Calendar",
            accounts=(
                Account(
                    id="con_1",
                    label="ada@example.com",
                    scopes=(see, change),
                    connected_at=NOW - 3 * DAY,
                    renewed_at=NOW - 20 * MINUTE,
                    default=True,
                    agents=(assistant_uses, replace(helper_uses, may=True)),
                    takes_over="countess@lovelace.example",
                ),
                Account(
                    id="con_2",
                    label="countess@lovelace.example",
                    scopes=(see,),
                    connected_at=NOW - 40 * DAY,
                    may_default=True,
                    agents=(replace(assistant_uses, away=False, last_used_at=None), replace(helper_uses, may=True)),
                    health="trouble",
                    since=NOW - 40 * MINUTE,
                    cause="The provider cannot be reached.",
                    takes_over="ada@example.com",
                ),
            ),
        ),
        Provider(connection="slack", title="Slack", accounts=(slack,)),
        Provider(
            connection="crm",
            title="Salesforce",
            may_share=True,
            accounts=(
                Account(
                    id="con_4",
                    label="sales@acme.example",
                    shared_by="Acme",
                    may_change=False,
                    connected_at=NOW - 200 * DAY,
                    ends_at=NOW + 6 * DAY,
                    agents=(replace(assistant_uses, away=False, last_used_at=None),),
                ),
            ),
        ),
    ),
    offers=(
        Offer(connection="github", title="GitHub", purpose="Read repositories, open pull requests"),
        Offer(connection="stripe", title="Stripe", purpose="Whatever the account may do", may_share=True),
    ),
)
connect_start = ConnectStartView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    ticket="ct_1",
    provider="Google Calendar",
    provider_host="accounts.google.com",
    agent=assistant,
    purpose="Watches prices, and keeps an eye on the calendar.",
    scopes=(see, replace(change, new=True)),
    candidates=(
        Candidate(
            id="con_1", label="ada@example.com", already="Allows 1 of these 2, and keeps what else it has", chosen=True
        ),
        Candidate(id="con_2", label="countess@lovelace.example", already="Must be connected again"),
    ),
)
connect_key = replace(
    connect_start,
    agent=None,
    purpose=None,
    provider="Stripe",
    provider_host=None,
    scopes=(),
    candidates=(),
    organisation="Acme",
    borrowers=("finance", "board"),
    fields=(
        Typed(name="account", title="Account id", secret=False),
        Typed(name="key", title="Restricted API key", secret=True, help="https://dashboard.stripe.com/apikeys"),
    ),
)
activity = ActivityView(
    viewer=ada,
    now=NOW,
    chain=Chain(events=1284, checked_at=NOW - 120),
    happenings=(
        Happening(
            at=NOW - 10 * MINUTE,
            sentence="Broker refused 1,000 shares of ZEKO: 10 were approved",
            actors=("Ada Lovelace", "Trading assistant", "Broker"),
            outcome="refused",
        ),
        Happening(
            at=NOW - 12 * MINUTE,
            sentence="Broker took the approval for 10 shares of ZEKO",
            actors=("Ada Lovelace", "Trading assistant", "Broker"),
            href="/approvals/apr_1",
        ),
        Happening(at=NOW - 13 * MINUTE, sentence="You approved: buy 10 shares of ZEKO", actors=("Ada Lovelace",)),
        Happening(
            at=NOW - 30 * HOUR,
            sentence="Trading assistant read your calendar through the vault",
            actors=("Ada Lovelace", "Trading assistant", "Calendar"),
        ),
        Happening(at=NOW - 31 * HOUR, sentence="You connected Calendar as ada@example.com", actors=("Ada Lovelace",)),
    ),
    agents=agents,
    agent="research",
    export_href="/activity/export",
    older_href="/activity?before=1200",
)
console = ConsoleView(
    csrf=CSRF,
    viewer=ada,
    now=NOW,
    organisation="Acme",
    issuer="https://id.acme.example/",
    checklist=(
        Step(words="An administrator", done=True),
        Step(words="A first agent", done=True),
        Step(words="A second administrator", done=False, how="remit apply remit.yaml, with one more user"),
        Step(words="Backups", done=False, how="Run remit backup every night"),
    ),
    agents=(
        AgentRow(
            id="trading-assistant",
            name="Trading assistant",
            kind="agent",
            state="active",
            owner="Ada Lovelace",
            purpose="Watches prices and places the orders that its user approves",
            last_seen_at=NOW - 40,
        ),
        AgentRow(
            id="dcr/1",
            name="Research helper",
            kind="agent",
            state="suspended",
            owner=None,
            purpose="Reads the news",
            last_seen_at=None,
            self_registered=True,
        ),
    ),
    users=(
        UserRow(
            id="auth0|ada",
            name="Ada Lovelace",
            email="ada@example.com",
            groups=("traders",),
            administrator=True,
            last_seen_at=NOW - 40,
        ),
        UserRow(id="auth0|bob", name="Bob", email="bob@example.com", groups=("traders", "trading-supervisors")),
    ),
    connections=(
        ConnectionRow(
            name="calendar",
            provider="oauth2",
            redirect_uri="https://id.acme.example/accounts/callback/calendar",
            uses=("connected_accounts",),
            accounts=1,
        ),
    ),
    keys=(
        KeyRow(kid="k-2026-11-RS256", alg="RS256", state="signing", since=NOW - 20 * DAY),
        KeyRow(kid="k-2026-10-RS256", alg="RS256", state="verifying", since=NOW - 50 * DAY),
    ),
)
error = ErrorView(
    happened="This app asked to go to an address it has not registered",
    remedy="Go back to the app and start again. If it happens again, tell whoever made the app.",
    reference="01J9Z6M2K7",
    code="invalid_redirect_uri",
)

MODEL = """model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type folder
  relations
    define parent: [folder]
    define viewer: [user, user:*, group#member] or viewer from parent

# A document is seen by whoever sees its folder, as long as nobody shut them out.
type document
  relations
    define parent: [folder]
    define owner: [user]
    define shut_out: [user]
    define viewer: ([user with until, group#member] or owner or viewer from parent) but not shut_out

condition until(now: timestamp, end: timestamp) {
  now < end
}
"""
STORE = "01JDB4Z3T8Q7W2K9M5N6P0R1S2"
IN_STORE = {"viewer": ada, "now": NOW, "store_id": STORE, "store_name": "documents"}
ODD_STORE = {"viewer": replace(mallory, administrator=True), "now": NOW, "store_id": HOSTILE, "store_name": ODD}
relations = RelationsView(
    viewer=ada,
    now=NOW,
    stores=(
        StoreRow(
            id=STORE, name="documents", model_id="01JDB50Q4V8E3X6Y7Z9A2B4C5D", types=4, tuples="more than 1,000",
            revision=20417, written_at=NOW - 40,
        ),
        StoreRow(
            id="01JDB6", name="entitlements", model_id="01JDB6ZZ", types=3, tuples="12", revision=4,
            written_at=NOW - 3 * DAY, sound=False,
        ),
        StoreRow(id="01JDB7", name="drafts", model_id="", types=0, tuples="0", revision=0, written_at=NOW - 40 * DAY),
    ),
    next_href="/console/relations?after=x",
)  # fmt: skip
a_store = StoreView(
    **IN_STORE,
    model_id="01JDB50Q4V8E3X6Y7Z9A2B4C5D",
    model_at=NOW - 3 * DAY,
    newest=True,
    lines=spans(MODEL),
    types=(
        TypeCard(name="user"),
        TypeCard(
            name="group",
            relations=(
                RelationLine(name="member", given=("user", "group#member"), reached=("user",), tuples_href="/x"),
            ),
        ),
        TypeCard(
            name="document",
            relations=(
                RelationLine(name="parent", given=("folder",), reached=("folder",), tuples_href="/x"),
                RelationLine(name="owner", given=("user",), reached=("user",), tuples_href="/x"),
                RelationLine(
                    name="viewer", given=("user with until", "group#member"), reached=("user", "user:*"),
                    tuples_href="/x",
                ),
                RelationLine(name="can_read", reached=("user",)),
            ),
        ),
    ),
    models=(
        ModelRow(id="01JDB50Q4V8E3X6Y7Z9A2B4C5D", at=NOW - 3 * DAY, href="/x", shown=True),
        ModelRow(id="01JD9ZZP0H3T5V7W9X1Y3Z5A7B", at=NOW - 30 * DAY, href="/x"),
    ),
    older_href="/console/relations/x?before=y",
)  # fmt: skip
in_group = TupleLine(
    user="user:ada", relation="member", object="group:eng", at=NOW - 3 * DAY, user_href="/x", object_href="/x"
)
on_folder = TupleLine(
    user="group:eng#member", relation="viewer", object="folder:q3", at=NOW - 2 * HOUR, user_href="/x", object_href="/x"
)
its_parent = TupleLine(
    user="folder:q3", relation="parent", object="document:plan", at=NOW - DAY, user_href="/x", object_href="/x"
)
till_friday = TupleLine(
    user="user:bob", relation="viewer", object="document:plan", condition="until",
    context='{"end":"2026-11-27T17:00:00Z"}', at=NOW - 40, user_href="/x", object_href="/x",
)  # fmt: skip
odd_tuple = TupleLine(
    user=f"user:{ODD}", relation=ENDLESS, object=f"document:{HOSTILE}", condition=ENDLESS, context=ODD, at=NOW,
    user_href="/x", object_href="/x",
)  # fmt: skip
tuples_page = TuplesView(
    **IN_STORE,
    csrf=CSRF,
    tuples=(till_friday, its_parent, on_folder, in_group),
    next_href="/x",
    relations=("member", "viewer"),
    conditions=("until",),
    signatures=("until(now: timestamp, end: timestamp)",),
)
changes = ChangesView(
    **IN_STORE,
    writes=(
        Write(
            revision=20417,
            at=NOW - 40,
            who="Ada Lovelace",
            changes=(Change(tuple=till_friday, added=True), Change(tuple=on_folder, added=False)),
        ),
        Write(revision=20416, at=NOW - DAY, who="Indexer", changes=(Change(tuple=its_parent, added=True),)),
        Write(
            revision=20415,
            at=NOW - 3 * DAY,
            who="remit apply",
            changes=(Change(tuple=in_group, added=True),),
            more=1912,
        ),
        Write(at=NOW - 3 * DAY, who="remit apply", words="A new model was written: 01JDB50Q4V8E3X6Y7Z9A2B4C5D"),
    ),
    older_href="/x",
)
why = WhyView(
    **IN_STORE,
    user=TypedField(value="user:ada"),
    relation=TypedField(value="viewer"),
    object=TypedField(value="document:plan"),
    parameters=(
        Parameter(name="now", type="timestamp", conditions=("until",)),
        Parameter(name="end", type="timestamp", conditions=("until",)),
    ),
    relations=("member", "viewer"),
)
KNOWN = [
    RelationTuple(each.object, each.relation, each.user, each.condition, each.context)
    for each in (in_group, on_folder, its_parent, till_friday)
] + [RelationTuple("group:eng", "member", "group:leads#member"), RelationTuple("document:plan", "shut_out", "user:eve")]


def explained(user: str, relation: str = "viewer", object_: str = "document:plan", **context: str) -> WhyAnswer:
    """A real answer over these tuples."""
    model = compiled(parse(MODEL))
    question = Question(user, relation, object_, Contextual(KNOWN), context)
    steps = why_so(model, question)
    next(steps)
    try:
        while True:
            steps.send({})
    except StopIteration as end:
        return answer(STORE, model, question, end.value)


why_yes = replace(why, object=TypedField(value="folder:q3"), answer=explained("user:ada", "viewer", "folder:q3"))
why_but = replace(why, answer=explained("user:ada"))
why_no = replace(
    why,
    user=TypedField(value="user:bob"),
    parameters=(replace(why.parameters[0], value="2026-11-29T09:00:00Z"), why.parameters[1]),
    answer=explained("user:bob", now="2026-11-29T09:00:00Z"),
)
why_unknown = replace(why, user=TypedField(value="user:bob"), answer=explained("user:bob"))


def nested(depth: int) -> tuple[Station, ...]:
    """A way that parts again and again, with odd names."""
    inner = (Branch(outcome="unknown", label=ODD, steps=nested(depth - 1)),) if depth else ()
    return (
        Station(
            place=f"document:{ODD}", relation=ENDLESS, outcome="unknown", rule=ODD, words=ODD, tuples=(odd_tuple,),
            note=ODD, href="/x", add_href="/x", on_href="/x", branches=inner,
        ),
    )  # fmt: skip


SAMPLES: dict[str, View] = {
    "sign-in": sign_in,
    "sign-in-passkey": replace(sign_in, passkey=asked_for, passkey_error=ODD),
    "sign-in-plain": replace(sign_in, client_name=None, upstreams=()),
    "sign-in-error": replace(
        sign_in,
        identifier="ada@exmaple.com",
        error="That e-mail and password do not go together.",
        notice="Many tries from here. The next one counts in 30 seconds.",
    ),
    "sign-in-hostile": replace(
        sign_in,
        organisation=ODD,
        client_name=ODD,
        identifier=HOSTILE,
        error=ODD,
        notice=ODD,
        upstreams=(Upstream(name=ODD, href="/login/upstream/x?resume=%22%3E"),),
    ),
    "second-factor": second_factor,
    "second-factor-error": replace(second_factor, identifier=ODD, error="This code is over. Enter the one shown now."),
    "second-factor-passkey": replace(second_factor, app=False, passkey=asked_for),
    "second-factor-either": replace(second_factor, passkey=asked_for, passkey_error="That did not prove who you are."),
    "second-factor-neither": replace(second_factor, app=False),
    "security": security,
    "security-passkeys": replace(security, passkeys=passkeys),
    "security-passkey-only": replace(security, app_since=None, passkeys=passkeys[:1], passkey_error=ODD),
    "security-passkeys-hostile": replace(security, passkeys=tuple(replace(each, name=ODD) for each in passkeys)),
    "passkeys": add_passkey,
    "passkeys-error": replace(add_passkey, viewer=mallory, name=ODD, first=False, error=ODD),
    "passkeys-nowhere": replace(add_passkey, options=None),
    "security-code": replace(security, code="wanted", code_error="A code has 6 to 64 characters."),
    "security-off": replace(security, app_since=None, done="Your authenticator app is removed."),
    "security-hostile": replace(security, viewer=mallory, done=ODD, error=ODD),
    "enrol": enrol,
    "enrol-error": replace(enrol, viewer=mallory, error="That is not the code of this moment."),
    "set-up": set_up,
    "set-up-error": replace(
        set_up,
        name=HOSTILE,
        email="ada@",
        name_error="Say how people call you.",
        email_error="This is not a whole address.",
        password_error="This password is on lists of stolen ones.",
        issuer=f"https://{ENDLESS}.example/",
    ),
    "sign-out": SignOutView(csrf=CSRF, resume="", viewer=ada, client_name="Trading platform"),
    "sign-out-hostile": SignOutView(csrf=CSRF, resume="", viewer=mallory, client_name=ODD),
    "signed-out": SignedOutView(return_href="https://app.example/", return_name="Trading platform"),
    "signed-out-plain": SignedOutView(),
    "consent": consent,
    "consent-plain": replace(
        consent, agent=assistant, purpose=None, permissions=(), details=(), still_asks=(), away=False
    ),
    "consent-hostile": replace(
        consent,
        viewer=mallory,
        agent=trickster,
        purpose=ODD,
        return_host=f"{ENDLESS}.example",
        acting_as=ODD,
        permissions=odd_permissions,
        details=(Detail(sentence=ODD, facts=odd_facts, known=False),),
        lasts=ODD,
        still_asks=(ODD,),
    ),
    "return": ReturnView(href="#code=abc&state=xyz", client_name="Trading platform"),
    "return-hostile": ReturnView(href="#/cb?state=%22%3E<script>&x='y'", client_name=ODD),
    "device-code": DeviceCodeView(csrf=CSRF, viewer=ada),
    "device-code-error": DeviceCodeView(csrf=CSRF, user_code=HOSTILE[:20], error="No device waits with this code."),
    "device-confirm": device_confirm,
    "device-confirm-hostile": replace(
        device_confirm,
        viewer=mallory,
        agent=trickster,
        place=ODD,
        acting_as=ODD,
        permissions=odd_permissions,
        details=(Detail(sentence=ODD, facts=odd_facts),),
        still_asks=(ODD,),
    ),
    "device-allowed": DeviceDoneView(viewer=ada, agent_name="Trading assistant", allowed=True),
    "device-refused": DeviceDoneView(viewer=mallory, agent_name=ODD, allowed=False),
    "notifications": notifications,
    "notifications-tried": replace(
        notifications,
        private=True,
        tried=(Outcome(label="Push", why=None), Outcome(label="E-mail", why="it took too long")),
    ),
    "notifications-none": NotificationsView(csrf=CSRF, viewer=ada, now=NOW),
    "notifications-hostile": replace(
        notifications,
        viewer=mallory,
        ways=(WayView(value="email", label="E-mail", where=ODD),),
        topic=f"https://ntfy.example/{ODD}",
        time_zone=HOSTILE,
        tried=(Outcome(label="E-mail", why=ODD),),
        done=ODD,
        error=ODD,
    ),
    "devices": devices,
    "devices-none": DevicesView(csrf=CSRF, viewer=ada, now=NOW),
    "devices-hostile": replace(
        devices,
        viewer=mallory,
        here=ODD,
        browsers=(Browser(id=HOSTILE, device=ODD, created_at=NOW),),
        passkeys=(replace(passkeys[0], name=ODD),),
        done=ODD,
        error=ODD,
    ),
    "allowances": allowances,
    "allowances-none": AllowancesView(csrf=CSRF, viewer=ada, now=NOW, done="It is taken back."),
    "allowances-hostile": replace(
        allowances,
        viewer=mallory,
        allowances=tuple(
            replace(each, id=HOSTILE, agent_name=ODD, title=ODD, facts=odd_facts) for each in allowances.allowances
        ),
        blocked=(Blocked(client_id=HOSTILE, agent_name=ODD, at=NOW),),
        done=ODD,
    ),
    "stop": stop,
    "stop-done": replace(stop, done=True),
    "stop-hostile": replace(stop, viewer=mallory, id=HOSTILE, agent=trickster, ends=(ODD,)),
    "history": history,
    "history-none": HistoryView(viewer=ada, now=NOW),
    "history-filtered": replace(history, decided=(), outcome="unused", older_href=None),
    "history-hostile": replace(
        history,
        viewer=mallory,
        decided=(replace(inbox.decided[2], id=HOSTILE, agent_name=ODD, act=ODD, reason=ODD),),
        agents=(Choice(value=HOSTILE, label=ODD), Choice(value="", label="")),
        newest=False,
    ),
    "approvals": inbox,
    "approvals-empty": ApprovalsView(viewer=Viewer(name="Bob", email="bob@example.com"), now=NOW),
    "approvals-hostile": replace(
        inbox,
        viewer=mallory,
        waiting=(replace(inbox.waiting[0], id=HOSTILE, agent_name=ODD, act=ODD, unusual=ODD),),
        decided=(replace(inbox.decided[2], id=HOSTILE, agent_name=ODD, act=ODD, reason=ODD),),
        agents=(Choice(value=HOSTILE, label=ODD), Choice(value="", label="")),
    ),
    "approval": card,
    "approval-high": high_card,
    "approval-message": message_card,
    "approval-hostile": odd_card,
    "approval-unknown": replace(card, known=False, act="do “wire_transfer” at broker.example", origin=(), fields=()),
    "approval-bare": replace(
        card, agent_says=None, purpose=None, origin=(), differences=(), fields=(), ahead=None, may_ask=False
    ),
    "approval-asking": replace(card, state="asking", thread=talk[:1], may_ask=False),
    "approval-unproven": replace(
        high_card, proof=Proof(needed=True, set_up="/security/passkeys", say="Add a passkey to approve this")
    ),
    "approval-code": replace(high_card, proof=Proof(needed=True, code=True), editing=False),
    "approval-approved": replace(card, state="approved", decided_at=NOW - 90),
    "approval-edited": replace(
        card,
        state="partly",
        decided_at=NOW - 90,
        changes=("Shares: 10 × ZEKO → 8 × ZEKO", "At most: 412.00 USD → 329.60 USD"),
    ),
    "approval-used": replace(card, state="used", decided_at=NOW - 90, used_at=NOW - 70, used_by="Broker"),
    "approval-ahead": replace(card, state="used", decided_at=NOW - 90, used_at=NOW - 70, by_allowance=True),
    "approval-lapsed": replace(card, state="lapsed", decided_at=NOW - 900),
    "approval-denied": replace(card, state="denied", decided_at=NOW - 90, reason="Wrong amount."),
    "approval-expired": replace(card, state="expired", expires_at=NOW - 5),
    "accounts": accounts,
    "accounts-empty": replace(
        accounts, providers=(), offers=(), done="Calendar is disconnected. The provider confirmed it."
    ),
    "accounts-first": replace(accounts, viewer=replace(ada, administrator=False), providers=()),
    "accounts-hostile": replace(
        accounts,
        viewer=mallory,
        organisation=ODD,
        providers=(
            Provider(
                connection=HOSTILE,
                title=ODD,
                may_share=True,
                accounts=(
                    replace(
                        slack,
                        id=HOSTILE,
                        label=ODD,
                        shared_by=ODD,
                        scopes=(Scope(scope=ODD), Scope(scope="x", words=ODD)),
                        agents=(Use(client_id=HOSTILE, name=ODD, may=True, away=True),),
                        cause=ODD,
                        takes_over=ODD,
                    ),
                ),
            ),
        ),
        offers=(Offer(connection=HOSTILE, title=ODD, purpose=ODD, may_share=True),),
        done=ODD,
    ),
    "connect-start": connect_start,
    "connect-again": replace(connect_start, away_already=True),
    "connect-alone": replace(connect_start, agent=None, purpose=None, candidates=(), scopes=(see, change)),
    "connect-key": connect_key,
    "connect-key-wrong": replace(
        connect_key,
        organisation=None,
        agent=assistant,
        away=True,
        fields=(
            replace(connect_key.fields[0], value="acct_1"),
            replace(connect_key.fields[1], error="Stripe does not accept this."),
        ),
    ),
    "connect-leave": ConnectLeaveView(provider="Calendar", href="#/authorize?state=xyz"),
    "connect-leave-hostile": ConnectLeaveView(provider=ODD, href="#/a?state=%22%3E<script>&x='y'"),
    "connect-start-hostile": replace(
        connect_start,
        viewer=mallory,
        provider=ODD,
        provider_host=ENDLESS,
        agent=trickster,
        purpose=ODD,
        organisation=ODD,
        borrowers=(ODD,),
        scopes=(Scope(scope=ODD, words=ODD, new=True),),
        candidates=(Candidate(id=HOSTILE, label=ODD, already=ODD),),
        fields=(Typed(name="key", title=ODD, secret=False, value=HOSTILE, error=ODD),),
    ),
    "connect-done": ConnectDoneView(viewer=ada, provider="Calendar", label="ada@example.com", waits=True),
    "connect-other": ConnectDoneView(
        viewer=ada, provider="Calendar", label="ada@example.com", instead_of="countess@lovelace.example"
    ),
    "connect-failed": ConnectDoneView(
        viewer=ada, provider=ODD, problem="You said no at the provider. Nothing was kept."
    ),
    "activity": activity,
    "activity-empty": replace(activity, happenings=(), chain=Chain(events=0, checked_at=NOW), older_href=None),
    "activity-broken": replace(activity, chain=Chain(events=1284, checked_at=NOW, broken_at=1007)),
    "activity-hostile": replace(
        activity,
        viewer=mallory,
        happenings=(Happening(at=NOW, sentence=ODD, actors=(ODD, ODD), outcome="refused", href="/approvals/1"),),
    ),
    "console": console,
    "console-empty": replace(console, checklist=(), agents=(), connections=(), keys=(), done="Saved."),
    "console-hostile": replace(
        console,
        viewer=replace(mallory, administrator=True, waiting=3),
        organisation=ODD,
        agents=(
            AgentRow(
                id=HOSTILE, name=ODD, kind="agent", state="active", owner=ODD, purpose=ODD, last_seen_at=NOW - 90 * DAY
            ),
        ),
        users=(UserRow(id="1", name=ODD, email=f"{ENDLESS}@x", groups=(ODD,), last_seen_at=NOW - 400 * DAY),),
        connections=(
            ConnectionRow(name=ODD, provider=ODD, redirect_uri=f"https://x/{ENDLESS}", uses=("authentication",)),
        ),
        keys=(KeyRow(kid=ENDLESS, alg="ES256", state="next", since=NOW),),
        done=ODD,
    ),
    "relations": relations,
    "relations-none": RelationsView(viewer=ada, now=NOW),
    "relations-hostile": replace(
        relations,
        viewer=ODD_STORE["viewer"],
        elsewhere=f"https://{ENDLESS}.example",
        stores=(replace(relations.stores[0], id=HOSTILE, name=ODD, model_id=ENDLESS, sound=False),),
    ),
    "store": a_store,
    "store-earlier": replace(a_store, newest=False, types=()),
    "store-none": StoreView(**IN_STORE, model_id="", model_at=NOW, newest=True),
    "store-hostile": replace(
        a_store,
        **ODD_STORE,
        model_id=ENDLESS,
        newest=False,
        lines=spans(f"type {ODD}\n  define {ENDLESS}: [{ODD}]  # {ODD}"),
        types=(
            TypeCard(name=ODD, relations=(RelationLine(name=ODD, given=(ODD,), reached=(ENDLESS,), tuples_href="/x"),)),
        ),
        models=(ModelRow(id=ODD, at=NOW, href="/x"),),
        fault=ODD,
    ),
    "tuples": tuples_page,
    "tuples-none": replace(tuples_page, tuples=(), next_href=None),
    "tuples-wrong": replace(
        tuples_page,
        object=TypedField(value="document:plan"),
        user=TypedField(value="bob", error="The user is not written type:id, type:* or type:id#relation."),
        tuples=(),
        next_href=None,
        first_href="/x",
        adding=Adding(
            user=TypedField(value="user:*"),
            relation=TypedField(value="owner", error="owner of document does not take user:*; it takes user."),
            object=TypedField(value="document:plan"),
            condition=TypedField(value="until"),
            context=TypedField(value="{now}", error="This is not a JSON object."),
            open=True,
        ),
    ),
    "tuples-hostile": replace(
        tuples_page,
        **ODD_STORE,
        object=TypedField(value=HOSTILE, error=ODD),
        tuples=(odd_tuple,),
        adding=Adding(user=TypedField(value=HOSTILE, error=ODD), error=ODD, open=True),
        relations=(ODD,),
        done=ODD,
        error=ODD,
    ),
    "changes": changes,
    "changes-none": ChangesView(**IN_STORE),
    "changes-hostile": replace(
        changes,
        **ODD_STORE,
        writes=(Write(revision=1, at=NOW, who=ODD, changes=(Change(tuple=odd_tuple, added=True),)),),
    ),
    "why": why,
    "why-yes": why_yes,
    "why-but": why_but,
    "why-no": why_no,
    "why-unknown": why_unknown,
    "why-wrong": replace(
        why,
        user=TypedField(value="ada", error="The user is not written type:id, type:* or type:id#relation."),
        parameters=(replace(why.parameters[0], value="noon", error="This is not a timestamp."),),
        error="The question could not be asked.",
    ),
    "why-hostile": replace(
        why,
        **ODD_STORE,
        object=TypedField(value=HOSTILE, error=ODD),
        parameters=(Parameter(name=ENDLESS, type=ODD, conditions=(ODD,), value=HOSTILE, error=ODD),),
        answer=WhyAnswer(outcome="unknown", sentence=ODD, summary=ODD, steps=nested(3), cut=ODD),
    ),
    "error": error,
    "error-hostile": replace(error, happened=ODD, remedy=ODD, code=HOSTILE, back_href="/login", back_name=ODD),
    "not-found": NotFoundView(),
}


class PreviewServer(ThreadingHTTPServer):
    """The samples at `/{name}`, the static files beside them, all under the real policy."""

    daemon_threads = True

    def __init__(self) -> None:
        self.assets = Assets()
        self.renderer = Renderer(self.assets)
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str) -> tuple[int, str, bytes]:
        name = path.partition("?")[0].strip("/")
        if name.startswith("static/"):
            asset = self.assets.find(name.removeprefix("static/"))
            return (200, asset.media_type, asset.body) if asset else (404, "text/plain", b"")
        if name.endswith("/preview"):
            said = b'{"act": "buy 8 shares of ZEKO", "limit": "At most: 329.60 USD", "changed": true}'
            return 200, "application/json", said
        if name == "approvals/events":
            return 200, "text/event-stream", b"retry: 600000\n\n"
        if name == "security/qr":
            return 200, "image/svg+xml", drawn("otpauth://totp/Remit:ada@example.com?secret=" + enrol.secret)
        if view := SAMPLES.get(name):
            return 200, "text/html; charset=utf-8", self.renderer.render(Page(view))
        index = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in SAMPLES)
        return 200, "text/html; charset=utf-8", f"<title>Preview</title><ul>{index}</ul>".encode()


class _Handler(BaseHTTPRequestHandler):
    server: PreviewServer

    @property
    def _script_urls(self) -> tuple[str, ...]:
        view = SAMPLES.get(self.path.partition("?")[0].strip("/"))
        return view.script_urls if view else ()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        status, media_type, body = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", content_security_policy((), self._script_urls))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Quiet."""


def shots(folder: Path, names: list[str]) -> None:
    from shutil import which

    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    server = PreviewServer()
    Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for width, height in ((390, 844), (1280, 900)):
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                for name in names or SAMPLES:
                    page.goto(f"{server.url}/{name}")
                    page.wait_for_timeout(700 if name.startswith("approval") else 0)  # until the button is armed
                    # As tall as the page, so that the answers stand below it and not across it.
                    tall = page.evaluate("document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": max(height, tall)})
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
                    page.set_viewport_size({"width": width, "height": height})
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    if sys.argv[1:2] == ["shots"]:
        shots(Path(sys.argv[2]), sys.argv[3:])
    else:
        preview = PreviewServer()
        print(preview.url)
        preview.serve_forever()

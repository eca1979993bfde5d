"""Every behaviour that Remit promises: an id, where the promise comes from, and the promise in a sentence.

A test that proves one names its id: `@proves("attack.refresh-replay")`. tests/architecture/test_ledger.py holds the two
against each other: a promise without a test and a test without a promise both fail.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest


class Promise(NamedTuple):
    source: str
    sentence: str


LEDGER: dict[str, Promise] = {
    # The house
    "house.rules-are-pure": Promise(
        "docs/adr/0001", "A rule depends on its arguments only: no clock, no randomness, no environment, no I/O."
    ),
    "house.one-guess": Promise(
        "docs/adr/0001",
        "An endpoint is in the file named after its URL's last word, a grant in the one named after its type.",
    ),
    "house.one-way-out": Promise(
        "docs/adr/0001",
        "Every request that the server makes goes through runtime/outbound.py, and mail through runtime/mail.py.",
    ),
    "house.reads-the-same-everywhere": Promise(
        "docs/adr/0003", "No tracked file names a path of one machine or a host that served a package."
    ),
    "house.locks-have-hashes": Promise("docs/adr/0003", "Every dependency is pinned with its hash."),
    "house.readme-is-true": Promise(
        "README.md", "The commands, links and programs that the documents show exist and compile."
    ),
    # Storage
    "storage.acknowledged-is-durable": Promise(
        "docs/adr/0004",
        "`kill -9` at any moment under load loses no acknowledged write and leaves a chain that verifies.",
    ),
    "storage.use-once": Promise(
        "docs/adr/0004", "Of 50 who race for one code, refresh token, pushed request or approval exactly one wins."
    ),
    "storage.bad-row-fails-alone": Promise(
        "docs/adr/0004", "A unit that the database refuses fails its own request, not those that share its transaction."
    ),
    "storage.no-event-no-effect": Promise("docs/adr/0004", "An event is written with what it tells, or neither is."),
    "storage.tampering-shows": Promise(
        "docs/adr/0004", "Changing, removing, reordering or forging an event is noticed by following the chain."
    ),
    "storage.lookups-by-index": Promise(
        "docs/adr/0004",
        "Every hot statement finds its rows by an index, however large the table and whatever its statistics.",
    ),
    "storage.away-is-said-at-once": Promise(
        "docs/adr/0004", "A database that is away is answered with 503 at once, and is used again when it is back."
    ),
    "storage.suspension-spreads": Promise(
        "docs/adr/0004", "What one process changes, others forget; while they cannot hear of it they read the database."
    ),
    "sealing.place": Promise("docs/adr/0005", "A sealed row copied to another person or table does not open."),
    "sealing.rotation": Promise(
        "docs/adr/0005", "Data keys and the master rotate while everything runs, and no row is lost or left unreadable."
    ),
    "sealing.move": Promise(
        "docs/adr/0010",
        "The data keys move to another master key while two nodes serve; at every step a node may be started anew.",
    ),
    "sealing.key-services": Promise(
        "docs/adr/0010",
        "Whoever keeps the master key, a data key opens under its own id only, and no reply of a key service goes unchecked.",
    ),
    "sealing.refuses-before-writing": Promise(
        "docs/adr/0010", "A master key that is wrong, lost, denied or away stops a start before anything is written."
    ),
    "attack.refresh-replay": Promise(
        "RFC 9700 section 4.14.2", "A spent refresh token presented again kills its family and leaves an event."
    ),
    "attack.refresh-grace": Promise(
        "RFC 9700 section 4.14.2",
        "A lost reply may be asked for again only by the same client with the same key, and only for a short time.",
    ),
    "attack.redirect-uri": Promise(
        "RFC 9700 section 4.1",
        "A redirect URI is compared character for character, but for the port on loopback; on a mismatch nobody is redirected.",
    ),
    "attack.races": Promise(
        "RFC 9700 section 4.5", "Of fifty that redeem one code, request_uri or refresh token at once, one succeeds."
    ),
    "attack.cross-site-form": Promise(
        "OIDC Core section 3.1.2", "A form that another site or another browser sends is refused."
    ),
    "attack.session-fixation": Promise(
        "RFC 9700 section 4.7", "Each sign-in starts a session with a new value; the one before it ends."
    ),
    "attack.inner-addresses": Promise(
        "standards 3.5", "The vault says nothing to an inner address, whatever name or number leads there."
    ),
    "attack.mix-up": Promise(
        "RFC 9700 section 4.4",
        "An answer of one upstream provider is never taken for another's; ours name their issuer.",
    ),
    "signin.second-factor": Promise(
        "RFC 6238 section 5.2",
        "Whoever set up a second factor has no session without a code, a code works once, and acr 2fa means that one was given.",
    ),
    "signin.passkey": Promise(
        "WebAuthn Level 3 section 7",
        "A passkey signs its person in alone, as two factors, or completes a password; it steps a session up; it is asked of "
        "whoever has one.",
    ),
    "attack.passkey-forged": Promise(
        "WebAuthn Level 3 section 7.2",
        "An answer for another origin, host, challenge or person, or without the person verified, is refused.",
    ),
    "attack.passkey-replayed": Promise(
        "WebAuthn Level 3 section 13.4.3",
        "A challenge counts once, in the browser, the session and the page that it was made for, and not for long.",
    ),
    "attack.passkey-copied": Promise(
        "WebAuthn Level 3 section 6.1.1", "A count of signatures that does not grow is refused and told in the trail."
    ),
    "approvals.proof": Promise(
        "docs/adr/0018",
        "What is of high risk is approved by a passkey that signs this request, these details with their edits, and the answer; "
        "whoever shows none is told what to do, and nothing is decided.",
    ),
    "approvals.proof-code": Promise(
        "docs/adr/0018",
        "Where the organisation permits it, a code does of whoever has no passkey; it counts once, and guesses are counted.",
    ),
    "attack.proof-forged": Promise(
        "WebAuthn Level 3 section 7.2",
        "A proof that was changed, is from another origin, or without its person verified, approves nothing.",
    ),
    "attack.proof-elsewhere": Promise(
        "docs/adr/0018",
        "A proof for another request, other details, another allowance or by another person approves nothing.",
    ),
    "attack.proof-replayed": Promise("docs/adr/0018", "A proof counts once, and a copied authenticator's not at all."),
    "approvals.evidence": Promise(
        "docs/adr/0018",
        "What is kept of a proof verifies offline, and `remit audit show` fails loudly when evidence, digest or chain do not hold.",
    ),
    "page.way-back": Promise(
        "CSP Level 3 section 6.4.2", "After a form, a browser under our policy reaches the app's redirect URI."
    ),
    "attack.device-phishing": Promise(
        "RFC 10027", "The device page names the client and asks who started this; a link never submits itself."
    ),
    "attack.device-guessing": Promise(
        "RFC 8628 section 5.1", "Wrong user codes are limited by address and altogether."
    ),
    "attack.device-off": Promise("RFC 8628 section 5.4", "A client without the device grant cannot start the flow."),
    "attack.assertion-audience": Promise(
        "draft-ietf-oauth-rfc7523bis section 4",
        "A client assertion's audience is the issuer alone: a URL of an endpoint or a list is refused.",
    ),
    "attack.assertion-replay": Promise("RFC 7523 section 3", "A client assertion's jti is taken once."),
    "attack.jwt-algorithm": Promise(
        "RFC 8725 section 3.1", "The algorithm is the key's: none, HMAC with a public key, and any other are refused."
    ),
    "attack.jwt-kind": Promise("RFC 8725 section 3.11", "A JWT of one kind is never taken for another."),
    "attack.jwt-key-by-header": Promise(
        "RFC 8725 section 3.10",
        "What a header brings along (jku, x5u, jwk) is ignored outside DPoP; kid has no meaning as a path or in SQL.",
    ),
    "race.device-code": Promise("RFC 8628 section 3.4", "Of fifty parallel redemptions of a device code one succeeds."),
    "input.never-fails": Promise(
        "issue: done when",
        "Whatever is sent to any URL, the answer is one that the URL has a name for, and never a 500.",
    ),
    "input.exact-errors": Promise("standards 1h", "Each bad request gets the error that its standard gives it."),
    "input.openapi-is-true": Promise(
        "issue: done when", "Every URL is described in docs/reference/openapi.json, and the server answers as it says."
    ),
    "input.no-header-from-a-path": Promise("RFC 9112 section 11.1", "A line break in a path never ends a header."),
    "input.no-redirect-to-the-host-header": Promise(
        "RFC 9700 section 4.11", "No redirect goes to the host that a request names."
    ),
    "page.csrf": Promise("RFC 9700 section 4.7", "A form posted from elsewhere changes nothing."),
    "page.without-javascript": Promise("issue: pages", "Every page works without JavaScript."),
    "page.history": Promise(
        "issue 4", "A person sees how each request to them ended and whether it was used, and nobody else's."
    ),
    "page.preview": Promise("issue 4", "To read how an edit would sound answers nothing."),
    "page.escaping": Promise(
        "standards 3.9", "What others wrote is shown as text, with hidden characters made visible."
    ),
    "details.nothing-unseen": Promise(
        "docs/adr/0015",
        "Every member of a rich request is bounded, shown to the person, and compared in one way, or its type is refused.",
    ),
    "details.one-digest": Promise(
        "RFC 8785", "A request has one canonical form and one digest, the same in the server and in the SDK."
    ),
    "details.undescribed": Promise(
        "docs/adr/0015",
        "A type that no document describes is taken where the API names it, shown whole, and of high risk.",
    ),
    "details.edits-narrow": Promise(
        "docs/adr/0015", "Whatever passes under an edited request would have passed under what was asked."
    ),
    "details.risk": Promise("docs/adr/0015", "Knowing less about a request never makes its risk lower."),
    "allowance.bounded": Promise(
        "docs/adr/0015", "What an allowance covers never exceeds its bounds, however many use it at once."
    ),
    "allowance.answers": Promise(
        "issue 4",
        "A request that a person has allowed ahead is approved at once, recorded like any other, within its bounds.",
    ),
    "allowance.not-overspent": Promise(
        "issue 4", "Requests that arrive at once do not use more of an allowance than it has."
    ),
    "allowance.never-for-high-risk": Promise(
        "docs/adr/0015", "What is of high risk is not allowed ahead, unless its type says so; what is unknown, never."
    ),
    "approval.edited": Promise(
        "issue 4", "Who approves less than was asked binds the token, the API and the record to that."
    ),
    "approval.edited-only-narrower": Promise(
        "issue 4", "An edit that is more than was asked, or elsewhere, is refused."
    ),
    "approval.asked-back": Promise(
        "issue 4",
        "A person's question reaches the agent at once, its reply reaches the person, and the request goes on.",
    ),
    "approval.blocked": Promise(
        "attack 8", "A person who blocks an agent is not asked by it, until they take that back."
    ),
    "approval.stopped": Promise(
        "issue 4",
        "Who stops an agent ends its tokens, agreements, borrowed accounts, allowances and requests, theirs alone.",
    ),
    "approval.spent-once": Promise(
        "attack 11",
        "What was approved is carried out once, however often and from how many places at once it is tried.",
    ),
    "approval.amount": Promise(
        "attack 10", "An API that asks before it acts lets nothing pass that is not what was approved, or less of it."
    ),
    "approval.replayed": Promise(
        "attack 11", "An approval is worth one set of tokens, for its client, key and API, for a short time."
    ),
    "approval.stale": Promise(
        "attack 11", "A stale page, a second click and an answer to other details decide nothing."
    ),
    "approval.own-user": Promise("standards 3.11", "Nobody sees or answers another person's request."),
    "approval.ping": Promise("standards 1e", "A client in ping mode is told that there is an answer, and fetches it."),
    "approval.push": Promise("standards 1e", "A client in push mode gets exactly what was approved, and may not poll."),
    "approval.client-told-despite-failure": Promise(
        "standards 1e", "A client that could not be told is told again, with the same, by whichever node is alive."
    ),
    "approval.asked-by-acquaintances": Promise(
        "attack 8", "An agent asks only people who have to do with it; others are to it as people who are not there."
    ),
    "approval.asked-so-often": Promise(
        "attack 8", "How often an agent asks a person is bounded, and who hears no, or nothing, waits longer each time."
    ),
    "approval.asked-once": Promise(
        "attack 8", "What is open already is not asked again: there is one card, one request."
    ),
    "approval.unknown-as-silent": Promise(
        "attack 8",
        "With `unknown_users: silent` an agent cannot tell somebody who is not there from somebody who is silent.",
    ),
    "approval.long-poll": Promise(
        "issue 4", "A poll that prefers to wait is answered within a second of the decision, on whichever node."
    ),
    "interop.asking": Promise("issue 4", "Auth0's SDKs, unmodified, ask a person by CIBA and get what was approved."),
    "approval.inert": Promise(
        "attack 9", "What an agent writes is shown whole, as the agent's, and neither runs nor hides anything."
    ),
    "approval.survives": Promise("issue 4", "Killing a server loses no request, no answer and no message to a client."),
    "channels.outbox": Promise(
        "docs/adr/0016",
        "Who is to be told is written with the request: no crash loses it, one node tells at a time, and it ends with the request.",
    ),
    "channels.fallback": Promise(
        "docs/adr/0016", "A way that fails gives way to the next while there is time, and the timeline says both."
    ),
    "channels.quiet-hours": Promise(
        "docs/adr/0016", "Quiet hours, by the person's own clock, hold back all but what would expire before they end."
    ),
    "channels.nothing-secret": Promise(
        "sdk-and-pages 4", "A message has no secret and none of the agent's prose in it, and decides nothing."
    ),
    "channels.live-inbox": Promise(
        "sdk-and-pages 4",
        "An open inbox shows a new request soon, whichever node took it, misses nothing over a cut, and ends at sign-out.",
    ),
    "channels.own": Promise(
        "docs/adr/0016",
        "How a person is told is seen and changed by the organisation's own apps, and never by an agent.",
    ),
    "channels.email": Promise(
        "standards 3.9",
        "An e-mail has the headers, the recipient and the tags that we wrote, whatever an agent is called.",
    ),
    "channels.web-push": Promise(
        "RFC 8291, RFC 8292",
        "A push is readable in that browser only, signed by us, and goes to listed push services only.",
    ),
    "interop.firefox": Promise(
        "issue 4",
        "An unmodified Firefox subscribes on our page, receives our push, decrypts it, and our worker shows it.",
    ),
    "channels.webhook": Promise("Standard Webhooks 1.0.0", "A webhook is signed, and a repeat has the same id."),
    "channels.ntfy": Promise("sdk-and-pages 4", "A message by ntfy opens the page and has no button."),
    "approval.not-by-agents": Promise(
        "standards 3.8", "No agent answers a request, another agent's included: it never gets the scope to."
    ),
    # Relations: the language
    "relations.language": Promise(
        "docs/adr/0020",
        "OpenFGA's own cases for its language pass, text, JSON and modules, and each fault has upstream's type and place.",
    ),
    "relations.models-in-linear-time": Promise(
        "docs/adr/0020", "No model within the limit of size takes long to read and judge, however it is made."
    ),
    # Relations: storage
    "relations.writes-are-exact": Promise(
        "docs/adr/0022",
        "Of equal writes one wins, revisions have no gaps, and who saw a revision reads all of it, whatever writes meanwhile.",
    ),
    # Relations: conditions and tuples
    "relations.condition-unsaid-decides-nothing": Promise(
        "docs/adr/0021", "A condition that lacks a parameter is an error that names it, and never a yes."
    ),
    "relations.condition-tuple-wins": Promise(
        "docs/adr/0021", "What a tuple tells its condition stands, whatever the request says."
    ),
    "relations.condition-cost": Promise(
        "docs/adr/0021", "A condition is evaluated only where its cost is bounded beforehand; nothing else is begun."
    ),
    "relations.openfga-fuzz": Promise(
        "issue: relations", "On models and tuples made at random, Remit answers as the engine of OpenFGA does."
    ),
    "relations.tuples-fit-their-model": Promise(
        "docs/adr/0021",
        "A tuple carries a condition that its relation takes, and a context that the condition can read.",
    ),
    # Relations: lists and explanations
    "relations.lists-are-what-check-says": Promise(
        "issue: relations", "A list of objects or users holds all whom check allows and nobody whom it denies."
    ),
    "relations.why-is-what-check-says": Promise(
        "issue: relations", "An explanation says what check says, and each yes is a way along stored tuples."
    ),
    # Relations over HTTP
    "relations.openfga-suites": Promise(
        "issue: relations", "OpenFGA's own suites pass over HTTP, stored and contextual, on both databases."
    ),
    "relations.openfga-errors": Promise(
        "issue: relations",
        "A request that OpenFGA refuses is refused with OpenFGA's status and code, and none fails, however malformed.",
    ),
    "relations.only-with-the-scope": Promise(
        "docs/relations.md",
        "Nobody uses /stores without a token of their own for it; to write and to define take a scope each.",
    ),
    "relations.never-silently-short": Promise(
        "issue: relations",
        "A list that a limit cuts says so and how to go on; a streamed one is whole or ends in an error.",
    ),
    "relations.side-by-side": Promise(
        "docs/relations.md",
        "Applying touches the stores and tuples that its file names or named, and none that programs made.",
    ),
    "relations.told": Promise(
        "docs/relations.md",
        "Whatever changes stores, models, assertions or tuples leaves an event that names who did it.",
    ),
    "interop.openfga": Promise(
        "issue: relations",
        "OpenFGA's SDKs for Python (0.9.9 and 0.10.5) and Node.js work unmodified, every method, and so do Auth0's FGA classes.",
    ),
    "relations.console": Promise(
        "docs/relations.md",
        "Only administrators see and change relations at the console; a change there is judged, and told with who made it.",
    ),
    "relations.why": Promise(
        "docs/relations.md", "What the console draws of why somebody can or cannot is what a check answers."
    ),
    # Retrieval
    "relations.sample-stores": Promise(
        "issue: relations", "Every assertion of OpenFGA's sample stores holds, those of modular models included."
    ),
    "relations.checked-with-places": Promise(
        "issue: relations",
        "`remit relations check` tells all that is wrong with a model, each with file, line and column.",
    ),
    "access.port": Promise(
        "issue: relations", "The engine and an OpenFGA server give the same answers to the same questions."
    ),
    "access.statements": Promise(
        "issue: relations",
        "A batch of questions takes at most 15 statements, whatever its size; what is known takes one.",
    ),
    "access.read-your-writes": Promise(
        "issue: relations", "What was written at one node is seen by the next question at any other."
    ),
    "access.one-revision": Promise(
        "issue: relations", "An answer is of one revision of the tuples, whoever writes while it is found."
    ),
    "access.port-fails-closed": Promise(
        "issue: relations",
        "What a provider of relations cannot answer is a no with a fault, and spoils no other answer.",
    ),
    "access.remote-down": Promise(
        "issue: relations", "An OpenFGA server that does not answer, or not as it should, is never a yes."
    ),
    "access.needs": Promise(
        "docs/adr/0023", "What needs a relation is done only when the person and each agent in the chain have it."
    ),
    "access.copy": Promise(
        "docs/adr/0023",
        "A copy between Remit and OpenFGA carries models, tuples, conditions and assertions, and can be resumed.",
    ),
    "authzen.vectors": Promise("AuthZEN 1.0", "AuthZEN's public decision and search vectors are answered as expected."),
    "authzen.certification": Promise(
        "AuthZEN certification scenario", "Basic, Batch, Search and Discovery answer as the scenario says."
    ),
    "authzen.who-may-search": Promise(
        "issue: relations",
        "A person's token, and a client that people agreed to, search for that person's resources only.",
    ),
    "authzen.pages": Promise("AuthZEN 1.0 section 8.2", "A page's token goes on with its own search, and no other."),
    "retrieval.filter": Promise(
        "issue: relations",
        "A filter keeps order and type, asks about each object once, and drops what it cannot identify.",
    ),
    "retrieval.batches": Promise("issue: relations", "A hundred documents are one request to the server."),
    "retrieval.fails-closed": Promise(
        "issue: relations", "A question that was not answered fails the whole; an error is never a yes."
    ),
    "retrieval.over-fetch": Promise(
        "issue: relations",
        "A search goes on until k documents are visible, the source is exhausted, or a bound is met, which is told.",
    ),
    "retrieval.langchain": Promise(
        "issue: relations",
        "LangChain's retrievers, sync and async, today's and yesterday's, return what the user may see.",
    ),
    "retrieval.llamaindex": Promise(
        "issue: relations", "LlamaIndex's retrievers do the same; what a node refers to is judged like any other."
    ),
    "retrieval.unheard": Promise(
        "issue: relations", "Callbacks, streams and traces of a LangChain run never hold what was withheld."
    ),
    "retrieval.withheld": Promise(
        "sdk-and-pages",
        "How many documents were withheld is counted by the server, for the trail alone: no agent hears it.",
    ),
    "retrieval.unheard-why": Promise(
        "issue: relations",
        "Why a question has no answer, the trail hears and services hear, and no agent: it would tell of tuples that are there.",
    ),
    "demo.embeddings": Promise(
        "issue: relations", "With the extra rag the demo finds papers by meaning, with a model that needs no network."
    ),
    "relations.time": Promise(
        "issue: relations", "What time it is, a condition hears from the server and from no agent."
    ),
    "demo.documents": Promise(
        "product: the story",
        "One search over all papers gives each of two people the best that they may read, and no more.",
    ),
    "demo.injection": Promise(
        "product: the story",
        "A document that gives orders to a planner that obeys gets nobody's papers but the reader's.",
    ),
    "story.browser": Promise(
        "product: the story",
        "`remit demo` plays with a person: each link that it shows leads through real pages to the end.",
    ),
    "story.check": Promise(
        "product: the story", "`remit demo --check` plays every step without a browser and exits 0 only when each held."
    ),
    "attack.refresh-stolen-key": Promise(
        "RFC 9449 section 5", "A public client's refresh token is worth nothing without the key it was bound to."
    ),
    "oauth.issuer-exact": Promise(
        "RFC 8414 section 3.3", "The issuer is the same bytes in configuration, metadata and tokens."
    ),
    "oauth.dpop": Promise("RFC 9449", "A bound token needs a fresh proof by its key for this method and URL, once."),
    "oauth.dpop-nonce": Promise("RFC 9449 section 8", "A missing or stale nonce gets use_dpop_nonce and a new one."),
    "oauth.introspection": Promise(
        "RFC 7662 section 2.2", "Whoever may not see a token learns active false and nothing else."
    ),
    "oauth.revocation": Promise(
        "RFC 7009", "A revoked token and what hangs on it are dead at once; unknown tokens answer 200."
    ),
    "vault.one-refresher": Promise(
        "docs/adr/0001",
        "However many exchanges meet one expired account, in however many processes, one asks the provider.",
    ),
    "vault.never-silently-dead": Promise(
        "issue: vault",
        "After a lost reply, a crash or a withdrawn grant an account works or says that it must be reconnected.",
    ),
    "vault.discovered-by-issuer": Promise(
        "OIDC Discovery section 4.3",
        "Endpoints come from an issuer's own document, and only when it names that issuer byte for byte.",
    ),
    "vault.catalog-at-apply": Promise(
        "docs/adr/0012",
        "What the catalog says about a provider changes a connection at an apply, which shows it, and never else.",
    ),
    "vault.keys-are-not-lent": Promise(
        "docs/adr/0012",
        "A key or password that a person typed lies sealed, is tried a few times a minute at most, and reaches no agent.",
    ),
    "vault.typed-never-shown": Promise(
        "issue: vault", "A key or password that a person typed is never shown again, not even to them."
    ),
    "vault.one-more-scope": Promise(
        "issue: vault", "An account that is asked for one scope more keeps its id and what it was granted before."
    ),
    "vault.one-default": Promise(
        "issue: vault", "Of a person's accounts at a provider exactly one is the default, whichever of them go."
    ),
    "vault.shared-by-administrators": Promise(
        "issue: vault", "Only administrators connect and change accounts of the organisation; only its groups see them."
    ),
    "vault.persons-word": Promise(
        "issue: vault",
        "Which agents use an account, and which also while the person is away, is the person's word, and can be taken back.",
    ),
    "vault.stops-knocking": Promise(
        "issue: vault",
        "A provider in trouble is left alone for as long as it asks or for longer each time, by all accounts of a connection; "
        "the trouble is said in words and told once, and so is its end.",
    ),
    "vault.ahead-of-need": Promise(
        "issue: vault",
        "An account that is used is renewed before its token runs out; one that nobody uses is left alone.",
    ),
    "vault.leaves-with-its-person": Promise(
        "issue: vault",
        "Providers are told to revoke what they granted to a person whom a manifest removes; one that is down stops no apply "
        "and is told again.",
    ),
    "vault.gives-back": Promise(
        "issue: vault",
        "What a provider granted in a connect flow that nobody completed is revoked there, unless that ends an account in use.",
    ),
    "vault.hot-exchange": Promise(
        "docs/adr/0011",
        "A hot exchange is one read and one committed event; the note of its use is written once a minute.",
    ),
    "vault.own-account": Promise(
        "standards 3.12", "Whose account is borrowed follows from the subject token alone; other people's are as none."
    ),
    "vault.link-person": Promise(
        "standards 3.12", "A connect link works for the person whose agent asked, once, and tells others nothing."
    ),
    "vault.no-more-than-allowed": Promise(
        "standards 3.13",
        "A client never gets an upstream token with a scope that it may not borrow, unless the operator said `lend_wider`.",
    ),
    "vault.no-wider-than-listed": Promise(
        "docs/adr/0012",
        "Also with `lend_wider`, no token is lent that allows more than the operator listed for the connection.",
    ),
    "vault.own-address-pinned": Promise(
        "docs/adr/0012",
        "A provider may say where an account's API is, but its token goes only to a host that the connection's pattern names.",
    ),
    "vault.right-client": Promise(
        "RFC 8693 section 2.1",
        "A refresh token is exchanged by its own client, an access token by the API that it was issued for.",
    ),
    "vault.while-away": Promise(
        "product row 10",
        "Once the person's sign-in session is over, an agent uses an account only if they said so, and until they take it back.",
    ),
    "vault.limited": Promise(
        "issue: vault", "A limited account is lent to agents that its person named, and to no others."
    ),
    "vault.shared": Promise(
        "issue: vault",
        "The organisation's account is for the groups that it is shared with; a person's own outranks it.",
    ),
    "vault.one-read": Promise(
        "docs/adr/0009", "An exchange of a fresh token is one read and one commit with one event."
    ),
    "vault.subject-proven": Promise(
        "standards 3.13",
        "A subject token counts only live, under a live agreement, for this client or API, and with its key's proof.",
    ),
    "outbound.public-only": Promise(
        "standards 3.5", "Outgoing requests reach public addresses and named networks, whatever a name resolves to."
    ),
    "outbound.pinned": Promise(
        "standards 3.5", "A request goes to the address that was judged, under the name's certificate."
    ),
    "outbound.bounded": Promise("standards 3.5", "Time, size and the number of requests to one host are capped."),
    # Other people's clients, unmodified
    "interop.openid-client": Promise(
        "issue: interop", "The npm package openid-client works, in every flow that both of us have."
    ),
    "interop.authlib": Promise(
        "issue: interop", "The PyPI package authlib works: code, client credentials, introspection."
    ),
    "interop.mcp": Promise("issue: interop", "The MCP conformance runner passes, and the MCP Python SDK signs in."),
    "interop.mcp-elicitation": Promise(
        "issue 4",
        "A tool of an MCP server has its person open our page, waits, and goes on, in each way that the protocol has for it.",
    ),
    "interop.auth0": Promise("issue: interop", "Auth0's server and API SDKs work with our host as their domain."),
    "interop.token-vault": Promise(
        "issue: vault",
        "Auth0's toolkits for agents (LangChain, LlamaIndex, Vercel) and its server and API SDKs connect and borrow here.",
    ),
    "interop.oidc-provider-upstream": Promise(
        "issue: vault", "An account at npm oidc-provider is connected, refreshed with rotation, and revoked."
    ),
    "interop.token-endpoint": Promise(
        "issue: interop", "Every grant is taken in every encoding by every client authentication that SDKs use."
    ),
    "oauth.resource": Promise("RFC 8707", "A token is for the resources that were granted and for no others."),
    "oidc.userinfo-audience": Promise(
        "OIDC Core section 5.3", "Userinfo takes only tokens that are for it: those that `openid` was granted to."
    ),
    "registration.unused-go": Promise(
        "docs/reference/settings.md",
        "A client that registered itself and is not used goes after its time; one with a token or an agreement stays.",
    ),
    "oidc.discovery": Promise(
        "OIDC Discovery section 4.3",
        "A sign-in provider is found by its issuer alone, if its document names that issuer byte for byte.",
    ),
    "oidc.reauthentication": Promise(
        "OIDC Core section 3.1.2.1",
        "Whom another provider did not ask anew is not passed off as freshly signed in: the client hears login_required.",
    ),
    "door.agreement": Promise(
        "docs/map.md", "No token for a person reaches beyond what they agreed to, whatever a grant handler settled."
    ),
    # Calls through the vault
    "attack.passthrough": Promise(
        "standards attack 2", "A token goes where it was meant for: none for another audience calls through the vault."
    ),
    "attack.smuggling": Promise(
        "RFC 9112 section 11.2", "A request or an answer that could be framed in two ways is not passed on."
    ),
    "proxy.one-reading": Promise(
        "RFC 3986 section 6.2.2", "A path is read once; one that two servers could read in two ways is refused."
    ),
    "proxy.allow-list": Promise(
        "issue: proxy mode", "A method, host and path that no rule of the connection and of the agent names is refused."
    ),
    "proxy.identity": Promise(
        "RFC 9110 section 7.6.1", "Nothing that says who asks travels through the proxy, in either direction."
    ),
    "proxy.no-echo": Promise(
        "issue: proxy mode",
        "A credential that a provider echoes, in a header or a body, packed, in pieces or in ranges, stays here.",
    ),
    "proxy.no-redirects": Promise(
        "issue: proxy mode", "No redirect is followed, and a Location leads back to the proxy or is left out."
    ),
    "proxy.unauthorized": Promise(
        "RFC 9110 section 15.5.2",
        "An account is called broken when the provider refuses its grant, never because one call got a 401.",
    ),
    "proxy.agent-holds-nothing": Promise(
        "issue: proxy mode",
        "An agent that calls through the vault has no provider's credential in its memory or on its wire.",
    ),
    "proxy.bounded": Promise(
        "issue: proxy mode",
        "No proxied body beyond 64 KiB is held whole; sizes and times are capped, and who leaves ends the call.",
    ),
    "proxy.storms-told-once": Promise(
        "issue: proxy mode", "A storm of refused calls is a few events and one that says how many more there were."
    ),
    "proxy.no-effect-without-event": Promise(
        "docs/adr/0013",
        "A call that may change something is written down before it is made, one that reads before its answer is handed out; a "
        "server that dies leaves what it wrote, and the event comes.",
    ),
    # Running it
    "manifest.mistakes-have-places": Promise(
        "issue: running it", "A mistake in remit.yaml is told as file:line:column, in one run."
    ),
    "manifest.twice-is-once": Promise(
        "issue: running it", "Applying a manifest twice changes nothing and writes no event."
    ),
    "manifest.says-who-is-left": Promise(
        "issue: running it",
        "A plan says how many connected accounts a connection leaves behind that goes or leads elsewhere.",
    ),
    "manifest.leaves-others-alone": Promise(
        "issue: running it", "Applying removes only what an earlier manifest brought."
    ),
    "agents.stop": Promise("issue: agents first class", "A suspended client is refused at once by every process."),
    "setup.one-link": Promise("issue: running it", "One link, once, for half an hour, makes the first administrator."),
    "setup.nobody-locked-out": Promise(
        "issue: running it",
        "The set-up link serves until an administrator can sign in; one of the configuration without a way in does not end it.",
    ),
    "log.no-secrets": Promise("docs/configuration.md", "The log holds nothing that opens anything."),
    "worker.one-doer": Promise("docs/configuration.md", "Of all nodes, one does a job that comes round."),
    "backup.restores": Promise(
        "docs/configuration.md", "A backup made under a running server restores, and its chain verifies."
    ),
    "oauth.registration": Promise(
        "RFC 7591, RFC 7592",
        "A self-registered client can be read, replaced and removed by its own token alone, and cannot widen itself.",
    ),
    "oauth.access-token": Promise("RFC 9068", "Access tokens have type at+jwt and every required claim."),
    "oauth.algorithms": Promise("issue: identity", "An API chooses RS256, ES256, PS256 or EdDSA."),
    "run.keys-rotate": Promise(
        "issue: running", "After a key rotation tokens of both keys verify until the old ones expired."
    ),
    "race.code": Promise("RFC 6749 section 4.1.2", "Of fifty parallel redemptions of a code one succeeds."),
    "race.refresh-token": Promise("RFC 9700 section 4.14.2", "Of fifty parallel uses of a refresh token one succeeds."),
    "race.request-uri": Promise("RFC 9126 section 4", "Of fifty parallel uses of a request_uri one succeeds."),
    "race.auth-req-id": Promise("CIBA section 10.1", "Of fifty parallel redemptions of an auth_req_id one succeeds."),
    "attack.audit-secrets": Promise("standards 3.16", "No issued secret appears in a log, an event or an error."),
    "storage.hashed-bearers": Promise(
        "architecture: barrier", "No bearer artefact stands in the database as it was issued."
    ),
    "agent.suspended": Promise("product row 3", "A suspended client's tokens are refused by every endpoint at once."),
    "page.csp": Promise("CSP Level 3, Trusted Types", "No page runs inline script or breaks its own policy."),
    "page.framing": Promise("RFC 9700 section 4.16", "No page can be framed."),
    "page.axe": Promise("WCAG 2.2 AA", "No page fails a rule of axe-core, in light and dark."),
}


def proves(*ids: str) -> pytest.MarkDecorator:
    """Marks a test, class or module (`pytestmark`) with the promises it proves."""
    return pytest.mark.proves(*ids)

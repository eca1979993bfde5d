"""Every table on one screen. What changes or is searched for is a column; what never changes is in `body`.

The columns here and those of `migrations/` are held against each other by a test.
"""

from __future__ import annotations

from remit_server.storage.sql.statements import Kind, Table

TEXT: Kind = "text"
INT: Kind = "int"
BLOB: Kind = "blob"


def _table(name: str, key: str, /, **columns: Kind) -> Table:
    return Table(name, columns, tuple(key.split()))


ORGANISATION = _table("organisation", "id", id=TEXT, body=BLOB)
USERS = _table("users", "id", id=TEXT, email=TEXT, state=TEXT, upstream=TEXT, body=BLOB)
CLIENTS = _table("clients", "id", id=TEXT, state=TEXT, body=BLOB)
APIS = _table("apis", "identifier", identifier=TEXT, body=BLOB)
DETAIL_TYPES = _table("detail_types", "type", type=TEXT, body=BLOB)
POLICIES = _table("policies", "name", name=TEXT, body=BLOB)
CONNECTIONS = _table("connections", "name", name=TEXT, body=BLOB)
SESSIONS = _table(
    "sessions", "hash", hash=TEXT, sid=TEXT, user_id=TEXT, auth_time=INT, expires_at=INT, ended_at=INT, body=BLOB
)
SECOND_FACTORS = _table("second_factors", "user_id", user_id=TEXT, last_step=INT, body=BLOB)
PASSKEYS = _table(
    "passkeys", "id",
    id=TEXT, user_id=TEXT, name=TEXT, sign_count=INT, backed_up=INT, created_at=INT, used_at=INT, body=BLOB,
)  # fmt: skip
INTERACTIONS = _table("interactions", "hash", hash=TEXT, expires_at=INT, done_at=INT, body=BLOB)
GRANTS = _table(
    "grants", "id",
    id=TEXT, client_id=TEXT, user_id=TEXT, sid=TEXT, created_at=INT, revoked_at=INT, revoked_why=TEXT, body=BLOB,
)  # fmt: skip
CODES = _table("codes", "hash", hash=TEXT, grant_id=TEXT, expires_at=INT, used_at=INT, body=BLOB)
TOKENS = _table(
    "tokens", "hash",
    hash=TEXT, kind=TEXT, grant_id=TEXT, client_id=TEXT, user_id=TEXT, expires_at=INT, used_at=INT, retried_at=INT,
    successor=TEXT, revoked_at=INT, body=BLOB,
)  # fmt: skip
PUSHED_REQUESTS = _table("pushed_requests", "hash", hash=TEXT, expires_at=INT, used_at=INT, body=BLOB)
APPROVALS = _table(
    "approvals", "id",
    id=TEXT, kind=TEXT, client_id=TEXT, user_id=TEXT, handle=TEXT, user_code=TEXT, created_at=INT, expires_at=INT,
    state=TEXT, version=INT, interval=INT, polled_at=INT, slow_downs=INT, decided_at=INT, decided_by=TEXT, reason=TEXT,
    grant_id=TEXT, taken_at=INT, use_until=INT, spent=INT, spent_at=INT, spent_by=TEXT, allowance_id=TEXT, mode=TEXT,
    same=TEXT, notify_at=INT, notify_tries=INT, body=BLOB,
)  # fmt: skip
ALLOWANCES = _table(
    "allowances", "id",
    id=TEXT, user_id=TEXT, client_id=TEXT, type=TEXT, total=INT, times=INT, expires_at=INT, revoked_at=INT, spent=INT,
    uses=INT, used_at=INT, body=BLOB,
)  # fmt: skip
BLOCKED_ASKERS = _table("blocked_askers", "user_id client_id", user_id=TEXT, client_id=TEXT, created_at=INT)
DELIVERIES = _table(
    "deliveries", "approval_id recipient",
    approval_id=TEXT, recipient=TEXT, way=TEXT, tries=INT, version=INT, due_at=INT,
)  # fmt: skip
PREFERENCES = _table("preferences", "user_id", user_id=TEXT, body=BLOB)
PUSH_SUBSCRIPTIONS = _table("push_subscriptions", "id", id=TEXT, user_id=TEXT, created_at=INT, body=BLOB)
CONNECTED_ACCOUNTS = _table(
    "connected_accounts", "id",
    id=TEXT, user_id=TEXT, connection=TEXT, upstream_id=TEXT, state=TEXT, version=INT, unanswered=INT,
    lease_until=INT, lease_holder=TEXT, refresh_at=INT, used_at=INT, used_by=TEXT, limited=INT, chosen=INT, body=BLOB,
)  # fmt: skip
LENDINGS = _table(
    "lendings", "account_id user_id client_id", account_id=TEXT, user_id=TEXT, client_id=TEXT, used_at=INT, body=BLOB
)
CONNECT_ATTEMPTS = _table(
    "connect_attempts", "ticket",
    ticket=TEXT, auth_session=TEXT, upstream_state=TEXT, connect_code=TEXT, step=INT, expires_at=INT, body=BLOB,
)  # fmt: skip
PROXIED_CALLS = _table("proxied_calls", "id", id=TEXT, started_at=INT, body=BLOB)
BURNED = _table("burned", "hash", hash=TEXT, expires_at=INT)
ATTEMPTS = _table("attempts", "key", key=TEXT, count=INT, expires_at=INT)
SIGNING_KEYS = _table("signing_keys", "kid", kid=TEXT, alg=TEXT, state=TEXT, retired_at=INT, body=BLOB)
SECRETS = _table("secrets", "name", name=TEXT, body=BLOB)
DATA_KEYS = _table("data_keys", "id wrapped_by", id=TEXT, wrapped_by=TEXT, created_at=INT, body=BLOB)
RELATION_STORES = _table(
    "relation_stores", "id",
    id=TEXT, number=INT, name=TEXT, revision=INT, model_id=TEXT, created_at=INT, updated_at=INT, removed_at=INT,
)  # fmt: skip
RELATION_MODELS = _table("relation_models", "store_id id", store_id=TEXT, id=TEXT, created_at=INT, body=BLOB)
RELATION_TYPES = _table("relation_types", "type store_id", type=TEXT, store_id=TEXT)
RELATION_ASSERTIONS = _table("relation_assertions", "store_id model_id", store_id=TEXT, model_id=TEXT, body=BLOB)
RELATION_TUPLES = _table(
    "relation_tuples", "store object relation kind subject",
    store=INT, object=TEXT, relation=TEXT, kind=TEXT, subject=TEXT, condition=TEXT, context=TEXT, created_at=INT,
)  # fmt: skip
RELATION_HELD = _table(
    "relation_held", "store subject relation object condition",
    store=INT, subject=TEXT, relation=TEXT, object=TEXT, condition=TEXT,
)  # fmt: skip
RELATION_CHANGES = _table(
    "relation_changes", "store revision position",
    store=INT, revision=INT, position=INT, operation=TEXT, type=TEXT, object=TEXT, relation=TEXT, subject=TEXT,
    condition=TEXT, context=TEXT, created_at=INT,
)  # fmt: skip
LEASES = _table("leases", "name", name=TEXT, holder=TEXT, until=INT)
EVENTS = _table(
    "events", "seq",
    seq=INT, id=TEXT, at=INT, kind=TEXT, user_id=TEXT, client_id=TEXT, subject=TEXT, hash=BLOB, body=BLOB,
)  # fmt: skip
CHAIN = _table("chain", "id", id=INT, seq=INT, hash=BLOB)

SEALED = (
    ORGANISATION, CONNECTIONS, APPROVALS, ALLOWANCES, CONNECTED_ACCOUNTS, CONNECT_ATTEMPTS, SECOND_FACTORS, PASSKEYS, PREFERENCES,
    PUSH_SUBSCRIPTIONS, INTERACTIONS, SIGNING_KEYS, SECRETS,
)  # fmt: skip
"""Their `body` is sealed by the barrier."""

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Table))

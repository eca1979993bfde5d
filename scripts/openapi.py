"""The OpenAPI document of the server: methods and paths from routes.py, what each takes and gives from the table below.

`scripts/reference.py` writes it to docs/reference/openapi.json. The server does not read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, NamedTuple, cast
from unittest.mock import Mock

from remit_server.config import Settings
from remit_server.errors import ProtocolError
from remit_server.routes import Route, routes
from remit_server.ui.html import Pages
from remit_server.vault.refresh import Refresher

CLIENT = " client_id client_secret client_assertion client_assertion_type"
TARGET = " scope resource* audience*"
CIRCUMSTANCES = " contextual_tuples:object context:object authorization_model_id consistency"
AUTHORIZATION = (
    " response_type redirect_uri state nonce code_challenge code_challenge_method response_mode prompt max_age:number"
    " acr_values login_hint id_token_hint dpop_jkt connection authorization_details" + TARGET
)
METADATA = (
    "client_name redirect_uris:list post_logout_redirect_uris:list grant_types:list response_types:list scope"
    " token_endpoint_auth_method application_type client_uri logo_uri policy_uri tos_uri jwks:object jwks_uri"
    " software_id software_version"
)


class Operation(NamedTuple):
    """`takes` lists parameters: `name!` is needed, `name*` may come more than once, `name:kind` is no text. They are the
    body's, of the media type `body`, or the query's where there is none. `gives` is the schema of a JSON answer, or the media
    type of another."""

    takes: str = ""
    body: str = ""
    gives: str = ""
    status: int = 200


ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

DESCRIBED = {
    "POST /oauth/token": Operation(
        "grant_type! code redirect_uri code_verifier refresh_token device_code auth_req_id" + TARGET + CLIENT,
        FORM,
        "Tokens",
    ),
    "POST /oauth/introspect": Operation("token! token_type_hint" + CLIENT, FORM, "Introspection"),
    "POST /oauth/revoke": Operation("token! token_type_hint" + CLIENT, FORM, "Done"),
    "POST /oauth/par": Operation(AUTHORIZATION.strip() + CLIENT, FORM, "Pushed", 201),
    "POST /oauth/device/code": Operation(TARGET.strip() + CLIENT, FORM, "Device"),
    "POST /bc-authorize": Operation(
        "login_hint login_hint_token id_token_hint binding_message user_code requested_expiry:number authorization_details"
        " client_notification_token request" + TARGET + CLIENT,
        FORM,
        "Asked",
    ),
    "GET /userinfo": Operation(gives="Person"),
    "POST /userinfo": Operation(body=FORM, gives="Person"),
    "GET /authorize": Operation("client_id! request_uri" + AUTHORIZATION, status=303),
    "POST /authorize": Operation("client_id! request_uri" + AUTHORIZATION, FORM, status=303),
    "POST /oidc/register": Operation(METADATA, JSON, "Registration", 201),
    "GET /oidc/register/{client_id}": Operation(gives="Registration"),
    "PUT /oidc/register/{client_id}": Operation("client_id! " + METADATA, JSON, "Registration"),
    "DELETE /oidc/register/{client_id}": Operation(status=204),
    "GET /oidc/logout": Operation("id_token_hint client_id post_logout_redirect_uri state", status=303),
    "POST /oidc/logout": Operation("id_token_hint client_id post_logout_redirect_uri state", FORM, status=303),
    "GET /v2/logout": Operation("client_id returnTo", status=303),
    "GET /me/v1/approvals": Operation(gives="Approvals"),
    "GET /me/v1/approvals/{id}": Operation(gives="Approval"),
    "POST /me/v1/approvals/{id}/answer": Operation(
        "answer! version:int! digest! details:objects remember:object proof:object reason block:bool report:bool stop:bool text",
        JSON,
        "Approval",
    ),
    "POST /approvals/reply": Operation("auth_req_id! text!" + CLIENT, FORM, "Replied"),
    "POST /approvals/spend": Operation("token! authorization_details!" + CLIENT, FORM, "Spent"),
    "GET /me/v1/allowances": Operation(gives="Allowances"),
    "DELETE /me/v1/allowances/{id}": Operation(status=204),
    "GET /me/v1/blocked-agents": Operation(gives="Blocked"),
    "PUT /me/v1/blocked-agents/{client_id}": Operation(status=204),
    "DELETE /me/v1/blocked-agents/{client_id}": Operation(status=204),
    "POST /me/v1/agents/{client_id}/report": Operation("reason!", JSON, status=204),
    "POST /me/v1/agents/{client_id}/stop": Operation(status=204),
    "POST /me/v1/approvals/{id}/proof": Operation(
        "version:int! digest! details:objects remember:object", JSON, "Proof"
    ),
    "GET /me/v1/notifications": Operation(gives="Notifications"),
    "PUT /me/v1/notifications": Operation("ways:list private:bool quiet:list time_zone", JSON, "Notifications"),
    "DELETE /me/v1/notifications/{id}": Operation(status=204),
    "GET /me/v1/passkeys": Operation(gives="Passkeys"),
    "PATCH /me/v1/passkeys/{id}": Operation("name!", JSON, "Passkey"),
    "DELETE /me/v1/passkeys/{id}": Operation(status=204),
    "POST /me/v1/connected-accounts/connect": Operation(
        "connection! redirect_uri! code_challenge! code_challenge_method! state scopes:list authorization_params:object",
        JSON,
        "Begun",
        201,
    ),
    "POST /me/v1/connected-accounts/complete": Operation(
        "auth_session! connect_code! redirect_uri! code_verifier!", JSON, "Account", 201
    ),
    "GET /me/v1/connected-accounts/accounts": Operation("connection take:number from", gives="Accounts"),
    "DELETE /me/v1/connected-accounts/accounts/{id}": Operation(status=204),
    "GET /me/v1/connected-accounts/connections": Operation("take:number from", gives="Connections"),
    **{f"{method} /vault/proxy/{{connection}}/{{path}}": Operation(gives="*/*") for method in ANY},
    "POST /access/v1/evaluation": Operation(
        "subject:object! action:object! resource:object! context:object", JSON, "Decision"
    ),
    "POST /access/v1/evaluations": Operation(
        "evaluations:objects subject:object action:object resource:object context:object options:object",
        JSON,
        "Decisions",
    ),
    "POST /access/v1/search/subject": Operation(
        "subject:object! action:object! resource:object! context:object page:object", JSON, "Entities"
    ),
    "POST /access/v1/search/resource": Operation(
        "subject:object! action:object! resource:object! context:object page:object", JSON, "Entities"
    ),
    "POST /access/v1/search/action": Operation(
        "subject:object! resource:object! context:object page:object", JSON, "Actions"
    ),
    "GET /stores": Operation("page_size:number continuation_token name", gives="Stores"),
    "POST /stores": Operation("name!", JSON, "Store", 201),
    "GET /stores/{store_id}": Operation(gives="Store"),
    "DELETE /stores/{store_id}": Operation(status=204),
    "GET /stores/{store_id}/authorization-models": Operation("page_size:number continuation_token", gives="Models"),
    "POST /stores/{store_id}/authorization-models": Operation(
        "schema_version! type_definitions:objects! conditions:object", JSON, "ModelWritten", 201
    ),
    "GET /stores/{store_id}/authorization-models/{model_id}": Operation(gives="Model"),
    "GET /stores/{store_id}/assertions/{model_id}": Operation(gives="Assertions"),
    "PUT /stores/{store_id}/assertions/{model_id}": Operation("assertions:objects", JSON, status=204),
    "POST /stores/{store_id}/check": Operation("tuple_key:object!" + CIRCUMSTANCES, JSON, "Checked"),
    "POST /stores/{store_id}/batch-check": Operation(
        "checks:objects! authorization_model_id consistency", JSON, "BatchChecked"
    ),
    "POST /stores/{store_id}/list-objects": Operation(
        "type! relation! user! page_size:int continuation_token" + CIRCUMSTANCES, JSON, "Objects"
    ),
    "POST /stores/{store_id}/streamed-list-objects": Operation(
        "type! relation! user!" + CIRCUMSTANCES, JSON, status=200
    ),
    "POST /stores/{store_id}/list-users": Operation(
        "object:object! relation! user_filters:objects! contextual_tuples:objects context:object page_size:int "
        "continuation_token authorization_model_id consistency",
        JSON,
        "Users",
    ),
    "POST /stores/{store_id}/expand": Operation("tuple_key:object!" + CIRCUMSTANCES, JSON, "Tree"),
    "POST /stores/{store_id}/read": Operation(
        "tuple_key:object page_size:int continuation_token consistency", JSON, "Tuples"
    ),
    "POST /stores/{store_id}/write": Operation("writes:object deletes:object authorization_model_id", JSON, "Done"),
    "GET /stores/{store_id}/changes": Operation("type page_size:number continuation_token start_time", gives="Changes"),
    "GET /activity/export": Operation(status=200),
    "POST /console/agents/{id}/suspend": Operation("csrf!", FORM, status=303),
    "POST /console/agents/{id}/resume": Operation("csrf!", FORM, status=303),
    "GET /console/relations": Operation("after"),
    "GET /console/relations/{store_id}": Operation("model before"),
    "GET /console/relations/{store_id}/tuples": Operation(
        "object relation user after add.object add.relation add.user add.condition add.context"
    ),
    "POST /console/relations/{store_id}/tuples": Operation("csrf! object! relation! user! condition context", FORM),
    "POST /console/relations/{store_id}/tuples/delete": Operation(
        "csrf! object! relation! user! filter.object filter.relation filter.user", FORM
    ),
    "GET /console/relations/{store_id}/changes": Operation("before"),
    "GET /console/relations/{store_id}/why": Operation("user relation object"),
    "GET /metrics": Operation(gives="text/plain"),
    "GET /login": Operation("resume"),
    "POST /login": Operation("csrf! identifier password credential resume", FORM),
    "GET /login/second-factor": Operation("resume!"),
    "POST /login/second-factor": Operation("csrf! resume! code credential", FORM, status=303),
    "GET /security/enrol": Operation("resume!"),
    "POST /security/enrol": Operation("csrf! resume code", FORM),
    "GET /security/qr": Operation("resume!", gives="image/svg+xml"),
    "POST /security/remove": Operation("csrf! code!", FORM),
    "POST /security/passkeys": Operation("csrf! name! credential!", FORM),
    "POST /security/passkeys/{id}": Operation("csrf! name remove", FORM),
    "GET /login/{connection}": Operation("resume", status=303),
    "GET /login/callback/{connection}": Operation("state! code iss error", status=303),
    "GET /consent": Operation("resume!"),
    "POST /consent": Operation("csrf! resume! answer scope*", FORM, status=303),
    "GET /logout": Operation("resume"),
    "POST /logout": Operation("csrf! answer resume", FORM, status=303),
    "GET /device": Operation("user_code"),
    "POST /device": Operation("csrf! user_code", FORM),
    "POST /device/answer": Operation("csrf! user_code! answer!", FORM),
    "GET /approvals": Operation("agent"),
    "GET /worker.js": Operation(gives="text/javascript"),
    "POST /notifications": Operation("csrf! first second third private quiet from until time_zone", FORM),
    "POST /notifications/trial": Operation("csrf!", FORM),
    "POST /devices": Operation("csrf! endpoint! p256dh! auth!", FORM),
    "POST /devices/{id}": Operation("csrf!", FORM),
    "GET /approvals/history": Operation("agent outcome before"),
    "POST /approvals/{id}/preview": Operation("csrf!", FORM, "Preview"),
    "POST /approvals/{id}/proof": Operation("csrf! version! digest!", FORM, "*/*"),
    "POST /approvals/{id}/stop": Operation("csrf! report", FORM),
    "POST /allowances/{id}/revoke": Operation("csrf!", FORM),
    "POST /allowances/blocked/{client_id}/unblock": Operation("csrf!", FORM),
    "POST /security/code": Operation("csrf! own_code!", FORM),
    "GET /approvals/events": Operation("after:number", gives="text/event-stream"),
    "POST /accounts/connect": Operation("csrf! connection! for", FORM, status=303),
    "POST /accounts/connect/start": Operation("csrf! ticket! answer! account away", FORM),
    "POST /accounts/{id}/agents": Operation("csrf! limited agent* away*", FORM),
    "POST /accounts/{id}/default": Operation("csrf!", FORM),
    "GET /accounts/{id}/log": Operation("format"),
    "POST /accounts/{id}/disconnect": Operation("csrf!", FORM),
    "POST /accounts/{id}/reconnect": Operation("csrf!", FORM, status=303),
    "GET /connect": Operation("ticket!"),
    "GET /connect/callback/{connection}": Operation("state! code iss error"),
    "GET /setup": Operation("ticket"),
    "POST /setup": Operation("csrf! ticket! name! email! password!", FORM),
    "POST /approvals/{id}": Operation(
        "csrf! answer! version! digest! assertion code remember ahead_until ahead_times ahead_each ahead_total "
        "reason reason_text block report question",
        FORM,
        status=303,
    ),
}
"""What the operations take and give; one that is missing here is described by its URL alone."""

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TEXTS = {"type": "array", "items": TEXT}
KINDS = {
    "": TEXT,
    "int": NUMBER,
    "bool": {"type": "boolean"},
    "number": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    "list": TEXTS,
    "object": {"type": "object"},
    "objects": {"type": "array", "items": {"type": "object"}},
}


def record(**members: dict[str, Any]) -> dict[str, Any]:
    """An object with at least these members."""
    return {"type": "object", "required": list(members), "properties": members}


STORE = record(id=TEXT, name=TEXT, created_at=TEXT, updated_at=TEXT)
MODEL = record(id=TEXT, schema_version=TEXT, type_definitions={"type": "array", "items": {"type": "object"}})
SCHEMAS = {
    "Error": record(error={"enum": [error.code for error in ProtocolError.__subclasses__()]}, error_description=TEXT),
    "Tokens": record(access_token=TEXT, token_type={"enum": ["Bearer", "DPoP"]}, expires_in=NUMBER, scope=TEXT),
    "Introspection": record(active={"type": "boolean"}),
    "Done": {"type": "object", "maxProperties": 0},
    "Preview": record(changed={"type": "boolean"}),
    "Pushed": record(request_uri=TEXT, expires_in=NUMBER),
    "Device": record(
        device_code=TEXT,
        user_code=TEXT,
        verification_uri=TEXT,
        verification_uri_complete=TEXT,
        expires_in=NUMBER,
        interval=NUMBER,
    ),
    "Asked": record(auth_req_id=TEXT, expires_in=NUMBER, interval=NUMBER),
    "Person": record(sub=TEXT),
    "Registration": record(client_id=TEXT, client_name=TEXT, redirect_uris=TEXTS, grant_types=TEXTS),
    "Approval": record(id=TEXT, state=TEXT, version=NUMBER, digest=TEXT, created_at=NUMBER, expires_at=NUMBER),
    "Replied": record(expires_in=NUMBER, interval=NUMBER),
    "Spent": record(approval=record(id=TEXT, digest=TEXT), authorization_details={"type": "array"}, spent_at=NUMBER),
    "Allowances": record(
        allowances={"type": "array", "items": record(id=TEXT, type=TEXT, times=NUMBER, uses=NUMBER, expires_at=NUMBER)}
    ),
    "Blocked": record(agents={"type": "array", "items": record(client_id=TEXT, name=TEXT, blocked_at=NUMBER)}),
    "Passkey": record(id=TEXT, name=TEXT, synced={"type": "boolean"}, created_at=NUMBER),
    "Passkeys": record(passkeys={"type": "array", "items": {"$ref": "#/components/schemas/Passkey"}}),
    "Notifications": record(
        ways=TEXTS, available=TEXTS, private={"type": "boolean"}, time_zone=TEXT, browsers={"type": "array"}
    ),
    "Begun": record(auth_session=TEXT, connect_uri=TEXT, connect_params={"type": "object"}, expires_in=NUMBER),
    "Account": record(id=TEXT, connection=TEXT),
    "Accounts": record(accounts={"type": "array", "items": {"$ref": "#/components/schemas/Account"}}),
    "Connections": record(connections={"type": "array", "items": record(name=TEXT, strategy=TEXT, scopes=TEXTS)}),
    "Decision": record(decision={"type": "boolean"}),
    "Entities": record(results={"type": "array", "items": record(type=TEXT, id=TEXT)}),
    "Actions": record(results={"type": "array", "items": record(name=TEXT)}),
    "Decisions": {"anyOf": [{"required": ["evaluations"]}, {"required": ["decision"]}]},
    "Checked": record(allowed={"type": "boolean"}),
    "Store": STORE,
    "Stores": record(stores={"type": "array", "items": STORE}, continuation_token=TEXT),
    "ModelWritten": record(authorization_model_id=TEXT),
    "Model": record(authorization_model=MODEL),
    "Models": record(authorization_models={"type": "array", "items": MODEL}, continuation_token=TEXT),
    "Assertions": record(authorization_model_id=TEXT, assertions={"type": "array", "items": {"type": "object"}}),
    "BatchChecked": record(result={"type": "object", "additionalProperties": {"type": "object"}}),
    "Objects": record(objects=TEXTS),
    "Users": record(users={"type": "array", "items": {"type": "object"}}),
    "Tree": record(tree=record(root={"type": "object"})),
    "Changes": record(changes={"type": "array", "items": {"type": "object"}}, continuation_token=TEXT),
    "Tuples": record(tuples={"type": "array", "items": {"type": "object"}}, continuation_token=TEXT),
    "Problem": record(type=TEXT, title=TEXT, status=NUMBER, detail=TEXT),
    "Refusal": record(code=TEXT, message=TEXT),
    "Proof": record(risk=TEXT, digest=TEXT, ways=TEXTS),
    "Approvals": record(approvals={"type": "array", "items": {"$ref": "#/components/schemas/Approval"}}),
}


def table() -> tuple[Route, ...]:
    """The rows of routes.py, of a server that does not run."""
    machines = cast("Any", Mock(settings=Settings(issuer="https://id.example")))
    return routes(machines, Pages(secure=True), Refresher(machines))


def document(rows: Iterable[Route] | None = None) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for row in rows or table():
        for method in row.usual_methods:
            paths.setdefault(row.path, {})[method.lower()] = _operation(row, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Remit",
            "version": version("remit"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "client": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
                "relations": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def text() -> str:
    return json.dumps(document(), indent=1)


def _operation(row: Route, method: str) -> dict[str, Any]:
    known = DESCRIBED.get(f"{method} {row.path}", Operation())
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": TEXT} for name in re.findall(r"{(\w+)}", row.path)
    ]
    taken = {name: (needed, schema) for name, needed, schema in _taken(known.takes)}
    operation: dict[str, Any] = {"operationId": f"{method.lower()} {row.path}"}
    if known.body and taken:
        schema = {"type": "object", "properties": {name: schema for name, (_, schema) in taken.items()}}
        if needed := [name for name, (needed, _) in taken.items() if needed]:
            schema["required"] = needed
        operation["requestBody"] = {"content": {known.body: {"schema": schema}}}
    else:
        parameters += [
            {"name": name, "in": "query", "required": needed, "schema": schema}
            for name, (needed, schema) in taken.items()
        ]
    if "client_secret" in taken:
        operation["security"] = [{"client": []}, {}]
    elif row.face == "oauth" and row.path.startswith(("/me/", "/userinfo", "/oidc/register/")):
        operation["security"] = [{"token": []}]
    elif row.face == "openfga":
        operation["security"] = [{"relations": []}]
    return operation | ({"parameters": parameters} if parameters else {}) | {"responses": _responses(row, known)}


def _taken(takes: str) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    for word in takes.split():
        name, _, kind = word.rstrip("!*").partition(":")
        yield name, word.endswith("!"), TEXTS if word.endswith("*") else KINDS[kind]


REFUSED = {
    "oauth": (JSON, {"$ref": "#/components/schemas/Error"}),
    "problem": ("application/problem+json", {"$ref": "#/components/schemas/Problem"}),
    "openfga": (JSON, {"$ref": "#/components/schemas/Refusal"}),
    "page": ("text/html", TEXT),
}
"""How each face says no."""


def _responses(row: Route, known: Operation) -> dict[str, Any]:
    """The answers that are good, and every refusal in the form that the route's reader expects."""

    def answer(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"description": description, "content": {media_type: {"schema": schema}}}

    good: dict[str, Any] = {str(known.status): {"description": "done"}}
    if row.face == "page":
        media_type = known.gives if "/" in known.gives else "text/html"
        good = {"200": answer("a page", media_type, TEXT), "303": {"description": "go on"}}
    elif "/" in known.gives:
        good["200"] = answer("done", known.gives, TEXT)
    elif known.gives:
        good[str(known.status)] = answer("done", JSON, {"$ref": f"#/components/schemas/{known.gives}"})
    return good | {"4XX": answer("refused", *REFUSED[row.face])}

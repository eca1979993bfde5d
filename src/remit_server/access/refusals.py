"""How the OpenFGA-shaped API says no: `{code, message}` with the names of that API's errors."""

from __future__ import annotations

from typing import Final

from remit_server.errors import InvalidRequest, NotFound, ProtocolError
from remit_server.wire.http import Answer, Request, json_answer


class StoreNotFound(NotFound):
    code = "store_id_not_found"
    text = "There is no store with this id."


class ModelNotFound(InvalidRequest):
    code = "authorization_model_not_found"
    text = "The store has another authorization model."


class InvalidTuple(InvalidRequest):
    code = "invalid_tuple"
    text = "The model does not take this tuple."


class RepeatedTuple(InvalidRequest):
    code = "cannot_allow_duplicate_tuples_in_one_request"
    text = "A tuple stands in the request twice."


class TooManyTuples(InvalidRequest):
    code = "exceeded_entity_limit"
    text = "There are too many tuples in the request."


class WriteFailed(InvalidRequest):
    code = "write_failed_due_to_invalid_input"
    text = "A tuple to write is there already, or one to delete is not."


_NAMES: Final = {
    "invalid_request": "validation_error",
    "invalid_token": "auth_failed_invalid_bearer_token",
    "invalid_dpop_proof": "auth_failed_invalid_bearer_token",
    "insufficient_scope": "forbidden",
    "not_found": "undefined_endpoint",
    "method_not_allowed": "undefined_endpoint",
    "too_many_requests": "rate_limit_exceeded",
    "server_error": "internal_error",
}


def openfga(error: ProtocolError, _: Request) -> Answer:
    """A refusal for a client that speaks OpenFGA."""
    body = {"code": _NAMES.get(error.code, error.code), "message": error.text}
    return json_answer(body, error.status, headers=[(name.lower(), value) for name, value in error.headers.items()])

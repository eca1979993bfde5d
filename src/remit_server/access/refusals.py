"""How the OpenFGA-shaped API says no: `{code, message}` with the names of that API's errors."""

from __future__ import annotations

from typing import Any, Final

from remit_server.errors import Conflict, InvalidRequest, NotFound, ProtocolError
from remit_server.wire.http import Answer, Request, json_answer


class StoreNotFound(NotFound):
    code = "store_id_not_found"
    text = "There is no store with this id."


class ModelNotFound(InvalidRequest):
    code = "authorization_model_not_found"
    text = "The store has no authorization model with this id."


class NoModel(InvalidRequest):
    code = "latest_authorization_model_not_found"
    text = "The store has no authorization model yet."


class InvalidModel(InvalidRequest):
    code = "invalid_authorization_model"
    text = "The authorization model could not mean anything."


class NoTypes(InvalidRequest):
    code = "type_definitions_too_few_items"
    text = "An authorization model defines at least one type."


class InvalidType(InvalidRequest):
    code = "type_invalid_pattern"


class MissingBase(InvalidRequest):
    code = "difference_base_missing_value"


class MissingSubtract(InvalidRequest):
    code = "subtract_base_missing_value"


class TypeNotFound(InvalidRequest):
    code = "type_not_found"


class RelationNotFound(InvalidRequest):
    code = "relation_not_found"


class InvalidTuple(InvalidRequest):
    code = "invalid_tuple"
    text = "The model does not take this tuple."


class MissingTupleKey(InvalidRequest):
    code = "tuple_key_value_not_specified"


class RepeatedTuple(InvalidRequest):
    code = "cannot_allow_duplicate_tuples_in_one_request"
    text = "A tuple stands in the request twice."


class NothingToWrite(InvalidRequest):
    code = "invalid_write_input"
    text = "There is nothing to write or delete."


class WriteFailed(InvalidRequest):
    code = "write_failed_due_to_invalid_input"
    text = "A tuple to write is there already, or one to delete is not."


class WriteConflict(Conflict):
    code = "Aborted"
    text = "A tuple to write is there already, with another condition."


class TooMany(InvalidRequest):
    code = "exceeded_entity_limit"


class TooManyTuples(TooMany):
    text = "There are too many tuples in the request."


class TooManyAssertions(InvalidRequest):
    code = "assertions_too_many_items"


class InvalidExpand(InvalidRequest):
    code = "invalid_expand_input"
    text = "To expand takes an object and a relation."


class PageSizeInvalid(InvalidRequest):
    code = "page_size_invalid"


class InvalidContinuation(InvalidRequest):
    code = "invalid_continuation_token"
    text = "The continuation_token is not one of ours."


class OtherType(InvalidRequest):
    code = "query_string_type_continuation_token_mismatch"
    text = "The continuation_token is of a listing of another type."


_NAMES: Final = {
    "invalid_request": "validation_error",
    "invalid_token": "auth_failed_invalid_bearer_token",
    "invalid_dpop_proof": "auth_failed_invalid_bearer_token",
    "use_dpop_nonce": "auth_failed_invalid_bearer_token",
    "insufficient_scope": "forbidden",
    "not_found": "undefined_endpoint",
    "method_not_allowed": "unimplemented",
    "payload_too_large": "exceeded_entity_limit",
    "conflict": "Aborted",
    "too_many_requests": "rate_limit_exceeded",
    "temporarily_unavailable": "unavailable",
    "server_error": "internal_error",
}


def said(error: ProtocolError) -> dict[str, Any]:
    """An error as it stands in an answer: the name that OpenFGA has for it, and what happened in words."""
    return {"code": _NAMES.get(error.code, error.code), "message": error.text}


def openfga(error: ProtocolError, _: Request) -> Answer:
    """A refusal for a client that speaks OpenFGA."""
    headers = [(name.lower(), value) for name, value in error.headers.items()]
    return json_answer(said(error), error.status, headers=headers)

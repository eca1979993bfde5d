"""Every way Remit says no.

RemitError
├── ProtocolError                what a client may read: code, status, text; what only the log may read: detail
│   ├── InvalidRequest           invalid_request              RFC 6749 5.2
│   ├── InvalidClient            invalid_client               RFC 6749 5.2
│   ├── InvalidGrant             invalid_grant                RFC 6749 5.2
│   ├── UnauthorizedClient       unauthorized_client          RFC 6749 5.2
│   ├── UnsupportedGrantType     unsupported_grant_type       RFC 6749 5.2
│   ├── UnsupportedResponseType  unsupported_response_type    RFC 6749 4.1.2.1
│   ├── UnsupportedResponseMode  unsupported_response_mode    OAuth 2.0 Multiple Response Types 2.1
│   ├── UnsupportedTokenType     unsupported_token_type       RFC 7009 2.2.1
│   ├── InvalidScope             invalid_scope                RFC 6749 5.2
│   ├── InvalidTarget            invalid_target               RFC 8707 2
│   ├── InvalidDetails           invalid_authorization_details  RFC 9396 5
│   ├── InvalidRequestObject     invalid_request_object       RFC 9101 7
│   ├── InvalidRequestUri        invalid_request_uri          RFC 9101 7
│   ├── RequestNotSupported      request_not_supported        OIDC Core 3.1.2.6
│   ├── RequestUriNotSupported   request_uri_not_supported    OIDC Core 3.1.2.6
│   ├── InvalidDpopProof         invalid_dpop_proof           RFC 9449 5
│   ├── UseDpopNonce             use_dpop_nonce               RFC 9449 8
│   ├── InvalidRedirectUri       invalid_redirect_uri         RFC 7591 3.2.2
│   ├── InvalidClientMetadata    invalid_client_metadata      RFC 7591 3.2.2
│   ├── LoginRequired            login_required               OIDC Core 3.1.2.6
│   ├── ConsentRequired          consent_required             OIDC Core 3.1.2.6
│   ├── InteractionRequired      interaction_required         OIDC Core 3.1.2.6
│   ├── UnmetAuthentication      unmet_authentication_requirements  OIDC Unmet Authentication Requirements
│   ├── AccessDenied             access_denied                RFC 6749 4.1.2.1
│   ├── AuthorizationPending     authorization_pending        RFC 8628 3.5
│   ├── SlowDown                 slow_down                    RFC 8628 3.5
│   ├── ExpiredToken             expired_token                RFC 8628 3.5
│   ├── InvalidBindingMessage    invalid_binding_message      CIBA 13
│   ├── UnknownUser              unknown_user_id              CIBA 13
│   ├── ExpiredLoginHint         expired_login_hint_token     CIBA 13
│   ├── MissingUserCode          missing_user_code            CIBA 13
│   ├── InvalidUserCode          invalid_user_code            CIBA 13
│   ├── InvalidToken             invalid_token                RFC 6750 3.1
│   ├── InsufficientScope        insufficient_scope           RFC 6750 3.1
│   ├── InsufficientAuthentication  insufficient_user_authentication  RFC 9470 3
│   ├── NotConnected             federated_connection_refresh_token_not_found   the vault: nothing to borrow
│   ├── UpstreamRefused          federated_connection_refresh_token_flow_failed  the vault: upstream said no
│   ├── NotFound                 not_found
│   ├── Forbidden                forbidden
│   ├── ProofRequired            proof_required               an approval of high risk: who is it that approves?
│   ├── Conflict                 conflict
│   ├── DetailsChanged           details_changed              an approval: what is to be done is not what was approved
│   ├── AlreadySpent             already_spent                an approval: it has been carried out
│   ├── MethodNotAllowed         method_not_allowed
│   ├── PayloadTooLarge          payload_too_large
│   ├── UnsupportedMediaType     unsupported_media_type
│   ├── NotImplementedHere       not_implemented              RFC 9110 15.6.2
│   ├── TooManyRequests          too_many_requests
│   ├── TemporarilyUnavailable   temporarily_unavailable      RFC 6749 4.1.2.1
│   └── ServerError              server_error                 RFC 6749 4.1.2.1
├── ConfigurationError           the operator must act; carries file, line and column where there are any
└── IntegrityError               stored bytes do not open or the chain does not link: stop, never guess
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class RemitError(Exception):
    """The root; never raised itself."""


class ProtocolError(RemitError):
    """A refusal with two faces.

    `code` and `text` go to the client, `detail` to the log only. `members` are further JSON members of the answer, `headers`
    further response headers. `may_redirect` tells whether the authorization endpoint may send the error to the client's
    redirect URI (RFC 6749 section 4.1.2.1) once that URI has been proven.
    """

    code: ClassVar[str]
    status: ClassVar[int] = 400
    may_redirect: ClassVar[bool] = True
    text: str = "The request was refused."

    def __init__(
        self, text: str | None = None, *, detail: str | None = None, members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.text = text or type(self).text
        self.detail = detail
        self.members = dict(members or {})
        self.headers = dict(headers or {})
        super().__init__(f"{self.code}: {self.text}")

    @property
    def description(self) -> str:
        """The text as an error_description, without the characters that it may not have (RFC 6749 section 5.2)."""
        return "".join(c for c in self.text if " " <= c <= "~" and c not in '"\\')


class InvalidRequest(ProtocolError):
    code = "invalid_request"
    text = "The request is missing a parameter, repeats one, or is malformed."


class InvalidClient(ProtocolError):
    code = "invalid_client"
    status = 401
    may_redirect = False
    text = "Client authentication failed."


class InvalidGrant(ProtocolError):
    code = "invalid_grant"
    text = "The grant is invalid, expired, revoked, already used, or was issued to another client."


class UnauthorizedClient(ProtocolError):
    code = "unauthorized_client"
    text = "This client may not do that."


class UnsupportedGrantType(ProtocolError):
    code = "unsupported_grant_type"
    text = "This grant type is not supported."


class UnsupportedResponseType(ProtocolError):
    code = "unsupported_response_type"
    text = "Only response_type=code is supported."


class UnsupportedResponseMode(ProtocolError):
    code = "unsupported_response_mode"
    text = "The response mode must be query, fragment or form_post."


class UnsupportedTokenType(ProtocolError):
    code = "unsupported_token_type"
    text = "Tokens of this type cannot be revoked."


class InvalidScope(ProtocolError):
    code = "invalid_scope"
    text = "A requested scope is unknown or not allowed for this client."


class InvalidTarget(ProtocolError):
    code = "invalid_target"
    text = "The requested resource or audience is unknown or not allowed for this client."


class InvalidDetails(ProtocolError):
    code = "invalid_authorization_details"
    text = "The authorization_details are malformed, of an unknown type, or not allowed."


class InvalidRequestObject(ProtocolError):
    code = "invalid_request_object"
    text = "The request object is invalid."


class InvalidRequestUri(ProtocolError):
    code = "invalid_request_uri"
    text = "The request_uri is unknown, expired, already used, or belongs to another client."


class RequestNotSupported(ProtocolError):
    code = "request_not_supported"
    text = "Request objects are not supported: push the request instead (RFC 9126)."


class RequestUriNotSupported(ProtocolError):
    code = "request_uri_not_supported"
    text = "Only a request_uri from the pushed authorization request endpoint is accepted (RFC 9126)."


class InvalidDpopProof(ProtocolError):
    code = "invalid_dpop_proof"
    may_redirect = False
    text = "The DPoP proof is invalid."


class UseDpopNonce(ProtocolError):
    code = "use_dpop_nonce"
    may_redirect = False
    text = "Repeat the request with the DPoP nonce given in the DPoP-Nonce header."


class InvalidRedirectUri(ProtocolError):
    code = "invalid_redirect_uri"
    may_redirect = False
    text = "A redirect URI is not acceptable."


class InvalidClientMetadata(ProtocolError):
    code = "invalid_client_metadata"
    may_redirect = False
    text = "A client metadata field is invalid."


class LoginRequired(ProtocolError):
    code = "login_required"
    text = "The user must sign in, which prompt=none does not allow."


class ConsentRequired(ProtocolError):
    code = "consent_required"
    text = "The user must give consent, which prompt=none does not allow."


class InteractionRequired(ProtocolError):
    code = "interaction_required"
    text = "The user must act, which prompt=none does not allow."


class UnmetAuthentication(ProtocolError):
    code = "unmet_authentication_requirements"
    text = "The requested authentication strength cannot be reached."


class AccessDenied(ProtocolError):
    code = "access_denied"
    text = "The user or the organisation refused."


class AuthorizationPending(ProtocolError):
    code = "authorization_pending"
    text = "The end-user authorization is pending."


class SlowDown(ProtocolError):
    code = "slow_down"
    text = "Polling too fast: wait longer between requests."


class ExpiredToken(ProtocolError):
    code = "expired_token"
    text = "The request expired before it was answered."


class InvalidBindingMessage(ProtocolError):
    code = "invalid_binding_message"
    text = "The binding_message is too long or has characters that may not be shown."


class UnknownUser(ProtocolError):
    code = "unknown_user_id"
    text = "The hint does not name a user who can be asked."


class ExpiredLoginHint(ProtocolError):
    code = "expired_login_hint_token"
    text = "The login_hint_token has expired."


class MissingUserCode(ProtocolError):
    code = "missing_user_code"
    text = "The user's own code is needed, and was not sent."


class InvalidUserCode(ProtocolError):
    code = "invalid_user_code"
    text = "The user_code is not the user's."


class InvalidToken(ProtocolError):
    code = "invalid_token"
    status = 401
    may_redirect = False
    text = "The access token is missing, expired, revoked, malformed, or meant for somebody else."


class InsufficientScope(ProtocolError):
    code = "insufficient_scope"
    status = 403
    may_redirect = False
    text = "The access token does not carry the scope that this needs."


class InsufficientAuthentication(ProtocolError):
    code = "insufficient_user_authentication"
    status = 401
    may_redirect = False
    text = "The user must authenticate more strongly or more recently."


class NotConnected(ProtocolError):
    code = "federated_connection_refresh_token_not_found"
    status = 401
    may_redirect = False
    text = "The user has not connected this account: ask them to connect it, then repeat the request."


class UpstreamRefused(ProtocolError):
    code = "federated_connection_refresh_token_flow_failed"
    status = 401
    may_redirect = False
    text = "The provider no longer honours the connection; the user must connect it again."


class NotFound(ProtocolError):
    code = "not_found"
    status = 404
    may_redirect = False
    text = "There is nothing here."


class Forbidden(ProtocolError):
    code = "forbidden"
    status = 403
    may_redirect = False
    text = "This is not allowed."


class ProofRequired(ProtocolError):
    code = "proof_required"
    status = 403
    may_redirect = False
    text = "Approving this takes a proof of who you are. Nothing is decided."


class Conflict(ProtocolError):
    code = "conflict"
    status = 409
    may_redirect = False
    text = "That was changed meanwhile; look again and repeat."


class DetailsChanged(ProtocolError):
    code = "details_changed"
    status = 403
    may_redirect = False
    text = "This is not what was approved."


class AlreadySpent(ProtocolError):
    code = "already_spent"
    status = 409
    may_redirect = False
    text = "What was approved has been carried out, and permits nothing more."


class MethodNotAllowed(ProtocolError):
    code = "method_not_allowed"
    status = 405
    may_redirect = False
    text = "This method is not allowed here."


class PayloadTooLarge(ProtocolError):
    code = "payload_too_large"
    status = 413
    may_redirect = False
    text = "The request body is too large."


class UnsupportedMediaType(ProtocolError):
    code = "unsupported_media_type"
    status = 415
    may_redirect = False
    text = "Send application/x-www-form-urlencoded or application/json."


class NotImplementedHere(ProtocolError):
    code = "not_implemented"
    status = 501
    may_redirect = False
    text = "This server does not do that."


class TooManyRequests(ProtocolError):
    code = "too_many_requests"
    status = 429
    may_redirect = False
    text = "Too many attempts: wait, then try again."


class TemporarilyUnavailable(ProtocolError):
    code = "temporarily_unavailable"
    status = 503
    text = "The server is too busy to answer safely; try again shortly."


class ServerError(ProtocolError):
    code = "server_error"
    status = 500
    text = "Something failed on the server. Nothing was changed."


class ConfigurationError(RemitError):
    """The operator's input cannot be accepted. `where` is `file:line:column`, lines and columns counted from 1."""

    def __init__(self, text: str, *, where: str | None = None) -> None:
        self.text = text
        self.where = where
        super().__init__(f"{where}: {text}" if where else text)


class IntegrityError(RemitError):
    """Stored bytes do not open under their key and place, or the event chain does not link."""

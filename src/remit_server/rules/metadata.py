"""What the server says of itself (RFC 8414, OIDC Discovery 1.0 section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from remit_server.config import Settings
from remit_server.records.client import AUTH_METHODS
from remit_server.rules.authorization import ACR
from remit_server.rules.dpop import ALGORITHMS as DPOP_ALGORITHMS
from remit_server.rules.scopes import IDENTITY

ASSERTION_ALGS = ("RS256", "PS256", "ES256", "EdDSA")


def describe(settings: Settings, *, grant_types: Iterable[str], detail_types: Iterable[str]) -> dict[str, Any]:
    """Both discovery documents: one content, two addresses."""
    url = settings.url
    confidential = [method for method in AUTH_METHODS if method != "none"]
    members: dict[str, Any] = {
        "issuer": settings.issuer,
        "authorization_endpoint": url("/authorize"),
        "token_endpoint": url("/oauth/token"),
        "jwks_uri": url("/.well-known/jwks.json"),
        "userinfo_endpoint": url("/userinfo"),
        "pushed_authorization_request_endpoint": url("/oauth/par"),
        "device_authorization_endpoint": url("/oauth/device/code"),
        "backchannel_authentication_endpoint": url("/bc-authorize"),
        "introspection_endpoint": url("/oauth/introspect"),
        "revocation_endpoint": url("/oauth/revoke"),
        "end_session_endpoint": url("/oidc/logout"),
        "scopes_supported": list(IDENTITY),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": list(grant_types),
        "subject_types_supported": ["public"],
        "acr_values_supported": list(ACR),
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "name", "email",
            "email_verified", "groups", "updated_at",
        ],
        "id_token_signing_alg_values_supported": [settings.signing_alg],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "introspection_signing_alg_values_supported": [settings.signing_alg],
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "authorization_details_types_supported": list(detail_types),
        "authorization_response_iss_parameter_supported": True,
        "backchannel_token_delivery_modes_supported": ["poll", "ping", "push"],
        "backchannel_authentication_request_signing_alg_values_supported": list(ASSERTION_ALGS),
        "backchannel_user_code_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": False,
        "claims_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    }  # fmt: skip
    if settings.registration != "off":
        members["registration_endpoint"] = url("/oidc/register")
    return members

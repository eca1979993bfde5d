"""authlib over requests: authorization code with PKCE, the ID token checked by its own claims, refresh, revocation."""

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from flow import ask, given, result
from joserfc import jwt
from joserfc.jwk import KeySet

session = OAuth2Session(
    given["client"], given["secret"], scope="openid profile email offline_access", redirect_uri=given["redirect_uri"],
    code_challenge_method="S256", token_endpoint_auth_method=given["auth"],
)  # fmt: skip
server = OpenIDProviderMetadata(
    session.get(get_well_known_url(given["issuer"], external=True), withhold_token=True).json()
)
server.validate()

verifier, nonce = generate_token(48), generate_token(20)
url, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
returned = ask("authorize", url=url)
tokens = session.fetch_token(
    server["token_endpoint"], authorization_response=returned, state=state, code_verifier=verifier
)

keys = KeySet.import_key_set(session.get(server["jwks_uri"], withhold_token=True).json())
id_token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
claims = CodeIDToken(
    id_token.claims, id_token.header, {"iss": {"value": given["issuer"]}, "aud": {"value": given["client"]}},
    {"nonce": nonce, "access_token": tokens["access_token"]},
)  # fmt: skip
claims.validate()

person = session.get(server["userinfo_endpoint"]).json()
refreshed = session.refresh_token(server["token_endpoint"])
revoked = session.revoke_token(server["revocation_endpoint"], refreshed["refresh_token"], "refresh_token")
after = session.get(server["userinfo_endpoint"], withhold_token=False)
result(
    {
        "claims": dict(claims), "person": person, "scope": tokens["scope"], "returned": returned,
        "rotated": refreshed["refresh_token"] != tokens["refresh_token"], "revoked": revoked.status_code,
        "after": after.status_code,
    }
)  # fmt: skip

// A client acts for itself; it proves itself by secret or by key. What it got is introspected, revoked, introspected again.
import * as oidc from "openid-client";
import { authentication, discovered, given, result } from "./flow.mjs";

async function privateKey() {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("jwk", given.jwk, algorithm, false, ["sign"]);
  return oidc.PrivateKeyJwt({ key, kid: given.jwk.kid });
}

const config = await discovered(given.jwk ? await privateKey() : authentication());
const tokens = await oidc.clientCredentialsGrant(config, given.parameters);
const before = await oidc.tokenIntrospection(config, tokens.access_token);
await oidc.tokenRevocation(config, tokens.access_token);
const after = await oidc.tokenIntrospection(config, tokens.access_token);
result({ tokens, before, after });

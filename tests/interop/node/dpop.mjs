// Tokens bound to a key (RFC 9449). The library retries by itself when the server wants a nonce.
import * as oidc from "openid-client";
import { discovered, given, result, signIn } from "./flow.mjs";

const config = await discovered();
const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair("ES256"));
const service = await oidc.clientCredentialsGrant(config, given.parameters, { DPoP });
const { tokens } = await signIn(config, {}, { pushed: given.pushed, DPoP });
const person = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
const introspected = await oidc.tokenIntrospection(config, refreshed.access_token);
const thumbprint = await DPoP.calculateThumbprint();
const stolen = await fetch(config.serverMetadata().userinfo_endpoint, {
  headers: { authorization: `Bearer ${tokens.access_token}` },
});
result({ service, tokens, person, refreshed, introspected, thumbprint, stolen: stolen.status });

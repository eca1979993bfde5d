// What every flow here begins with: its arguments, the person beside it (play.py has the protocol), and a discovered issuer.
import { createInterface } from "node:readline";
import * as oidc from "openid-client";

export const given = JSON.parse(process.argv[2]);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

export async function ask(what, about = {}) {
  say({ ask: what, ...about });
  return JSON.parse((await lines.next()).value);
}

export function result(value) {
  say({ result: value });
  process.stdin.destroy();
}

export function authentication() {
  switch (given.auth) {
    case "none":
      return oidc.None();
    case "client_secret_basic":
      return oidc.ClientSecretBasic(given.secret);
    default:
      return oidc.ClientSecretPost(given.secret);
  }
}

export function options() {
  // Every JWS is checked against the JWKS, those too that TLS would vouch for.
  const execute = [oidc.enableNonRepudiationChecks];
  if (given.issuer.startsWith("http:")) execute.push(oidc.allowInsecureRequests);
  return { execute };
}

export const discovered = (auth = authentication(), metadata = {}) =>
  oidc.discovery(new URL(given.issuer), given.client, metadata, auth, options());

// Signs the person in: an authorization request, pushed or not, and the tokens that come of it.
export async function signIn(config, parameters = {}, { pushed = false, DPoP } = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
  const request = {
    redirect_uri: given.redirect_uri,
    scope: "openid profile email offline_access",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
    ...parameters,
  };
  const url = pushed
    ? await oidc.buildAuthorizationUrlWithPAR(config, request, { DPoP })
    : oidc.buildAuthorizationUrl(config, request);
  const returned = new URL(await ask("authorize", { url: url.href }));
  const checks = { pkceCodeVerifier: verifier, expectedState, expectedNonce, idTokenExpected: true };
  const tokens = await oidc.authorizationCodeGrant(config, returned, checks, undefined, { DPoP });
  return { tokens, url, returned };
}

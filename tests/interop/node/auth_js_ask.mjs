// @auth0/auth0-auth-js: a server asks a person by CIBA. It waits inside the SDK, or looks by itself now and then.
import { setTimeout } from "node:timers/promises";
import { AuthClient } from "@auth0/auth0-auth-js";
import { ask, given, result } from "./flow.mjs";

const client = new AuthClient({
  domain: new URL(given.issuer).host,
  clientId: given.client,
  clientSecret: given.secret,
  authorizationParams: { scope: given.wanted.scopes.join(" "), audience: given.wanted.audience },
});
const request = {
  bindingMessage: given.message,
  loginHint: { sub: "auth0|ada" },
  authorizationDetails: given.wanted.authorization_details,
  requestedExpiry: given.expiry,
};

// What a call comes to: the tokens, or the code of OAuth that the SDK keeps as the cause of its error.
async function outcome(call) {
  try {
    const { scope, authorizationDetails: details, claims } = await call;
    return { scope: scope.split(" "), details, sub: claims.sub };
  } catch (error) {
    if (error.code !== "backchannel_authentication_error") throw error;
    return { error: error.cause.error };
  }
}

async function waits() {
  const waiting = outcome(client.backchannelAuthentication(request));
  await ask("approval", { message: given.message, answer: given.answer });
  return { then: await waiting };
}

async function looks() {
  const { authReqId, expiresIn } = await client.initiateBackchannelAuthentication(request);
  const look = () => outcome(client.backchannelAuthenticationGrant({ authReqId }));
  const [first, atOnce] = [await look(), await look()];
  if (given.answer) await ask("approval", { message: given.message, answer: given.answer });
  else await setTimeout(1000 * expiresIn);
  const then = await look();
  return { first: first.error, at_once: atOnce.error, then, again: (await look()).error };
}

result(await (given.waits ? waits() : looks()));

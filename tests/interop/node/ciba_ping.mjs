// CIBA by ping: the client is told at its endpoint that there is an answer, and fetches it once.
import { createServer } from "node:http";
import { once } from "node:events";
import * as oidc from "openid-client";
import { ask, discovered, given, result } from "./flow.mjs";

const config = await discovered();
const told = Promise.withResolvers();
const listener = createServer(async (request, response) => {
  const chunks = await Array.fromAsync(request);
  response.writeHead(204).end();
  told.resolve({ bearer: request.headers.authorization, body: JSON.parse(Buffer.concat(chunks)) });
});
listener.listen(given.port, "127.0.0.1");
await once(listener, "listening");

const started = await oidc.initiateBackchannelAuthentication(config, given.parameters);
await ask("approval", { message: given.parameters.binding_message, answer: given.answer });
const ping = await told.promise;
const tokens = await oidc
  .genericGrantRequest(config, "urn:openid:params:grant-type:ciba", { auth_req_id: ping.body.auth_req_id })
  .catch((error) => ({ error: error.error }));
listener.close();
result({ started, ping, tokens, claims: tokens.claims?.() });

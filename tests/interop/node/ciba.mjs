// CIBA by polling: the client asks, the person answers elsewhere.
import * as oidc from "openid-client";
import { ask, discovered, given, result } from "./flow.mjs";

const config = await discovered();
const started = await oidc.initiateBackchannelAuthentication(config, given.parameters);
const polling = oidc.pollBackchannelAuthenticationGrant(config, started).catch((error) => ({ error: error.error }));
await ask("approval", { message: given.parameters.binding_message, answer: given.answer });
const tokens = await polling;
result({ started, tokens, claims: tokens.claims?.() });

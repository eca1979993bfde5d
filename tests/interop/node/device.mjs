// The device flow (RFC 8628) of a client without a secret: the person types the code elsewhere.
import * as oidc from "openid-client";
import { ask, discovered, given, result } from "./flow.mjs";

const config = await discovered();
const started = await oidc.initiateDeviceAuthorization(config, given.parameters);
const polling = oidc.pollDeviceAuthorizationGrant(config, started).catch((error) => ({ error: error.error }));
await ask("device", { url: started.verification_uri_complete, answer: given.answer });
const tokens = await polling;
result({ started, tokens, claims: tokens.claims?.() });

// Refresh, twice, each with the newest token; then with the first one again, which ends the family.
import * as oidc from "openid-client";
import { discovered, result, signIn } from "./flow.mjs";

const config = await discovered();
const { tokens } = await signIn(config);
const second = await oidc.refreshTokenGrant(config, tokens.refresh_token);
const third = await oidc.refreshTokenGrant(config, second.refresh_token, { scope: "openid" });
const sub = second.claims().sub;
await new Promise((resolve) => setTimeout(resolve, 2100)); // past the moment in which it would be a race of our own
const replayed = await oidc.refreshTokenGrant(config, tokens.refresh_token).catch((error) => error.error);
const after = await oidc.refreshTokenGrant(config, third.refresh_token).catch((error) => error.error);
result({ first: tokens, second, third, sub, replayed, after });

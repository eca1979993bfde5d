// Sign in, sign in again without a page, sign out (OIDC RP-Initiated Logout 1.0), and find that nobody is signed in.
import * as oidc from "openid-client";
import { ask, discovered, given, result, signIn } from "./flow.mjs";

const config = await discovered();
const { tokens } = await signIn(config);
const silent = () => signIn(config, { prompt: "none" }).then(({ tokens }) => tokens.claims().sid, (error) => error.error);
const before = await silent();
const end = oidc.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: given.return_to,
  state: "bye",
});
const returned = await ask("leave", { url: end.href });
result({ sid: tokens.claims().sid, before, returned, after: await silent() });

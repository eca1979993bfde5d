// Authorization code with PKCE, its request in the URL or pushed first (RFC 9126).
import * as oidc from "openid-client";
import { discovered, given, result, signIn } from "./flow.mjs";

const config = await discovered();
const { tokens, url, returned } = await signIn(config, given.parameters, { pushed: given.pushed });
const person = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
result({ tokens, claims: tokens.claims(), person, asked: [...url.searchParams.keys()], iss: returned.searchParams.get("iss") });

// A client registers itself (RFC 7591), signs somebody in with what it was given, and reads and removes itself (RFC 7592).
import * as oidc from "openid-client";
import { given, options, result, signIn } from "./flow.mjs";

const config = await oidc.dynamicClientRegistration(new URL(given.issuer), given.metadata, undefined, options());
const client = config.clientMetadata();
const { tokens } = await signIn(config);
const manage = (method) =>
  fetch(client.registration_client_uri, {
    method,
    headers: { authorization: `Bearer ${client.registration_access_token}` },
  });
const read = await (await manage("GET")).json();
const removed = (await manage("DELETE")).status;
const after = await oidc.refreshTokenGrant(config, tokens.refresh_token).catch((error) => error.error);
result({ client, claims: tokens.claims(), scope: tokens.scope, read, removed, after });

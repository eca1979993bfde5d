// The peer: oidc-provider as its documentation says to run it, on the paths and with the clients of bench/remit.yaml.
// Settings come from the environment, see bench/servers.py. Where a choice is free, the cheaper one for the peer is taken.
import { readFileSync } from 'node:fs';
import http from 'node:http';

import Provider from 'oidc-provider';

import { postgresStore } from './postgres_adapter.js';

const { PORT, BENCH_SECRET, BENCH_JWKS, BENCH_REDIRECT_URI, BENCH_DATABASE_URL } = process.env;
const store = BENCH_DATABASE_URL ? await postgresStore(BENCH_DATABASE_URL) : undefined;

const SCOPE = 'bench:read';
const DAY = 86_400;
const APIS = { 'https://es256.bench.example': 'ES256', 'https://rs256.bench.example': 'RS256' };

const service = (client_id) => ({
  client_id, client_secret: BENCH_SECRET, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: SCOPE,
});

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  adapter: store?.Adapter, // undefined: its own in-memory one
  jwks: JSON.parse(readFileSync(BENCH_JWKS)),
  cookies: { keys: [BENCH_SECRET] },
  clients: [
    service('bench-es256'),
    service('bench-rs256'),
    {
      client_id: 'bench-web',
      client_secret: BENCH_SECRET,
      redirect_uris: [BENCH_REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      scope: `openid offline_access ${SCOPE}`,
      id_token_signed_response_alg: 'ES256',
    },
  ],
  scopes: ['openid', 'offline_access', SCOPE],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: SCOPE, audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: APIS[resource] } },
      }),
    },
  },
  routes: { authorization: '/authorize', token: '/oauth/token', introspection: '/oauth/introspect' },
  ttl: { AuthorizationCode: 60, IdToken: 300, RefreshToken: DAY, Session: DAY, Grant: DAY, Interaction: 600 },
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  issueRefreshToken: () => true, // it would drop offline_access unless every request asks for consent again
  expiresWithSession: () => false,
  rotateRefreshToken: true,
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  // oidc-provider never stores a JWT access token. This is its one awaited hook on the way out: the row and the audit row
  // are durable before the token leaves, as they are on the other side.
  formats: {
    customizers: {
      jwt: store && ((ctx, token, { payload }) => store.keep(token.kind, payload.jti, {
        clientId: payload.client_id, accountId: token.accountId, grantId: token.grantId, scope: payload.scope, aud: payload.aud,
      }, 300)),
    },
  },
});

// Signing in and consenting, answered at once: only the set-up of a run comes here, never what is measured.
async function interact(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId: 'ada' } });
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(`openid offline_access ${SCOPE}`);
  grant.addResourceScope(params.resource, SCOPE);
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

const handle = provider.callback();
http.createServer((req, res) => (req.url.startsWith('/interaction/') ? interact(req, res) : handle(req, res)))
  .listen(Number(PORT), '127.0.0.1');

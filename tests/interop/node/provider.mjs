// oidc-provider as somebody's upstream: refresh tokens rotate and are good once, revocation works, and whoever comes is Ada
// and agrees. Says {"issuer": ...} when it listens; ends with its standard input.
import http from "node:http";
import Provider from "oidc-provider";

const { client, secret, redirect_uri } = JSON.parse(process.argv[2]);
const server = http.createServer().listen(0, "127.0.0.1");
await new Promise((ready) => server.once("listening", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: client,
      client_secret: secret,
      redirect_uris: [redirect_uri],
      application_type: "native", // a callback on loopback
      grant_types: ["authorization_code", "refresh_token"],
    },
  ],
  cookies: { keys: ["only for tests"] },
  claims: { openid: ["sub"], email: ["email"] },
  features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
  rotateRefreshToken: true,
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, email: `${sub}@upstream.example` }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});

const answers = provider.callback();
server.on("request", async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answers(request, response);
  const { prompt, params } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: "ada" } });
  }
  const grant = new provider.Grant({ accountId: "ada", clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
});

console.log(JSON.stringify({ issuer }));
process.stdin.resume().on("end", () => process.exit());

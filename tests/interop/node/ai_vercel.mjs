// @auth0/ai-vercel: a tool of the AI SDK that needs an account throws an interrupt until the person has connected it.
// Its ESM build has imports without extensions, which Node.js does not follow: it is required instead.
import { createRequire } from "node:module";
import { ask, given, result } from "./flow.mjs";

const require = createRequire(import.meta.url);
const { Auth0AI, getCredentialsFromTokenVault, setAIContext } = require("@auth0/ai-vercel");
const { TokenVaultInterrupt } = require("@auth0/ai/interrupts");
const { tool } = require("ai");
const { z } = require("zod");

const auth0 = { domain: new URL(given.issuer).host, clientId: given.client, clientSecret: given.secret };

function standing({ refresh_token, access_token }) {
  if (refresh_token) return { refreshToken: async () => refresh_token };
  return { accessToken: async () => access_token, subjectTokenType: "urn:ietf:params:oauth:token-type:access_token" };
}

// The result of a fresh tool's call, with nothing remembered: the credentials that it saw, or the interrupt.
async function call(subject, scopes, more = {}) {
  const auth0AI = new Auth0AI({ auth0 });
  const protect = auth0AI.withTokenVault({ connection: "calendar", scopes, ...standing(subject), ...more });
  const readCalendar = protect(
    tool({
      description: "What is on the calendar that day?",
      inputSchema: z.object({ day: z.string() }),
      execute: async ({ day }) => ({ day, ...getCredentialsFromTokenVault() }),
    }),
  );
  try {
    return await readCalendar.execute({ day: "today" }, { toolCallId: "call-1", messages: [] });
  } catch (error) {
    if (!(error instanceof TokenVaultInterrupt)) throw error;
    return error.toJSON();
  }
}

setAIContext({ threadID: "thread-1" });
const { subject } = given;
const before = await call(subject, ["calendar.read"]);
await ask("connects");
result({
  before,
  after: await call(subject, ["calendar.read"]),
  hinted: await call(subject, ["calendar.read"], { loginHint: async () => "mer_ada" }),
  wrong_hint: await call(subject, ["calendar.read"], { loginHint: async () => "mer_bob" }),
  too_much: await call(subject, ["calendar.read", "calendar.write"]),
});

// @auth0/ai-vercel: a tool of the AI SDK that needs the person's word throws an interrupt until they have given it.
import { createRequire } from "node:module";
import { ask, given, result } from "./flow.mjs";

const require = createRequire(import.meta.url);
const { Auth0AI, getAsyncAuthorizationCredentials, setAIContext } = require("@auth0/ai-vercel");
const { tool } = require("ai");
const { z } = require("zod");

const auth0 = { domain: new URL(given.issuer).host, clientId: given.client, clientSecret: given.secret };
const protect = new Auth0AI({ auth0 }).withAsyncAuthorization({
  userID: async () => "auth0|ada",
  bindingMessage: async () => given.message,
  ...given.wanted,
});
const buy = protect(
  tool({
    description: "Buy so many.",
    inputSchema: z.object({ quantity: z.number() }),
    execute: async () => getAsyncAuthorizationCredentials(),
  }),
);

async function call() {
  try {
    return await buy.execute({ quantity: 10 }, { toolCallId: "call-1", messages: [] });
  } catch (error) {
    if (!error.code?.startsWith("ASYNC_AUTHORIZATION")) throw error;
    return error.code;
  }
}

setAIContext({ threadID: "thread-1" });
const first = await call();
const atOnce = await call();
await ask("approval", { message: given.message, answer: given.answer });
result({ first, at_once: atOnce, then: await call() });

// @auth0/ai-vercel and @auth0/ai, configured by their environment variables: a tool of the AI SDK that runs only for who may,
// and a filter that drops the documents that the user may not see.
import { createRequire } from "node:module";
import { given, result } from "./flow.mjs";

Object.assign(process.env, given.environment);
const require = createRequire(import.meta.url);
const { FGA_AI } = require("@auth0/ai-vercel");
const { FGAFilter } = require("@auth0/ai");
const { tool } = require("ai");
const { z } = require("zod");

const fga = new FGA_AI();
const said = { tool: {}, filtered: {} };
for (const user of given.users) {
  const query = (id) => ({ user: `user:${user}`, object: `doc:${id}`, relation: "viewer" });
  const open = fga.withFGA(
    { buildQuery: async ({ id }) => query(id), onUnauthorized: () => "refused" },
    tool({
      description: "Opens a document",
      inputSchema: z.object({ id: z.number() }),
      execute: async ({ id }) => `opened ${id}`,
    }),
  );
  said.tool[user] = await open.execute({ id: 1 }, { toolCallId: "call-1", messages: [] });
  const documents = Array.from({ length: given.documents }, (_, id) => ({ id }));
  const seen = await FGAFilter.create({ buildQuery: ({ id }) => query(id) }).filter(documents);
  said.filtered[user] = seen.map(({ id }) => id);
}
result(said);

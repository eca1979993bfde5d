// @auth0/ai, configured by its environment variables: a tool that runs only for who may, and a filter that drops the documents
// that the user may not see. (@auth0/ai-vercel has a class around the former, which its version 4.1.0 does not export.)
import { createRequire } from "node:module";
import { given, result } from "./flow.mjs";

Object.assign(process.env, given.environment);
const require = createRequire(import.meta.url);
const { FGAFilter } = require("@auth0/ai");
const { FGAAuthorizerBase } = require("@auth0/ai/FGA");

const said = { tool: {}, filtered: {} };
for (const user of given.users) {
  const query = (id) => ({ user: `user:${user}`, object: `doc:${id}`, relation: "viewer" });
  const authorizer = new FGAAuthorizerBase(undefined, { buildQuery: ({ id }) => query(id), onUnauthorized: () => "refused" });
  said.tool[user] = await authorizer.protect(async ({ id }) => `opened ${id}`)({ id: 1 });
  const documents = Array.from({ length: given.documents }, (_, id) => ({ id }));
  const seen = await FGAFilter.create({ buildQuery: ({ id }) => query(id) }).filter(documents);
  said.filtered[user] = seen.map(({ id }) => id);
}
result(said);

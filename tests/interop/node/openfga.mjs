// @openfga/sdk: every method that its client has, against a store that it makes and deletes.
import { createRequire } from "node:module";
import { given, result } from "./flow.mjs";

const { CredentialsMethod, FgaApiNotFoundError, FgaApiValidationError, OpenFgaClient } = createRequire(import.meta.url)("@openfga/sdk");

const client = new OpenFgaClient({
  apiUrl: given.issuer.replace(/\/$/, ""),
  credentials: {
    method: CredentialsMethod.ClientCredentials,
    config: {
      apiTokenIssuer: new URL(given.issuer).host,
      apiAudience: given.audience,
      clientId: given.client ?? "fga",
      ...(given.key ? { clientAssertionSigningKey: given.key } : { clientSecret: given.secret }),
    },
  },
});

const tuple = (text) => Object.fromEntries(text.split(" ").map((word, at) => [["user", "relation", "object"][at], word]));
const tuples = (...texts) => texts.map(tuple);
const viewer = (user, object, more = {}) => ({ user, relation: "viewer", object, ...more });
const succeeded = (answers) => answers.map((one) => one.status === "success");
const said = {};

async function refused(kind, call) {
  try {
    return ["no error", await call()];
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    return [error.statusCode, error.apiErrorCode];
  }
}

const store = await client.createStore({ name: "handbook" });
client.storeId = store.id;
said.stores = (await client.listStores({ name: "handbook" })).stores.map((one) => one.name);
said.store = (await client.getStore()).name;
said.noModel = (await client.readLatestAuthorizationModel()).authorization_model ?? null;
const { authorization_model_id } = await client.writeAuthorizationModel(given.model);
client.authorizationModelId = authorization_model_id;
const latest = (await client.readLatestAuthorizationModel()).authorization_model;
const { authorization_model: model } = await client.readAuthorizationModel();
const { authorization_models: models } = await client.readAuthorizationModels();
said.models = [latest.id === authorization_model_id, model.id === latest.id, models.length];
said.types = model.type_definitions.map((one) => one.type);
said.condition = model.conditions.in_hours.expression;

const inHours = { condition: { name: "in_hours", context: { until: 17 } } };
const first = tuples("user:ann viewer doc:1", "group:staff#member viewer doc:2", "user:bob member group:staff");
said.write = succeeded((await client.write({ writes: [...first, viewer("user:cy", "doc:3", inHours)] })).writes);
said.again = await refused(FgaApiValidationError, () => client.writeTuples(tuples("user:ann viewer doc:1")));
said.undefined = await refused(FgaApiValidationError, () => client.writeTuples(tuples("user:ann owner doc:1")));
const conflict = { onDuplicateWrites: "ignore", onMissingDeletes: "ignore" };
await client.writeTuples(tuples("user:ann viewer doc:1"), { conflict });
const loose = await client.write(
  {
    writes: tuples("user:dan viewer doc:4", "user:dan viewer doc:5", "user:ann viewer doc:1"),
    deletes: tuples("user:nobody viewer doc:1"),
  },
  { transaction: { disable: true, maxPerChunk: 2, maxParallelRequests: 2 } },
);
said.loose = [succeeded(loose.writes).sort(), succeeded(loose.deletes)]; // chunks answer in any order
said.delete = succeeded((await client.deleteTuples(tuples("user:dan viewer doc:4"))).deletes);
await client.deleteTuples(tuples("user:dan viewer doc:4"), { conflict });

said.read = (await client.read({ user: "user:ann", object: "doc:" })).tuples.map(({ key }) => `${key.user} ${key.relation} ${key.object}`);
const page = await client.read({}, { pageSize: 2 });
const rest = await client.read({}, { continuationToken: page.continuation_token });
said.pages = [page.tuples.length, rest.tuples.length, rest.continuation_token];
const changes = await client.readChanges({ type: "doc" }, { pageSize: 100 });
said.changes = changes.changes.map((one) => `${one.operation.slice(16)} ${one.tuple_key.user} ${one.tuple_key.object}`);
const after = await client.readChanges({ type: "doc" }, { continuationToken: changes.continuation_token });
said.noMore = after.changes;

const allowed = async (...asked) => (await client.check(viewer(...asked))).allowed;
const contextualTuples = tuples("user:eve member group:staff");
said.check = [await allowed("user:bob", "doc:2"), await allowed("user:bob", "doc:1"), await allowed("user:eve", "doc:2", { contextualTuples })];
said.conditions = [await allowed("user:cy", "doc:3", { context: { hour: 9 } }), await allowed("user:cy", "doc:3", { context: { hour: 18 } })];
const both = await client.clientBatchCheck([viewer("user:ann", "doc:1"), viewer("user:cy", "doc:3")]);
said.clientBatch = both.result.map((one) => [one.allowed, one.error?.apiErrorCode ?? null]).sort();
const checks = Array.from({ length: 120 }, (_, n) => viewer("user:ann", `doc:${n}`, { correlationId: `${n}` }));
const many = (await client.batchCheck({ checks })).result;
said.batch = [many.length, many.filter((one) => one.allowed).map((one) => one.correlationId).sort()];
const odd = [
  { ...viewer("user:cy", "doc:3"), correlationId: "lacks-the-hour" },
  { user: "user:cy", relation: "owner", object: "doc:3", correlationId: "no-such-relation" },
];
said.batchErrors = Object.fromEntries(
  (await client.batchCheck({ checks: odd })).result.map((one) => [one.correlationId, [one.allowed, one.error.input_error]]),
);

const asked = { user: "user:bob", relation: "viewer", type: "doc" };
said.objects = (await client.listObjects(asked)).objects;
said.streamed = [];
for await (const { object } of client.streamedListObjects(asked)) said.streamed.push(object);
const users = await client.listUsers({ object: { type: "doc", id: "2" }, relation: "viewer", user_filters: [{ type: "user" }] });
said.users = users.users.map(({ object }) => `${object.type}:${object.id}`);
said.relations = (await client.listRelations({ user: "user:bob", object: "doc:2", relations: ["viewer", "reader"] })).relations.sort();
const { root } = (await client.expand({ relation: "viewer", object: "doc:2" })).tree;
said.expand = [root.name, root.leaf.users.users];
await client.writeAssertions([{ ...viewer("user:ann", "doc:1"), expectation: true }]);
const { assertions } = await client.readAssertions();
said.assertions = assertions.map((one) => [one.tuple_key.user, one.expectation]);
await client.deleteStore();
said.gone = await refused(FgaApiNotFoundError, () => client.getStore());
result(said);

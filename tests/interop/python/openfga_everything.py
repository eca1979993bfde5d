"""openfga-sdk, asynchronous or not: every method that its client has, against a store that it makes and deletes."""

import asyncio
import inspect

from flow import given, result

if given["sync"]:
    from openfga_sdk.sync import OpenFgaClient
else:
    from openfga_sdk import OpenFgaClient

import openfga_sdk
from openfga_sdk import (
    ClientConfiguration,
    CreateStoreRequest,
    FgaObject,
    ReadRequestTupleKey,
    UserTypeFilter,
    WriteAuthorizationModelRequest,
)
from openfga_sdk.client.models import (
    ClientAssertion,
    ClientBatchCheckItem,
    ClientBatchCheckRequest,
    ClientCheckRequest,
    ClientExpandRequest,
    ClientListObjectsRequest,
    ClientListRelationsRequest,
    ClientReadChangesRequest,
    ClientTuple,
    ClientWriteRequest,
    WriteTransactionOpts,
)
from openfga_sdk.client.models.list_users_request import ClientListUsersRequest
from openfga_sdk.client.models.write_conflict_opts import (
    ClientWriteRequestOnDuplicateWrites,
    ClientWriteRequestOnMissingDeletes,
    ConflictOptions,
)
from openfga_sdk.credentials import CredentialConfiguration, Credentials
from openfga_sdk.exceptions import NotFoundException, ValidationException
from openfga_sdk.models.relationship_condition import RelationshipCondition

CREDENTIALS = Credentials(
    method="client_credentials",
    configuration=CredentialConfiguration(
        api_issuer=given["issuer"], api_audience=given["audience"], client_id="fga", client_secret=given["secret"]
    ),
)
IGNORING = {
    "conflict": ConflictOptions(ClientWriteRequestOnDuplicateWrites.IGNORE, ClientWriteRequestOnMissingDeletes.IGNORE)
}


async def got(answer):
    return await answer if inspect.isawaitable(answer) else answer


async def listed(answers):
    if given["sync"]:
        return [answer.object for answer in answers]
    return [answer.object async for answer in answers]


def tuples(*texts):
    return [ClientTuple(**dict(zip(("user", "relation", "object"), text.split(), strict=True))) for text in texts]


def keys(of):
    return sorted(f"{one.key.user} {one.key.relation} {one.key.object}" for one in of.tuples)


async def everything(client):
    said = {"version": openfga_sdk.__version__}
    store = await got(client.create_store(CreateStoreRequest(name="handbook")))
    client.set_store_id(store.id)
    said["stores"] = [one.name for one in (await got(client.list_stores({"name": "handbook"}))).stores]
    said["store"] = (await got(client.get_store())).name
    said["no model"] = (await got(client.read_latest_authorization_model())).authorization_model

    written = await got(client.write_authorization_model(WriteAuthorizationModelRequest(**given["model"])))
    client.set_authorization_model_id(written.authorization_model_id)
    latest = (await got(client.read_latest_authorization_model())).authorization_model
    one = (await got(client.read_authorization_model())).authorization_model
    every = (await got(client.read_authorization_models())).authorization_models
    said["models"] = [latest.id == written.authorization_model_id, one.id == latest.id, len(every)]
    said["types"] = [definition.type for definition in one.type_definitions]
    said["condition"] = one.conditions["in_hours"].expression

    body = ClientWriteRequest(
        writes=[
            *tuples("user:ann viewer doc:1", "group:staff#member viewer doc:2", "user:bob member group:staff"),
            ClientTuple(
                user="user:cy", relation="viewer", object="doc:3",
                condition=RelationshipCondition(name="in_hours", context={"until": 17}),
            ),
        ]
    )  # fmt: skip
    said["write"] = [one.success for one in (await got(client.write(body))).writes]
    try:
        await got(client.write_tuples(tuples("user:ann viewer doc:1")))
    except ValidationException as error:
        said["again"] = [error.status, error.code]
    try:
        await got(client.write_tuples(tuples("user:ann owner doc:1")))
    except ValidationException as error:
        said["undefined"] = [error.status, error.code]
    await got(client.write_tuples(tuples("user:ann viewer doc:1"), dict(IGNORING)))
    loose = {"transaction": WriteTransactionOpts(disabled=True, max_per_chunk=2, max_parallel_requests=2)}
    some = ClientWriteRequest(
        writes=tuples("user:dan viewer doc:4", "user:dan viewer doc:5", "user:ann viewer doc:1"),
        deletes=tuples("user:nobody viewer doc:1"),
    )
    answer = await got(client.write(some, loose))
    said["loose"] = [sorted(one.success for one in answer.writes), [one.success for one in answer.deletes]]
    said["delete"] = [one.success for one in (await got(client.delete_tuples(tuples("user:dan viewer doc:4")))).deletes]
    await got(client.delete_tuples(tuples("user:dan viewer doc:4"), dict(IGNORING)))

    said["read"] = keys(await got(client.read(ReadRequestTupleKey(user="user:ann", object="doc:"))))
    page = await got(client.read(ReadRequestTupleKey(), {"page_size": 2}))
    rest = await got(client.read(ReadRequestTupleKey(), {"continuation_token": page.continuation_token}))
    said["pages"] = [len(page.tuples), len(rest.tuples), rest.continuation_token]
    changes = await got(client.read_changes(ClientReadChangesRequest("doc"), {"page_size": 100}))
    said["changes"] = [f"{one.operation[16:]} {one.tuple_key.user} {one.tuple_key.object}" for one in changes.changes]
    after = await got(
        client.read_changes(ClientReadChangesRequest("doc"), {"continuation_token": changes.continuation_token})
    )
    said["no more"] = after.changes

    async def allowed(user, object_, **more):
        return (await got(client.check(ClientCheckRequest(user, "viewer", object_, **more)))).allowed

    async def contextual():
        asked = ClientCheckRequest("user:eve", "viewer", "doc:2")
        asked.contextual_tuples = tuples("user:eve member group:staff")
        return (await got(client.check(asked))).allowed

    said["check"] = [await allowed("user:bob", "doc:2"), await allowed("user:bob", "doc:1"), await contextual()]
    timed = [ClientCheckRequest("user:cy", "viewer", "doc:3", context={"hour": hour}) for hour in (9, 18)]
    said["conditions"] = [(await got(client.check(asked))).allowed for asked in timed]
    both = [ClientCheckRequest("user:ann", "viewer", "doc:1"), ClientCheckRequest("user:cy", "viewer", "doc:3")]
    said["client batch"] = [
        [one.allowed, getattr(one.error, "code", None)] for one in await got(client.client_batch_check(both))
    ]
    items = [ClientBatchCheckItem("user:ann", "viewer", f"doc:{n}", str(n)) for n in range(120)]
    many = (await got(client.batch_check(ClientBatchCheckRequest(checks=items)))).result
    said["batch"] = [len(many), sorted(one.correlation_id for one in many if one.allowed)]
    odd = [
        ClientBatchCheckItem("user:cy", "viewer", "doc:3", "lacks-the-hour"),
        ClientBatchCheckItem("user:cy", "owner", "doc:3", "no-such-relation"),
    ]
    answers = (await got(client.batch_check(ClientBatchCheckRequest(checks=odd)))).result
    said["batch errors"] = {one.correlation_id: [one.allowed, one.error.input_error] for one in answers}

    asked = ClientListObjectsRequest("user:bob", "viewer", "doc")
    said["objects"] = sorted((await got(client.list_objects(asked))).objects)
    said["streamed"] = sorted(await listed(client.streamed_list_objects(asked)))
    users = await got(
        client.list_users(
            ClientListUsersRequest(
                object=FgaObject(type="doc", id="2"), relation="viewer", user_filters=[UserTypeFilter(type="user")]
            )
        )
    )
    said["users"] = [f"{one.object.type}:{one.object.id}" for one in users.users]
    said["relations"] = sorted(
        await got(client.list_relations(ClientListRelationsRequest("user:bob", ["viewer", "reader"], "doc:2")))
    )
    root = (await got(client.expand(ClientExpandRequest("viewer", "doc:2")))).tree.root
    said["expand"] = [root.name, root.leaf.users.users]
    await got(client.write_assertions([ClientAssertion("user:ann", "viewer", "doc:1", True)]))
    assertions = (await got(client.read_assertions())).assertions
    said["assertions"] = [[one.tuple_key.user, one.expectation] for one in assertions]

    await got(client.delete_store())
    try:
        await got(client.get_store())
    except NotFoundException as error:
        said["gone"] = [error.status, error.code]
    await got(client.close())
    return said


async def main():
    configuration = ClientConfiguration(api_url=given["issuer"].rstrip("/"), credentials=CREDENTIALS)
    result(await everything(OpenFgaClient(configuration)))


asyncio.run(main())

"""LlamaIndex before our retriever and our postprocessor: the same question of two people, over one index."""

import asyncio
import math

from flow import given, on_page, result
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import IndexNode, NodeWithScore, TextNode

from remit import Client, NotAllowed, SignInRequired
from remit.integrations.llamaindex import AuthorizedPostprocessor, AuthorizedRetriever

ADA, BOB = given["people"]


class Angles(BaseEmbedding):
    """A text is a number, and the smaller it is, the nearer to the question."""

    def _get_text_embedding(self, text):
        angle = float(text.rpartition("\n")[2]) / 100
        return [math.cos(angle), math.sin(angle)]

    def _get_query_embedding(self, query):
        return [1.0, 0.0]

    async def _aget_query_embedding(self, query):
        return [1.0, 0.0]


class Rows(BaseRetriever):
    def __init__(self, rows):
        self.rows = rows
        super().__init__()

    def _retrieve(self, query_bundle):
        return [NodeWithScore(node=row, score=1.0) for row in self.rows]


class Around(BaseRetriever):
    """Over another one, and follows what it gives, as LlamaIndex' own do."""

    def __init__(self, below):
        self.below = below
        super().__init__()

    def _retrieve(self, query_bundle):
        return self.below.retrieve(query_bundle)

    async def _aretrieve(self, query_bundle):
        return await self.below.aretrieve(query_bundle)


def node(n, **more):
    return TextNode(text=str(n), metadata={"id": n}, **more)


def ids(nodes):
    return [each.metadata.get("id") for each in nodes]


def named(each):
    return f"document:{each.metadata['id']}"


def index():
    return VectorStoreIndex([node(n) for n in range(120)], embed_model=Angles())


def reference(n, to):
    """A document that may be seen, which stands for one that may not."""
    return IndexNode(text="see there", index_id=f"to-{n}", obj=to, metadata={"id": n})


async def main():
    found = {}
    async with Client(given["issuer"], given["client"], given["secret"]) as client:
        ada, bob, stranger = (client.for_user(sub) for sub in (ADA, BOB, "auth0|nobody"))
        page = on_page("remit.integrations.llamaindex")
        vectors = page["nodes_over"](index())

        async def asked(user, retriever=vectors):
            with user:
                return ids(await retriever.aretrieve("0"))

        both = await asyncio.gather(page["ask_nodes"](vectors, ada, "0"), page["ask_nodes"](vectors, bob, "0"))
        found["ada"], found["bob"] = map(ids, both)
        odd = [TextNode(text="no id"), node(40), node(40, id_="chunk 2"), TextNode(text="", metadata={"name": "x"})]
        found["odd"] = await asked(ada, AuthorizedRetriever(Rows(odd), obj=named))
        once = reference(50, node(7))
        twice = reference(51, NodeWithScore(node=reference(52, node(8)), score=1.0))
        found["references"] = await asked(ada, AuthorizedRetriever(Rows([once, twice]), obj=named))
        around = Around(AuthorizedRetriever(Rows([once, twice]), obj=named))
        found["around"] = await asked(ada, around)
        with ada:
            found["told"] = [each.model_dump_json() for each in await around.aretrieve("0")]

        refers = [NodeWithScore(node=twice, score=1.0)]
        hits = [NodeWithScore(node=node(n), score=1.0) for n in (38, 41, 39, 40)]
        with ada:
            kept = await page["last"].apostprocess_nodes(refers, query_str="0")
            found["kept"] = [each.node.obj for each in kept]
            found["post"] = ids(await page["last"].apostprocess_nodes(hits, query_str="0"))

        def in_a_worker():
            return (
                ids(AuthorizedRetriever(index().as_retriever(), obj=named, user=lambda: ada).retrieve("0")),
                ids(AuthorizedRetriever(Rows([once, twice]), obj=named, user=lambda: ada).retrieve("0")),
                ids(Around(AuthorizedRetriever(Rows([once, twice]), obj=named, user=lambda: ada)).retrieve("0")),
                [
                    each.node.obj
                    for each in AuthorizedPostprocessor(obj=named, user=lambda: ada).postprocess_nodes(refers)
                ],
                ids(AuthorizedPostprocessor(obj=named, user=lambda: bob).postprocess_nodes(hits)),
            )

        found["worker"] = await asyncio.to_thread(in_a_worker)
        refusals = []
        for user in (stranger, None):
            try:
                await (asked(user) if user else vectors.aretrieve("0"))
            except (NotAllowed, SignInRequired) as error:
                refusals.append(type(error).__name__)
        found["refusals"] = refusals
    return found


def without_a_loop():
    client = Client(given["issuer"], given["client"], given["secret"])
    ada = client.for_user(ADA)
    try:
        return ids(AuthorizedRetriever(index().as_retriever(), obj=named, user=lambda: ada).retrieve("0"))
    finally:
        client.close()


result({"async": asyncio.run(main()), "sync": without_a_loop()})

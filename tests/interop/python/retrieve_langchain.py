"""LangChain before our retriever: the same question of two people, over a vector store that knows nothing of either."""

import asyncio
import math
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

from flow import given, on_page, result
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.context import (
    _tracing_v2_is_enabled,
    collect_runs,
    register_configure_hook,
    tracing_v2_callback_var,
)
from langchain_core.vectorstores import InMemoryVectorStore
from langsmith import tracing_context

from remit import Client, NotAllowed, SignInRequired
from remit.integrations.langchain import AuthorizedRetriever

ADA, BOB = given["people"]
SHOWN = ContextVar("everywhere", default=None)


class Angles(Embeddings):
    """A text is a number, and the smaller it is, the nearer to the question."""

    def embed_documents(self, texts):
        return [[math.cos(float(text) / 100), math.sin(float(text) / 100)] for text in texts]

    def embed_query(self, text):
        return [1.0, 0.0]


class Shelf(BaseRetriever):
    """With a `k` of its own, and a note of who listened."""

    k: int = 3
    heard: list = []  # noqa: RUF012

    def _get_relevant_documents(self, query, *, run_manager):
        self.heard.append((len(run_manager.handlers), bool(_tracing_v2_is_enabled())))
        return documents()[: self.k]


class Rows(BaseRetriever):
    """Gives what it has."""

    rows: list

    def _get_relevant_documents(self, query, *, run_manager):
        return self.rows


class Nested(BaseRetriever):
    """Asks another retriever, and passes on nothing of who listens."""

    below: BaseRetriever

    def _get_relevant_documents(self, query, *, run_manager):
        return self.below.invoke(query)

    async def _aget_relevant_documents(self, query, *, run_manager):
        return await self.below.ainvoke(query)


class Everywhere(BaseCallbackHandler):
    """Where its variable is set, LangChain makes one for every run."""

    ends = []  # noqa: RUF012

    def on_retriever_end(self, documents, **_):
        Everywhere.ends.append(ids(documents))


register_configure_hook(SHOWN, True, Everywhere, "LISTEN_EVERYWHERE")


class Listener(AsyncCallbackHandler):
    def __init__(self):
        self.ends = []

    async def on_retriever_end(self, documents, **_):
        self.ends.append(ids(documents))


class SyncListener(BaseCallbackHandler):
    def __init__(self):
        self.ends = []

    def on_retriever_end(self, documents, **_):
        self.ends.append(ids(documents))


def documents():
    return [Document(page_content=str(n), metadata={"id": n}) for n in range(120)]


def ids(docs):
    return [doc.metadata.get("id") for doc in docs]


def named(doc):
    return f"document:{doc.metadata['id']}"


@contextmanager
def all_ears():
    """Every way in which LangChain lets somebody listen without being passed along, and what they heard."""
    os.environ["LISTEN_EVERYWHERE"] = "true"
    Everywhere.ends.clear()
    heard = SyncListener()
    token = tracing_v2_callback_var.set(heard)  # as tracing_v2_enabled() does
    try:
        with collect_runs() as runs:
            yield lambda: [heard.ends, Everywhere.ends, [ids(run.outputs["documents"]) for run in runs.traced_runs]]
    finally:
        tracing_v2_callback_var.reset(token)
        del os.environ["LISTEN_EVERYWHERE"]


def store():
    kept = InMemoryVectorStore(Angles())
    kept.add_documents(documents())
    return kept


async def main():
    found = {}
    async with Client(given["issuer"], given["client"], given["secret"]) as client:
        ada, bob, stranger = (client.for_user(sub) for sub in (ADA, BOB, "auth0|nobody"))
        page = on_page("remit.integrations.langchain")
        vectors = page["retriever_over"](store())

        async def asked(user, retriever=vectors, **config):
            with user:
                return ids(await retriever.ainvoke("0", config or None))

        both = await asyncio.gather(page["ask"](vectors, ada, "0"), page["ask"](vectors, bob, "0"))
        found["ada"], found["bob"] = map(ids, both)
        few = AuthorizedRetriever(base=store().as_retriever(search_kwargs={"k": 2}), obj=named)
        found["few"] = await asked(ada, few)
        with bob:
            found["batch"] = [ids(each) for each in await vectors.abatch(["0", "1"])]
        listener, chain = Listener(), RunnableLambda(str) | vectors  # a step of a chain inherits who listens to it
        found["told"] = await asked(ada, chain, callbacks=[listener])
        found["heard"] = listener.ends
        with ada:
            streamed = [event async for event in chain.astream_events("0", version="v2")]
        found["streamed"] = [event["event"] for event in streamed if "retriever" in event["event"]]
        found["leaked"] = any("page_content='0'" in str(event) for event in streamed)

        mmr = AuthorizedRetriever(base=store().as_retriever(search_type="mmr"), obj=named, k=200)
        found["mmr"] = sorted(await asked(ada, mmr))
        shelf = Shelf()
        found["shelf"] = await asked(ada, AuthorizedRetriever(base=shelf, obj=named))
        with tracing_context(enabled=True), ada:
            await AuthorizedRetriever(base=shelf, obj=named)._aget_relevant_documents("0", run_manager=None)
        found["listeners"] = shelf.heard

        chain = RunnableLambda(str) | AuthorizedRetriever(base=Nested(below=Shelf(k=200)), obj=named)
        with ada:
            streamed = [event async for event in chain.astream_events("0", version="v2")]
        found["nested"] = [event["event"] for event in streamed if "retriever" in event["event"]]
        with all_ears() as heard, ada:
            await AuthorizedRetriever(base=Nested(below=Shelf(k=200)), obj=named).ainvoke("0")
        found["ears"] = heard()

        odd = Rows(
            rows=[Document(page_content="no id"), *documents()[40:41] * 2, Document(page_content="", metadata={})]
        )
        found["odd"] = await asked(ada, AuthorizedRetriever(base=odd, obj=named, user=lambda: ada))
        found["narrow"] = await asked(ada, AuthorizedRetriever(base=Rows(rows=documents()[:4]), obj=named))
        found["bound"] = await asked(ada, AuthorizedRetriever(base=Shelf(), obj=named, most=30))

        def in_a_worker():
            with ada:
                return ids(vectors.invoke("0"))

        found["worker"] = await asyncio.to_thread(in_a_worker)
        refusals = []
        for user in (stranger, None):
            try:
                await (asked(user) if user else vectors.ainvoke("0"))
            except (NotAllowed, SignInRequired) as error:
                refusals.append(type(error).__name__)
        found["refusals"] = refusals
    return found


def without_a_loop():
    client = Client(given["issuer"], given["client"], given["secret"])
    ada, bob = client.for_user(ADA), client.for_user(BOB)
    shared = store()

    def retriever(user):
        return AuthorizedRetriever(base=shared.as_retriever(), obj=named, user=lambda: user)

    try:
        listener = SyncListener()
        found = {"one": ids((RunnableLambda(str) | retriever(ada)).invoke("0", {"callbacks": [listener]}))}
        found["heard"] = listener.ends
        with all_ears() as heard:
            AuthorizedRetriever(base=Nested(below=Shelf(k=200)), obj=named, user=lambda: ada).invoke("0")
        found["ears"] = heard()
        found["batch"] = [ids(each) for each in retriever(bob).batch(["0"] * 3)]
        with ThreadPoolExecutor(4) as pool:
            found["threads"] = [
                ids(each) for each in pool.map(lambda user: retriever(user).invoke("0"), [ada, bob] * 2)
            ]
        return found
    finally:
        client.close()


result({"async": asyncio.run(main()), "sync": without_a_loop()})

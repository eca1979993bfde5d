"""auth0-ai-langchain, configured by its environment variables: a retriever that drops what the user may not see, and a tool
that runs only for who may."""

import asyncio
import os

from flow import given, result

os.environ |= given["environment"]

from auth0_ai_langchain import FGARetriever
from auth0_ai_langchain.fga import FGAAuthorizer
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from openfga_sdk.client.models import ClientBatchCheckItem


class Everything(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager=None):
        return [Document(id=str(n), page_content=query, metadata={"id": n}) for n in range(given["documents"])]


def retrieved(user):
    retriever = FGARetriever(
        Everything(),
        build_query=lambda document: ClientBatchCheckItem(
            user=f"user:{user}", object=f"doc:{document.metadata['id']}", relation="viewer"
        ),
    )
    return [document.metadata["id"] for document in retriever.invoke("holidays")]


def query(user):
    return {"build_query": lambda _: {"user": f"user:{user}", "object": "doc:1", "relation": "viewer"}}


async def run(user):
    protect = FGAAuthorizer.create()(**query(user), on_unauthorized=lambda _: "refused")

    @protect
    async def open_document(number):
        return f"opened {number}"

    return await open_document(number=1)


async def main():
    result(
        {
            "retrieved": {user: await asyncio.to_thread(retrieved, user) for user in given["users"]},
            "authorized": {user: await FGAAuthorizer.authorize(query(user)) for user in given["users"]},
            "tool": {user: await run(user) for user in given["users"]},
        }
    )


asyncio.run(main())

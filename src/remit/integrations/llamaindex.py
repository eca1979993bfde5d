"""For LlamaIndex (``llama-index-core`` 0.14): a retriever that returns only what the user may see, and a postprocessor that
drops the rest.

The retriever is the better of the two: it goes on until enough nodes are visible. LlamaIndex's own instrumentation hears of what
the search below finds; keep what listens to it to yourself.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle

from remit.retrieval import MOST, Sieve
from remit.user import User, current_user

Naming = Callable[[NodeWithScore], str | None]


def widened(base: BaseRetriever, n: int) -> BaseRetriever:
    """The same retriever, asked for ``n`` nodes, where it has a ``similarity_top_k``. Any other as it is."""
    if not isinstance(getattr(base, "similarity_top_k", None), int):
        return base
    wide: Any = copy(base)
    wide.similarity_top_k = n
    return wide


class AuthorizedRetriever(BaseRetriever):
    """The first ``k`` nodes of another retriever that the user may see::

        retriever = AuthorizedRetriever(index.as_retriever(), obj=lambda node: f"doc:{node.metadata['id']}")
        with user:
            nodes = await retriever.aretrieve("How did the pension fund vote?")

    More nodes are taken from the base until there are enough, or no more. One retriever serves many users at once; without
    an event loop ``retrieve`` does the same.

    Args:
        base: what searches. It knows nothing of users.
        obj: names a node as ``type:id``; nodes of one document share it. What it cannot name is dropped.
        relation: what the user has to be to each document.
        user: whom the search is for.
        k: how many nodes are wanted.
        most: nodes that are looked at. Where that many were not enough, the log says so.
        widen: how the base is asked for more.

    Raises:
        SignInRequired: nobody is bound to this context.
        NotAllowed: this agent may not ask about the user.
        Unavailable: a question went unanswered; there are no nodes then.
    """

    def __init__(
        self,
        base: BaseRetriever,
        *,
        obj: Naming,
        relation: str = "viewer",
        user: Callable[[], User] = current_user,
        k: int = 4,
        most: int = MOST,
        widen: Callable[[BaseRetriever, int], BaseRetriever] = widened,
    ) -> None:
        self._base, self._obj, self._relation, self._user = base, obj, relation, user
        self._k, self._most, self._widen = k, most, widen
        super().__init__()

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        async def best(n: int) -> list[NodeWithScore]:
            return await self._widen(self._base, n).aretrieve(query_bundle)

        found = await self._user().first(self._k, best, relation=self._relation, obj=self._obj, most=self._most)
        return [_alone(node) for node in found.docs]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        user = self._user()

        def best(n: int) -> list[NodeWithScore]:
            return self._widen(self._base, n).retrieve(query_bundle)

        def permitted(names: list[str]) -> list[str]:
            return user.sync(user.filter(names, relation=self._relation, obj=str))

        return [_alone(node) for node in Sieve(self._k, self._obj, self._most).sift(best, permitted).docs]


class AuthorizedPostprocessor(BaseNodePostprocessor):
    """Drops what the user may not see, last of the postprocessors: one that comes after could bring in more. ``obj``, ``relation``,
    ``user`` and what is raised are as for ``AuthorizedRetriever``."""

    obj: Naming
    relation: str = "viewer"
    user: Callable[[], User] = current_user

    @classmethod
    def class_name(cls) -> str:
        return "AuthorizedPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        user = self.user()
        return [_alone(node) for node in user.sync(user.filter(nodes, relation=self.relation, obj=self.obj))]

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return [_alone(node) for node in await self.user().filter(nodes, relation=self.relation, obj=self.obj)]


def _alone(hit: NodeWithScore) -> NodeWithScore:
    """Without what it refers to: nobody has asked about that. LlamaIndex would follow it, in our retriever and in one around
    it, and JSON would show it. What the base itself followed has been judged."""
    if not isinstance(hit.node, IndexNode) or hit.node.obj is None:
        return hit
    return NodeWithScore(node=hit.node.model_copy(update={"obj": None}), score=hit.score)

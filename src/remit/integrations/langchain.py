"""For LangChain (``langchain-core`` 0.3 and 1): a retriever that returns only what the user may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    BaseCallbackHandler,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import _configure_hooks, tracing_v2_callback_var
from langchain_core.vectorstores import VectorStoreRetriever
from langsmith import tracing_context

from remit.retrieval import MOST, Sieve
from remit.user import User, current_user


@contextmanager
def _unheard() -> Iterator[None]:
    """Nobody listens to the search within: what it finds and the user may not see would reach streams and traces.

    Neither do those who listen to the chain around it, which a base hands on to what it calls itself, nor those whom a context
    or the environment adds to every run.
    """
    quiet: list[tuple[ContextVar[Any], Any]] = [
        (var_child_runnable_config, {**(var_child_runnable_config.get() or {}), "callbacks": []}),
        (tracing_v2_callback_var, None),
        # Where a variable of the environment would put a listener, one that does nothing has its place.
        *((hook, BaseCallbackHandler() if variable else None) for hook, _, _, variable in _configure_hooks),
    ]
    before = [(var, var.set(value)) for var, value in quiet]
    try:
        with tracing_context(enabled=False):
            yield
    finally:
        for var, token in reversed(before):
            var.reset(token)


def widened(base: BaseRetriever, n: int) -> BaseRetriever:
    """The same retriever, asked for ``n`` hits: one of a vector store, or one with a ``k`` of its own. Any other as it is."""
    if isinstance(base, VectorStoreRetriever):
        more: dict[str, Any] = {**base.search_kwargs, "k": n}
        if base.search_type == "mmr":
            more["fetch_k"] = max(n, more.get("fetch_k", 0))
        return base.model_copy(update={"search_kwargs": more})
    if "k" in type(base).model_fields:
        return base.model_copy(update={"k": n})
    return base


class AuthorizedRetriever(BaseRetriever):
    """The first ``k`` documents of another retriever that the user may see::

        retriever = AuthorizedRetriever(base=store.as_retriever(), obj=lambda doc: f"doc:{doc.metadata['id']}")
        with user:
            docs = await retriever.ainvoke("How did the pension fund vote?")

    More hits are taken from the base until there are enough, or no more. One retriever serves many users at once; without an
    event loop ``invoke`` and ``batch`` do the same.

    Raises:
        SignInRequired: nobody is bound to this context.
        NotAllowed: this agent may not ask about the user.
        Unavailable: a question went unanswered; there are no documents then.
    """

    base: BaseRetriever
    """What searches. It knows nothing of users."""
    obj: Callable[[Document], str | None]
    """Names a document as ``type:id``; chunks of one document share it. What it cannot name is dropped."""
    relation: str = "viewer"
    """What the user has to be to each document."""
    user: Callable[[], User] = current_user
    """Whom the search is for."""
    k: int = 4
    """How many documents are wanted."""
    most: int = MOST
    """Hits that are looked at. Where that many were not enough, the log says so."""
    widen: Callable[[BaseRetriever, int], BaseRetriever] = widened
    """How the base is asked for more."""

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        async def best(n: int) -> list[Document]:
            with _unheard():
                return await self.widen(self.base, n).ainvoke(query)

        found = await self.user().first(self.k, best, relation=self.relation, obj=self.obj, most=self.most)
        return found.docs

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        user = self.user()

        def best(n: int) -> list[Document]:
            with _unheard():
                return self.widen(self.base, n).invoke(query)

        def permitted(names: list[str]) -> list[str]:
            return user.sync(user.filter(names, relation=self.relation, obj=str))

        return Sieve(self.k, self.obj, self.most).sift(best, permitted).docs

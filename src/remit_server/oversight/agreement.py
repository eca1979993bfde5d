"""The person's answer at the one door: what is done in their name is within what they agreed to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from remit_server.config import Settings
from remit_server.rules import agreement
from remit_server.rules.scopes import of_account, of_vault
from remit_server.runtime.ports import Act, Decision, Deny, Permit
from remit_server.storage.store import Store


class AgreementJudge:
    """Asked about tokens for a person. The other acts lead to an agreement (`consent`, `ask`, `connect`), or are held against
    the account that the person connected (`exchange`). It reads nothing but APIs, which are in memory."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._account, self._vault = store, settings.url("/me/"), settings.url("/vault/")

    async def __call__(self, act: Act) -> Decision:
        if act.kind != "token" or act.user is None:
            return Permit(act=act)
        fault = agreement.fault(
            act.grant, act.client, act.user, audiences=act.audiences, scopes=act.scopes, details=act.details,
            unasked=await self._unasked(act),
        )  # fmt: skip
        if fault is not None:
            return Deny(reason="What was agreed to does not cover this.", why=("agreement", fault))
        return Permit(act=act)

    async def _unasked(self, act: Act) -> Mapping[str, Iterable[str]]:
        """What an app of the organisation has without asking, of what lies beyond the agreement."""
        beyond = set(act.audiences) - set(act.grant.audiences if act.grant else ())
        unasked: dict[str, Iterable[str]] = {}
        if (
            self._vault in beyond
        ):  # opens nothing by itself: each call is held against what the person connected and lends
            unasked[self._vault] = of_vault(act.client)
        if not act.client.first_party:
            return unasked
        for audience in beyond:
            api = await self._store.apis.get(audience)
            if audience == self._account:
                unasked[audience] = of_account(act.client)
            elif api is not None and api.skip_consent:
                unasked[audience] = act.client.apis.get(audience, ())
        return unasked

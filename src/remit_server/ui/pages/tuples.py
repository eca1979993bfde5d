"""/console/relations/{store_id}/tuples: who has which relation to what: looked for, and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from remit_server.access.stores import Opened, Stores
from remit_server.access.write import write
from remit_server.errors import InvalidRequest, ProtocolError
from remit_server.records import User
from remit_server.rules.relations import tuples
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.tuples import RelationTuple, kind_of
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.relations import RelationStore
from remit_server.ui.html import Pages
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.doorkeeper import posted
from remit_server.ui.pages.relations import entered, in_store
from remit_server.ui.relating import drawn, room
from remit_server.ui.render import Page
from remit_server.ui.views.relations import Adding, Field, TuplesView
from remit_server.wire.form import Form, parse_form, parse_json, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor

ON_A_PAGE = 50
READ = 100
FURTHEST = 20
"""Reads, of `READ` tuples each, that one page makes in search of those of a relation."""
PARTS = ("object", "relation", "user")
_ANY = RelationTuple("any:thing", "any", "any:body")


class Search(NamedTuple):
    """What is looked for; an empty part is any, and an object `document:` any of that type."""

    object: str = ""
    relation: str = ""
    user: str = ""

    @classmethod
    def of(cls, form: Form, prefix: str = "") -> Search:
        object_, relation, user = ((form.get(prefix + part) or "").strip() for part in PARTS)
        # A type alone means all of that type.
        return cls(f"{object_}:" if object_ and ":" not in object_ else object_, relation, user)

    def faults(self) -> dict[str, str]:
        """What can be no object, relation or user, by part."""
        whole = self.object if not self.object.endswith(":") else f"{self.object}any"
        return malformed(RelationTuple(whole or _ANY.object, self.relation or _ANY.relation, self.user or _ANY.subject))

    def fits(self, tuple_: RelationTuple) -> bool:
        return self.relation in {"", tuple_.relation}


class TuplesPage:
    """The page, and the form by which a tuple is added."""

    def __init__(self, machines: Machines, pages: Pages, stores: Stores) -> None:
        self._machines, self._pages, self._stores = machines, pages, stores

    async def __call__(self, request: Request) -> Answer:
        store_id = request.params["store_id"]
        if request.method != "POST":
            who = await entered(request, self._machines)
            if isinstance(who, Answer):
                return who
            record, query = await self._stores.record(store_id), parse_query(request)
            search = Search.of(query)
            return await self.page(who, record, search, after=_place(query), adding=_begun(query, search))
        # Whoever has to sign in again finds what they typed in its fields.
        typed = {f"add.{name}": value for name, value in _typed(await parse_form(request)).items()}
        sent = await posted(request, self._machines, back=room(store_id, "tuples", **typed))
        if isinstance(sent, Answer):
            return sent
        by = administrator(sent.who)
        return await self._add(sent.who, by, await self._stores.record(store_id), _typed(sent.form), request.address)

    async def _add(
        self, who: Visitor, by: User, record: RelationStore, typed: Mapping[str, str], address: str
    ) -> Answer:
        faults: dict[str, str] = {}
        try:
            opened = await self._stores.open(record.id)
            tuple_, faults = _read(opened, typed)
            if not faults:
                await write(self._machines, opened, by, writes=(tuple_,), address=address)
        except ProtocolError as error:
            faults = {"": error.text}
        if faults:
            fields: dict[str, Any] = {
                name: Field(value=value, error=told(faults.get(name))) for name, value in typed.items()
            }
            adding = Adding(**fields, error=told(faults.get("")), open=True)
            return await self.page(who, record, Search(), adding=adding, status=422)
        done = f"Added: {tuple_.subject} has {tuple_.relation} of {tuple_.object}."
        return await self.page(who, record, Search(object=tuple_.object), done=done)

    async def page(
        self,
        who: Visitor,
        record: RelationStore,
        search: Search,
        *,
        after: RelationTuple | None = None,
        adding: Adding | None = None,
        done: str | None = None,
        error: str | None = None,
        status: int = 200,
    ) -> Answer:
        faults = search.faults()
        found, last = ([], None) if faults else await self._found(record.id, search, after)
        model = await self._model(record)
        fields: dict[str, Any] = {
            part: Field(value=getattr(search, part), error=told(faults.get(part))) for part in PARTS
        }
        view = TuplesView(
            **await in_store(self._machines, administrator(who), record),
            **fields,
            csrf=who.csrf,
            tuples=tuple(drawn(record.id, *each) for each in found),
            first_href=room(record.id, "tuples", **search._asdict()) if after else None,
            next_href=room(record.id, "tuples", **search._asdict(), after=" ".join(last.key)) if last else None,
            adding=adding or _begun(None, search),
            relations=tuple(dict.fromkeys(name for relations in model.types.values() for name in relations)),
            conditions=tuple(model.conditions),
            signatures=tuple(_signature(model, name) for name in model.conditions),
            done=done,
            error=error,
        )
        return self._pages(Page(view, status if not faults else 422))

    async def _model(self, record: RelationStore) -> Model:
        """The newest; tuples are there to be seen even where it does not hold."""
        try:
            return (await self._stores.open(record.id)).model
        except ProtocolError:
            return Model({})

    async def _found(
        self, store_id: str, search: Search, after: RelationTuple | None
    ) -> tuple[list[tuple[RelationTuple, int]], RelationTuple | None]:
        """A page of tuples, and the one after which there may be more; None where there are no more."""
        pattern, within = RelationTuple(*search), ""
        if search.object.endswith(":") and not search.user:
            # The tuples of a type stand together.
            pattern, within = RelationTuple("", "", ""), search.object
            after = after or RelationTuple(within, "", "")
        elif not search.object and not search.user:
            pattern = RelationTuple("", "", "")
        found: list[tuple[RelationTuple, int]] = []
        for _ in range(FURTHEST):
            some = await self._machines.store.relations.read(store_id, pattern, after, READ)
            for tuple_, at in some:
                if not tuple_.object.startswith(within):
                    return found, None
                if len(found) == ON_A_PAGE:
                    return found, after
                after = tuple_
                if search.fits(tuple_):
                    found.append((tuple_, at))
            if len(some) < READ:
                return found, None
        return found, after


def malformed(tuple_: RelationTuple) -> dict[str, str]:
    """What is wrong with the form of an object, a relation and a user, each looked at alone."""
    alone = {
        "object": _ANY._replace(object=tuple_.object),
        "relation": _ANY._replace(relation=tuple_.relation),
        "user": _ANY._replace(subject=tuple_.subject),
    }
    return {part: fault for part, one in alone.items() if (fault := tuples.malformed(one))}


def _read(opened: Opened, typed: Mapping[str, str]) -> tuple[RelationTuple, dict[str, str]]:
    """The tuple that was typed, and what is wrong with it, by field."""
    context = ""
    tuple_ = RelationTuple(typed["object"], typed["relation"], typed["user"], typed["condition"])
    faults = malformed(tuple_)
    if typed["context"]:
        try:
            context = msgspec.json.encode(parse_json(typed["context"].encode())).decode()
        except InvalidRequest:
            faults["context"] = "this is not a JSON object"
    tuple_ = tuple_._replace(context=context)
    if not faults and (fault := tuples.judge(opened.model, tuple_)):
        faults[_blamed(opened.model, tuple_)] = str(fault)
    return tuple_, faults


def _blamed(model: Model, tuple_: RelationTuple) -> str:
    """The field beside which the fault of a well-formed tuple is said."""
    type_ = tuple_.object.partition(":")[0]
    relation = model.relation(type_, tuple_.relation)
    if type_ not in model.types:
        return "object"
    if relation is None or not relation.kinds:
        return "relation"
    allowed = relation.kinds.get(kind_of(tuple_.subject))
    if allowed is None:
        return "user"
    return "context" if tuple_.condition in allowed else "condition"


def _begun(query: Form | None, search: Search) -> Adding:
    """The form as a link filled it in, or with what was looked for. It adds nothing before somebody sends it."""
    if query is not None and any(query.get(f"add.{name}") for name in _FIELDS):
        begun: dict[str, Any] = {name: Field(value=query.get(f"add.{name}") or "") for name in _FIELDS}
        return Adding(**begun, open=True)
    whole = "" if search.object.endswith(":") else search.object
    return Adding(object=Field(value=whole), relation=Field(value=search.relation), user=Field(value=search.user))


_FIELDS = (*PARTS, "condition", "context")


def _typed(form: Form) -> dict[str, str]:
    return {name: (form.get(name) or "").strip() for name in _FIELDS}


def _place(query: Form) -> RelationTuple | None:
    """The tuple after which a page begins; no part of one has a space."""
    after = query.get("after")
    if after is None:
        return None
    parts = after.split(" ")
    if len(parts) != len(PARTS):
        raise InvalidRequest("after must be the place of a tuple.")
    return RelationTuple(*parts)


def _signature(model: Model, name: str) -> str:
    return f"{name}({', '.join(f'{each}: {type_}' for each, type_ in model.conditions[name].parameters.items())})"


def told(fault: str | None) -> str | None:
    """A fault as a sentence."""
    return None if fault is None else f"{fault[:1].upper()}{fault[1:]}".removesuffix(".") + "."

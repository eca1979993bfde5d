"""Who may see what, for administrators: the stores, their models, tuples and changes, and why somebody can or cannot."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer


class StoreRow(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    model_id: str
    """Of the newest model; empty for a store without one."""
    types: int
    tuples: str
    """How many: `12`, or `more than 1,000`; nobody counts a million for a list."""
    revision: int
    written_at: int
    sound: bool = True
    """False: the model does not compile, and the store answers nothing."""


class RelationsView(View, frozen=True, kw_only=True):
    """`/console/relations`."""

    template: ClassVar[str] = "relations.html"
    viewer: Viewer
    now: int
    stores: tuple[StoreRow, ...] = ()
    next_href: str | None = None
    elsewhere: str | None = None
    """The OpenFGA server that answers in the place of these stores."""


class InStore(View, frozen=True, kw_only=True):
    """What every page of one store shows."""

    viewer: Viewer
    now: int
    store_id: str
    store_name: str


class Span(Struct, frozen=True, kw_only=True):
    """A piece of a line of a model."""

    text: str
    kind: Literal["", "word", "name", "type", "note", "text"] = ""
    """What it is drawn as: a word of the language, a name that is defined here, a type, a comment, a literal."""


class RelationLine(Struct, frozen=True, kw_only=True):
    """A relation of a type, and who can come to have it."""

    name: str
    given: tuple[str, ...] = ()
    """What a tuple may name: `user`, `group#member`, `user:* with in_office`."""
    reached: tuple[str, ...] = ()
    """The types of those who can have it in the end, directly or through others."""
    tuples_href: str | None = None
    """Its tuples; `None` where it takes none."""


class TypeCard(Struct, frozen=True, kw_only=True):
    name: str
    relations: tuple[RelationLine, ...] = ()


class ModelRow(Struct, frozen=True, kw_only=True):
    id: str
    at: int
    href: str
    shown: bool = False


class StoreView(InStore, frozen=True, kw_only=True):
    """`/console/relations/{store_id}?model=`."""

    template: ClassVar[str] = "store.html"
    model_id: str
    """Of the model on this page; empty for a store without one."""
    model_at: int
    newest: bool
    lines: tuple[tuple[Span, ...], ...] = ()
    """The model in OpenFGA's language, line by line."""
    types: tuple[TypeCard, ...] = ()
    reaches: bool = True
    """False: so many kinds of users are in this model that a page does not work out what they reach."""
    models: tuple[ModelRow, ...] = ()
    """Its versions, newest first."""
    first_href: str | None = None
    older_href: str | None = None
    fault: str | None = None
    """Why the model cannot be shown or does not compile."""


class Tuple(Struct, frozen=True, kw_only=True):
    """A tuple, as a line that leads from the user to the object."""

    user: str
    relation: str
    object: str
    condition: str = ""
    context: str = ""
    """What the tuple itself tells the condition: JSON text."""
    at: int | None = None
    user_href: str | None = None
    """What is known of the user: the tuples that name them, or of a userset those that make it up."""
    object_href: str | None = None


class Field(Struct, frozen=True, kw_only=True):
    """What was typed into a field, and what is wrong with it."""

    value: str = ""
    error: str | None = None


class Adding(Struct, frozen=True, kw_only=True):
    """The form that adds a tuple, as it was typed."""

    user: Field = Field()
    relation: Field = Field()
    object: Field = Field()
    condition: Field = Field()
    context: Field = Field()
    error: str | None = None
    """What is wrong with all of it together."""
    open: bool = False


class TuplesView(InStore, frozen=True, kw_only=True):
    """`/console/relations/{store_id}/tuples?object=&relation=&user=&after=`. Posts `csrf` there to add one, and to
    `…/tuples/delete` to delete one."""

    template: ClassVar[str] = "tuples.html"
    csrf: str
    object: Field = Field()
    relation: Field = Field()
    user: Field = Field()
    tuples: tuple[Tuple, ...] = ()
    first_href: str | None = None
    """`None` on the first page."""
    next_href: str | None = None
    adding: Adding = Adding()
    relations: tuple[str, ...] = ()
    """Names to offer."""
    conditions: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    """What they ask for: `until(now: timestamp)`."""
    done: str | None = None
    error: str | None = None


class Change(Struct, frozen=True, kw_only=True):
    tuple: Tuple
    added: bool
    """False: deleted."""


class Write(Struct, frozen=True, kw_only=True):
    """What was written in one go."""

    at: int
    who: str
    """The person or client."""
    revision: int | None = None
    words: str = ""
    """What happened, where it was no tuple."""
    changes: tuple[Change, ...] = ()
    more: int = 0
    """Changes of which nothing but their number is told."""


class ChangesView(InStore, frozen=True, kw_only=True):
    """`/console/relations/{store_id}/changes?before=`."""

    template: ClassVar[str] = "changes.html"
    writes: tuple[Write, ...] = ()
    first_href: str | None = None
    older_href: str | None = None


class Parameter(Struct, frozen=True, kw_only=True):
    """A value that conditions ask for."""

    name: str
    type: str
    """As the model writes it: `timestamp`, `list<string>`."""
    conditions: tuple[str, ...]
    value: str = ""
    error: str | None = None


class Step(Struct, frozen=True, kw_only=True):
    """A station on the way from the object to the user."""

    outcome: Literal["yes", "no", "unknown"]
    place: str = ""
    """`document:plan` or the user; empty where a branch begins, which is the place where the way parted."""
    relation: str = ""
    """Empty at the end of a way, which is the user."""
    rule: str = ""
    """How the way goes on, as the model writes it: `viewer from parent`."""
    words: str = ""
    """The same in a sentence."""
    tuples: tuple[Tuple, ...] = ()
    """The stored tuples that it stands on."""
    note: str = ""
    """Where and why it ends here: "No tuple names user:bob."."""
    href: str | None = None
    """Its tuples."""
    add_href: str | None = None
    """The form that would add the tuple that is missing."""
    on_href: str | None = None
    """The same question about this station: where the drawing would become too deep."""
    branches: "tuple[Branch, ...]" = ()
    """Where it goes on in several ways."""


class Branch(Struct, frozen=True, kw_only=True):
    outcome: Literal["yes", "no", "unknown"]
    label: str
    """Which part of the rule it is: `viewer from parent`."""
    steps: tuple[Step, ...]


class Answer(Struct, frozen=True, kw_only=True):
    outcome: Literal["yes", "no", "unknown"]
    sentence: str
    """"user:ada is viewer of document:plan."."""
    summary: str = ""
    """The way in one sentence, or why there is none."""
    steps: tuple[Step, ...] = ()
    cut: str | None = None
    """What is not drawn, and why."""


class WhyView(InStore, frozen=True, kw_only=True):
    """`/console/relations/{store_id}/why?user=&relation=&object=&context.{name}=`: a GET form, so that an answer has an
    address."""

    template: ClassVar[str] = "why.html"
    user: Field = Field()
    relation: Field = Field()
    object: Field = Field()
    parameters: tuple[Parameter, ...] = ()
    relations: tuple[str, ...] = ()
    answer: Answer | None = None
    error: str | None = None

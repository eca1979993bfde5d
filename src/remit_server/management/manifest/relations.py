"""What a manifest says about relations: a model in OpenFGA's language, and tuples in its YAML form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from remit_server.errors import ConfigurationError
from remit_server.management.manifest.declared import RelationStore
from remit_server.rules.relations import model, tuples
from remit_server.rules.relations.tuples import RelationTuple

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def model_of(store: RelationStore) -> dict[str, Any]:
    """The model of a store in OpenFGA's JSON form. Raises `ConfigurationError`."""
    return model.parse(store.model.value)


def tuples_of(store: RelationStore) -> tuple[RelationTuple, ...]:
    """The tuples of a store, each once, all such as its model takes. Raises `ConfigurationError`."""
    return () if store.tuples is None else _tuples(store.model.value, store.tuples.value)


@lru_cache(maxsize=8)
def _tuples(model_text: str, text: str) -> tuple[RelationTuple, ...]:
    """Kept from the check to the plan: of many tuples, most of the time goes into reading them."""
    try:
        written = yaml.load(text, _Loader) or []  # noqa: S506 - either is a safe one
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the tuples are not YAML: {error}") from error
    if not isinstance(written, list):
        raise ConfigurationError("the tuples are a list of {user, relation, object}")
    compiled = model.compiled(model.parse(model_text))
    found: dict[tuple[str, str, str], RelationTuple] = {}
    for one in map(tuples.parse_tuple, written):
        fault = tuples.judge(compiled, one)
        if found.setdefault(one.key, one) != one:
            fault = "it stands there twice, with different conditions"
        if fault:
            raise ConfigurationError(f"{one.subject} {one.relation} {one.object}: {fault}")
    return tuple(found.values())

"""What a manifest says about relations: a model in OpenFGA's language, and tuples in its YAML form."""

from __future__ import annotations

from typing import Any

import yaml

from remit_server.errors import ConfigurationError
from remit_server.management.manifest.declared import RelationStore
from remit_server.rules.relations import model, tuples
from remit_server.rules.relations.tuples import RelationTuple


def model_of(store: RelationStore) -> dict[str, Any]:
    """The model of a store in OpenFGA's JSON form. Raises `ConfigurationError`."""
    return model.parse(store.model.value)


def tuples_of(store: RelationStore) -> tuple[RelationTuple, ...]:
    """The tuples of a store, each once, all such as its model takes. Raises `ConfigurationError`."""
    if store.tuples is None:
        return ()
    try:
        written = yaml.safe_load(store.tuples.value) or []
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the tuples are not YAML: {error}") from error
    if not isinstance(written, list):
        raise ConfigurationError("the tuples are a list of {user, relation, object}")
    compiled = model.compiled(model_of(store))
    found = tuple(dict.fromkeys(tuples.parse_tuple(one) for one in written))
    for one in found:
        if fault := tuples.judge(compiled, one):
            raise ConfigurationError(f"{one.subject} {one.relation} {one.object}: {fault}")
    return found

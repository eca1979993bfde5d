"""What a manifest says about relations: a model in OpenFGA's language, and tuples in its YAML form."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml
from msgspec import Struct

from remit_server.errors import ConfigurationError
from remit_server.management.manifest.declared import RelationStore
from remit_server.storage.groups.relations import RelationTuple


class Written(Struct, frozen=True, forbid_unknown_fields=True):
    """A tuple as OpenFGA's tools write it."""

    user: str
    relation: str
    object: str


def model_of(store: RelationStore) -> dict[str, Any]:
    """The model of a store. Raises `ConfigurationError`."""
    if "type " not in store.model.value:
        raise ConfigurationError("a model defines at least one type (https://openfga.dev/docs/configuration-language)")
    return {"dsl": store.model.value}


def tuples_of(store: RelationStore) -> tuple[RelationTuple, ...]:
    """The tuples of a store, each once. Raises `ConfigurationError`."""
    if store.tuples is None:
        return ()
    try:
        written = msgspec.convert(yaml.safe_load(store.tuples.value) or [], list[Written])
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"not a list of {{user, relation, object}}: {error}") from error
    for t in written:
        if ":" not in t.object or ":" not in t.user or not t.relation:
            raise ConfigurationError(
                f"objects and users are written type:id, which {t.user} {t.relation} {t.object} is not"
            )
    return tuple(dict.fromkeys(RelationTuple(t.object, t.relation, t.user) for t in written))

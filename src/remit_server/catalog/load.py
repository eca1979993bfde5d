"""Reads the catalog that ships with the server. A broken entry stops whoever reads it: an empty catalog must never look
like none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import yaml
from jsonschema import Draft202012Validator, SchemaError, ValidationError

from remit_server.errors import ConfigurationError
from remit_server.records import DetailType, Provider
from remit_server.rules import detail_types as detail_types_rules

BARE = ("oauth2", "oidc", "api_key", "basic")
"""Names that stand for no entry: the operator writes everything."""
_DAYS = ("checked", "tried")
_ITS_OWN = frozenset({"name", "title", "sources", "notes", "extends", *_DAYS})
_BY_KEY = frozenset(
    {"scopes", "authorization_params", "token_params", "refresh_params", "api_headers", "parameters", "account_values"}
)


@cache
def _schema(name: str) -> Draft202012Validator:
    schema = resources.files("remit_server.catalog") / "schema" / f"{name}.json"
    return Draft202012Validator(json.loads(schema.read_text()))


def documents(folder: str) -> dict[str, Any]:
    """The entries of a kind as they are written, by file name."""
    files = [
        file for file in (resources.files("remit_server.catalog") / folder).iterdir() if file.name.endswith(".yaml")
    ]
    return {file.name: yaml.safe_load(file.read_text()) for file in sorted(files, key=lambda file: file.name)}


def _hold(name: str, document: Any, where: str) -> None:
    """Raises `ConfigurationError` that names the member at fault."""
    try:
        _schema(name).validate(document)
    except ValidationError as error:
        raise ConfigurationError(f"{error.json_path}: {error.message}", where=where) from error


def detail_type(document: Any, *, where: str) -> DetailType:
    """A detail type from its document. Raises `ConfigurationError` that names the member at fault."""
    _hold("details", document, where)
    try:
        Draft202012Validator.check_schema(document["schema"])
    except SchemaError as error:
        raise ConfigurationError(f"$.schema: {error.json_path}: {error.message}", where=where) from error
    for fault in detail_types_rules.faults(document):
        raise ConfigurationError(f"{document['type']}: {fault}", where=where)
    return DetailType(type=document["type"], document=document)


@cache
def detail_types() -> dict[str, DetailType]:
    """The detail types that ship with the server, by type."""
    found = [detail_type(document, where=name) for name, document in documents("details").items()]
    return {kind.type: kind for kind in found}


@cache
def providers() -> dict[str, Provider]:
    """The providers that ship with the server, by name."""
    return read_providers(documents("providers"))


def read_providers(written: Mapping[str, Any]) -> dict[str, Provider]:
    """Providers from their documents by file name. Raises `ConfigurationError` that names the file and the member."""
    found = {}
    for file, document in written.items():
        name = file.removesuffix(".yaml")
        if not isinstance(document, dict) or document.get("name") != name or name in BARE:
            raise ConfigurationError("an entry is a mapping, and its file is called after its name", where=file)
        whole = document
        if (family := document.get("extends")) is not None:
            base = written.get(f"{family}.yaml")
            if not isinstance(base, dict) or "extends" in base:
                raise ConfigurationError(f"$.extends: no entry {family!r}, or one that extends another", where=file)
            whole = extended(base, document)
        whole = whole | {day: str(whole[day]) for day in _DAYS if day in whole}  # YAML makes them dates
        _hold("providers", whole, file)
        found[name] = msgspec.convert(whole, Provider)
    return found


def extended(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with what it takes from its family; what it says to be null is taken away."""
    whole = {name: value for name, value in base.items() if name not in _ITS_OWN}
    for name, value in own.items():
        merge = name in _BY_KEY and isinstance(value, dict) and isinstance(whole.get(name), dict)
        whole[name] = whole[name] | value if merge else value
    del whole["extends"]
    return {name: _without_nulls(value) for name, value in whole.items() if value is not None}


def _without_nulls(value: Any) -> Any:
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value

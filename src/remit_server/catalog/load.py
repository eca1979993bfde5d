"""Reads the catalog. A file that does not keep its format stops the start: nothing is skipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import yaml

from remit_server.errors import ConfigurationError
from remit_server.records import DetailType

CATALOG = Path(__file__).parent


@cache
def _format() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((CATALOG / "schema" / "details.json").read_text("utf-8")))


@cache
def detail_types() -> Mapping[str, DetailType]:
    """The kinds of rich authorization request that come with Remit, by type."""
    files = sorted((CATALOG / "details").glob("*.yaml"))
    found = (detail_type(yaml.safe_load(path.read_text("utf-8")), where=path.name) for path in files)
    return MappingProxyType({kind.type: kind for kind in found})


def detail_type(document: Any, *, where: str) -> DetailType:
    """A detail type from its document. Raises `ConfigurationError` that names the member at fault."""
    for error in _format().iter_errors(document):
        raise ConfigurationError(f"{error.json_path}: {error.message}", where=where)
    try:
        jsonschema.Draft202012Validator.check_schema(document["schema"])
    except jsonschema.SchemaError as error:
        raise ConfigurationError(f"schema: {error.message}", where=where) from error
    return DetailType(type=document["type"], document=document)

"""Reads the catalog that ships with the server. A broken entry stops the start: an empty catalog must never look like none."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from remit_server.errors import ConfigurationError
from remit_server.records import DetailType


@cache
def _format() -> Draft202012Validator:
    schema = resources.files("remit_server.catalog") / "schema" / "details.json"
    return Draft202012Validator(json.loads(schema.read_text()))


def detail_type(document: Any, *, where: str) -> DetailType:
    """A detail type from its document. Raises `ConfigurationError` that names the member at fault."""
    try:
        _format().validate(document)
        Draft202012Validator.check_schema(document["schema"])
    except ValidationError as error:
        raise ConfigurationError(f"{error.json_path}: {error.message}", where=where) from error
    return DetailType(type=document["type"], document=document)


@cache
def detail_types() -> dict[str, DetailType]:
    """The detail types that ship with the server, by type."""
    folder = resources.files("remit_server.catalog") / "details"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    found = [detail_type(yaml.safe_load(file.read_text()), where=file.name) for file in files]
    return {kind.type: kind for kind in found}

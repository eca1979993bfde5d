"""From `remit.yaml` to a `Manifest` in which nothing is left to be wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from remit_server.errors import ConfigurationError
from remit_server.management.manifest import check
from remit_server.management.manifest.declared import Manifest, settings_form
from remit_server.management.manifest.nodes import Bad, Document


def read(path: Path, environ: Mapping[str, str] | None = None) -> Manifest:
    """Raises `ConfigurationError` with every problem on a line of its own: `file:line:column: what is wrong`."""
    document = Document(path, os.environ if environ is None else environ, {("settings",): settings_form()})
    root = document.compose()
    if root is None:
        raise ConfigurationError("the file is empty; it needs at least `version: 1`", where=f"{path}:1:1")
    try:
        manifest: Manifest = document.read(root, Manifest)
    except Bad:
        document.settle()
        raise AssertionError("what is bad was noted") from None
    check.check(manifest, document)
    document.settle()
    return manifest

"""`remit demo`"""

from __future__ import annotations

import importlib

import click

from remit_server.errors import ConfigurationError


@click.command()
@click.option("--check", is_flag=True, help="Without a person and a browser, one line a step.")
@click.option("--postgres", is_flag=True, help="Keep the data in PostgreSQL instead of a file.")
@click.option("--model", metavar="URL", help="Plan with the model behind an OpenAI-compatible URL.")
@click.option("--embeddings", is_flag=True, help="Search the documents by meaning, not by words (the extra rag).")
def command(check: bool, postgres: bool, model: str | None, embeddings: bool) -> None:
    """Play the story of an agent that asks before it acts."""
    try:
        # By name, because the server does not depend on its demo.
        play = importlib.import_module("remit_demo.play")
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the demo needs {error.name}: pip install 'remit[demo]'") from error
    raise SystemExit(play.run(check=check, postgres=postgres, model=model, embeddings=embeddings))

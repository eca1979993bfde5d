"""The command line. Each command calls one verb; its module is loaded when it is called, so that `remit --help` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

try:
    import click
except ModuleNotFoundError:  # whoever installed the SDK has this command, too
    sys.exit("remit: this command comes with the server: pip install 'remit[server]'")

from remit_server.errors import ConfigurationError, IntegrityError, RemitError

COMMANDS: Final = {
    "serve": "Run the server.",
    "apply": "Put a configuration into force, after showing what it changes.",
    "doctor": "Look for what is wrong or weak, and say how to mend it.",
    "agents": "List, suspend and resume agents.",
    "people": "Help somebody who lost their second factor.",
    "keys": "Rotate keys, or move to another master key.",
    "relations": "Check and test models of relations; move stores between Remit and OpenFGA.",
    "audit": "Verify and export the trail.",
    "backup": "Write everything to one file.",
    "restore": "Fill an empty database from a backup.",
    "migrate": "Bring the database to the form that this version needs.",
    "demo": "Play the story of an agent that asks before it acts.",
    "version": "Show the version.",
}


class Commands(click.Group):
    """Commands by name, each in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"remit_server.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ConfigurationError, IntegrityError) as error:
            click.echo(f"remit: {error}", err=True)
            sys.exit(2)
        except RemitError as error:
            click.echo(f"remit: {getattr(error, 'text', error)}", err=True)
            sys.exit(1)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Remit: identity for AI agents, run by yourself."""

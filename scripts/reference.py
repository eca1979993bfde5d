"""Writes docs/reference/ from the code, so that it cannot say anything else.

python scripts/reference.py            write
python scripts/reference.py --check    write nothing; exit 1 when a page is stale
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SERVER = ROOT / "src" / "remit_server"
PAGES = ROOT / "docs" / "reference"
METHODS = {"ANY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def settings() -> str:
    """Each class of settings: its fields, with the sentence that stands under each in the code."""
    tree = ast.parse((SERVER / "config.py").read_text())
    parts = ["# Settings", "", "What a running server can be told, from `src/remit_server/config.py`."]
    for group in tree.body:
        if isinstance(group, ast.ClassDef) and (rows := list(_fields(group))):
            intro = (ast.get_docstring(group) or "").replace("\n", " ")
            parts += ["", f"## {group.name}", "", intro, "", table(("setting", "type", "default", "meaning"), rows)]
    return "\n".join(parts)


def _fields(group: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    for node, after in zip(group.body, [*group.body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        match after:
            case ast.Expr(value=ast.Constant(value=str(meaning))):
                default = f"`{ast.unparse(node.value)}`" if node.value else "required"
                yield f"`{node.target.id}`", f"`{ast.unparse(node.annotation)}`", default, " ".join(meaning.split())


def errors() -> str:
    """Each refusal a client can meet, in the order of the tree that errors.py draws."""
    module = importlib.import_module("remit_server.errors")
    sources = dict(re.findall(r"[├└]── (\w+) +\w+ {2,}(\S.*)", module.__doc__ or ""))
    rows = [
        (
            f"`{error.code}`",
            error.status,
            "yes" if error.may_redirect else "no",
            sources.get(error.__name__, ""),
            error.text,
        )
        for error in module.ProtocolError.__subclasses__()
    ]
    head = ("code", "status", "by redirect", "source", "meaning")
    note = (
        "Every refusal that a client can meet, from `src/remit_server/errors.py`. *By redirect* tells whether the\n"
        "authorization endpoint may send it to the client's redirect URI, once that URI has been proven."
    )
    return f"# Errors\n\n{note}\n\n{table(head, rows)}"


def events() -> str:
    """The closed vocabulary of the trail."""
    kinds = importlib.import_module("remit_server.records.event").KINDS
    rows = [(f"`{kind}`", f"{sentence}.") for kind, sentence in kinds.items()]
    note = "Everything that the trail can say. The vocabulary is closed, and an event never carries a secret."
    return f"# Events\n\n{note}\n\n{table(('event', 'meaning'), rows)}"


def routes() -> str:
    """Each URL, its methods, and the first sentence of the file that answers it."""
    tree = ast.parse((SERVER / "routes.py").read_text())
    bound = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):  # an endpoint that answers two URLs has a name of its own
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=made))) if made in bound:
                bound[name] = bound[made]
    rows = []
    for node in ast.walk(tree):
        words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        match node:
            case ast.Call(args=[*args]) | ast.Tuple(elts=[*args]) if url := next(map(_url, filter(_url, args)), None):
                names = [n.id for a in args for n in ast.walk(a) if isinstance(n, ast.Name) and n.id in bound]
                methods = ", ".join(word for text in words for word in text.split() if word in METHODS)
                rows.append((f"`{url}`", methods, *_answered_by(bound[names[0]] if names else "")))
    return f"# Routes\n\nEvery URL of the server.\n\n{table(('URL', 'methods', 'file', 'what it does'), sorted(rows))}"


def _url(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(value)) if value.startswith("/"):
            return value
    return None


def _answered_by(name: str) -> tuple[str, str]:
    """The file that defines `name` (a module, or something in one) and the first line of its docstring."""
    for module in (name, name.rpartition(".")[0]):
        for path in (ROOT / "src" / f"{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py")):
            if module and path.is_file():
                doc = ast.get_docstring(ast.parse(path.read_text())) or ""
                return f"`{path.relative_to(SERVER).as_posix()}`", doc.partition("\n\n")[0].replace("\n", " ")
    return "", ""


def commands() -> str:
    """`--help` of every command."""
    import click  # noqa: PLC0415 - only this page needs it

    group = importlib.import_module("remit_server.cli").main

    def walk(command: click.Command, name: str) -> Iterator[str]:
        context = click.Context(command, info_name=name, terminal_width=100, max_content_width=100)
        yield f"## {name}\n\n```text\n{command.get_help(context)}\n```"
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                if (found := command.get_command(context, child)) and not found.hidden:
                    yield from walk(found, f"{name} {child}")

    return "# Commands\n\n" + "\n\n".join(walk(group, "remit"))


def providers() -> str:
    """The catalog: what an operator needs to name a provider, and where what stands in the entry comes from."""
    found = importlib.import_module("remit_server.catalog.load").providers().values()
    ordered = sorted(found, key=lambda entry: entry.title.lower())
    rows = [
        (f"[{one.title}](#{one.name})", f"`{one.name}`", one.kind, _keeps(one), one.checked or "no", one.tried or "no")
        for one in ordered
    ]
    intro = (
        "Every provider of the catalog, from `src/remit_server/catalog/providers/`. In `remit.yaml`, `provider:` takes the name.\n"
        "[Configuration](../configuration.md#providers) shows how, and what to write for one that is not here.\n\n"
        + _known_of(ordered)
    )
    heads = ("provider", "name", "kind", "how long it lasts", "compared", "tried")
    parts = [f"# Providers\n\n{intro}\n\n{table(heads, rows)}"]
    return "\n\n".join([*parts, *(_provider(one) for one in ordered)])


def _known_of(entries: Sequence[Any]) -> str:
    """How far the entries can be trusted, and how to make that more."""
    return (
        "Entries are written from what the providers publish. Each way in which they differ is tested against a provider of\n"
        "ours that has it, and each entry against the format; none of that shows that an entry is right.\n\n"
        f"Entries that somebody has compared with their sources: {_count(entries, 'checked')}. Entries that somebody has\n"
        f"tried with an account at the live provider: {_count(entries, 'tried')}.\n\n"
        "To add to this, open the pages that the entry cites, or connect an account, borrow, let the token run out and\n"
        "disconnect. Correct what is wrong, write the day into the entry as `checked` or `tried`, and send the change."
    )


def _count(entries: Sequence[Any], day: str) -> str:
    known = sum(getattr(one, day) is not None for one in entries)
    return f"{known} of {len(entries)}"


def _keeps(entry: Any) -> str:
    if entry.fields:
        return "until the key is withdrawn"
    if entry.never_expires:
        return "until it is withdrawn"
    ends = {"rotates": "refreshed, each time with a new refresh token", "stays": "refreshed", "none": "not refreshed"}
    unused = f"; it ends after {entry.refresh_lifetime // 86400} days without use" if entry.refresh_lifetime else ""
    return ends.get(entry.refresh, "refreshed when the provider gives a refresh token") + unused


def _provider(entry: Any) -> str:
    lines = [f"## {entry.name}", "", f"**{entry.title}.** {entry.notes or ''}".rstrip(), ""]
    if entry.register:
        lines += [f"{'Key' if entry.fields else 'Client id'}: <{entry.register}>", ""]
    if entry.parameters:
        rows = [
            (f"`{name}`", one.description, f"`{one.example}`", f"`{one.default}`" if one.default else "must be given")
            for name, one in entry.parameters.items()
        ]
        lines += [table(("parameter", "what it is", "such as", "if you say nothing"), rows), ""]
    if entry.scopes:
        lines += [
            table(("scope", "what it allows"), [(f"`{name}`", words) for name, words in entry.scopes.items()]),
            "",
        ]
    if entry.fields:
        lines += [
            table(("asked of the person", "secret"), [(f.title, "yes" if f.secret else "no") for f in entry.fields]),
            "",
        ]
    lines += [f"Written from {', '.join(f'<{url}>' for url in entry.sources)}."]
    return "\n".join(lines)


def detail_types() -> str:
    """The detail types that ship: how each reads, what the person may change, and how a call is compared."""
    found = importlib.import_module("remit_server.catalog.load").detail_types()
    intro = (
        "What an agent may ask for out of the box, from `src/remit_server/catalog/details/`.\n"
        "[Detail types](../detail-types.md) explains the parts, and how to write one."
    )
    rows = [(f"[`{name}`](#{name})", kind.document["title"]) for name, kind in found.items()]
    parts = [f"# Detail types\n\n{intro}\n\n{table(('type', 'what it is'), rows)}"]
    return "\n\n".join([*parts, *(_detail_type(kind.document) for kind in found.values())])


def _detail_type(document: dict[str, Any]) -> str:
    modes = {name: mode for mode, names in document["enforce"].items() for name in names}
    editable, needed = document.get("editable", {}), document["schema"]["required"]
    rows = [
        (
            f"`{name}`",
            schema.get("description", ""),
            "yes" if name in needed else "no",
            f"`{modes[name]}`",
            f"`{editable[name]}`" if name in editable else "",
        )
        for name, schema in document["schema"]["properties"].items()
        if name != "type"
    ]
    risk = document["risk"]
    words = risk if isinstance(risk, str) else "high when one holds: " + "; ".join(one["say"] for one in risk["high"])
    ahead = document.get("allowance")
    allowed = "no" if ahead is None else f"up to a sum of `{ahead['amount']}`" if "amount" in ahead else "by number"
    if ahead is not None and not ahead.get("high"):
        allowed += ", never at high risk"
    example = document["examples"][0]
    facts = table(("", ""), [(label, value.replace("\n", " ↵ ")) for label, value in example["facts"].items()])
    return "\n\n".join([
        f"## {document['type']}",
        f"**{document['title']}.** An example: the agent wants to *{example['sentence']}* for you.",
        facts,
        table(("member", "what it is", "needed", "compared", "editable"), rows),
        f"Risk: {words}. Allowed ahead: {allowed}.",
    ])  # fmt: skip


def openapi() -> str:
    """What programs read of it (scripts/openapi.py)."""
    return importlib.import_module("openapi").text()


# A page and the module it is written from.
SOURCES = {
    "settings.md": (settings, "config"),
    "errors.md": (errors, "errors"),
    "events.md": (events, "records.event"),
    "routes.md": (routes, "routes"),
    "commands.md": (commands, "cli"),
    "providers.md": (providers, "catalog.load"),
    "detail-types.md": (detail_types, "catalog.load"),
    "openapi.json": (openapi, "routes"),
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, (write, source) in SOURCES.items():
        if importlib.util.find_spec(f"remit_server.{source}") is None:
            continue
        head = "<!-- Written by `make docs`; do not edit. -->\n\n" if name.endswith(".md") else ""
        text = f"{head}{write()}\n"
        page = PAGES / name
        if not page.exists() or page.read_text() != text:
            stale.append(name)
            if not check:
                PAGES.mkdir(parents=True, exist_ok=True)
                page.write_text(text)
    for name in stale:
        print(f"docs/reference/{name}", "is stale: run `make docs`" if check else "written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

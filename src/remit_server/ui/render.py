"""From a typed view to HTML bytes.

A template sees one name, `view`. Every string it prints goes through `reveal` and then through HTML escaping, so
no template can forget either; a missing or empty (`None`) value is an error and never the word "None" on a page.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from remit_server.rules.visible import reveal
from remit_server.ui import wording
from remit_server.ui.assets import Assets
from remit_server.ui.views.parts import View

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Page:
    """One page to answer with."""

    view: View
    status: int = 200
    """HTTP status."""
    form_targets: tuple[str, ...] = ()
    """Origins that a form of this page may be redirected to, for `content_security_policy`: a browser holds
    `form-action` against the redirects that follow a submission, too (CSP Level 3, section 6.4.1)."""


class Renderer:
    """Renders pages. Templates are compiled once, on first use; safe to share between tasks."""

    def __init__(self, assets: Assets) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_printable,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals = {"asset": assets.url}
        self._templates.filters |= wording.FILTERS

    def render(self, page: Page) -> bytes:
        """The page as UTF-8 HTML.

        Raises:
            TypeError: the template prints a value that is `None`.
            ValueError: a link of the view could run as script.
            jinja2.UndefinedError: the template names a field that the view does not have.
        """
        html = self._templates.get_template(page.view.template).render(view=page.view)
        return html.encode(errors="replace")  # a lone surrogate in a typed field is no reason to fail


def _printable(value: Any) -> Any:
    if value is None:
        raise TypeError("a template prints a value that is None")
    # Markup is a str, too: it has been through here, or is HTML of our own.
    return reveal(value) if type(value) is str else value

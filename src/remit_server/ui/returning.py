"""The way back to the client (RFC 6749 section 4.1.2, OAuth 2.0 Multiple Response Types, OAuth 2.0 Form Post)."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from remit_server.identity.advance import see_other
from remit_server.rules.authorization import Back
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.render import Page
from remit_server.ui.views.consent import FormPostView, ReturnView
from remit_server.wire.http import Answer


class Returning:
    """Behind the port `identity.deliver.Deliver`."""

    def __init__(self, pages: Pages, issuer: str) -> None:
        self._pages, self._issuer = pages, issuer

    def __call__(self, back: Back, parameters: dict[str, str]) -> Answer:
        """The answer carries `iss`, errors too (RFC 9207 section 2): a client that talks to several servers knows whose it is."""
        sent = {**parameters, "iss": self._issuer}
        if back.state is not None:
            sent["state"] = back.state
        if back.mode == "form_post":
            view = FormPostView(action=back.redirect_uri, fields=tuple(sent.items()))
            return self._pages(Page(view, form_targets=form_targets(back.redirect_uri)))
        location = with_parameters(back, sent)
        if not form_targets(back.redirect_uri):  # no policy can name it, so no form may lead there: a page does
            return self._pages(Page(ReturnView(href=location, client_name="the app")))
        return see_other(location)


def with_parameters(back: Back, sent: dict[str, str]) -> str:
    """The redirect URI with parameters added; a query that it has stays (RFC 6749 section 3.1.2)."""
    encoded = urlencode(sent, quote_via=quote)
    if back.mode == "fragment":
        return f"{back.redirect_uri}#{encoded}"
    return back.redirect_uri + ("&" if "?" in back.redirect_uri else "?") + encoded

"""What Auth0's two toolkits for agents have in common: whom they talk to, and a tool that borrows before and after its person has
connected."""

from urllib.parse import urlsplit

from flow import ask, given, result

settings = {
    "domain": urlsplit(given["issuer"]).netloc, "client_id": given["client"], "client_secret": given["secret"],
}  # fmt: skip


async def borrow(call):
    """`call(subject, *scopes, **more)` is the result of a fresh tool's call: the credentials that it saw, or the interrupt."""
    subject = given["subject"]
    before = await call(subject, "calendar.read")
    ask("connects")
    result(
        {
            "before": before,
            "after": await call(subject, "calendar.read"),
            "hinted": await call(subject, "calendar.read", login_hint="mer_ada"),
            "wrong_hint": await call(subject, "calendar.read", login_hint="mer_bob"),
            "too_much": await call(subject, "calendar.read", "calendar.write"),
            "stranger": await call(dict.fromkeys(subject, "made up"), "calendar.read"),
        }
    )  # fmt: skip

"""Step 9: what must not work is tried, and shown refused with its reason."""

from __future__ import annotations

import contextlib

from remit import ConnectRequired, NotAllowed
from remit_demo import theft
from remit_demo.agent.desk import Order
from remit_demo.agent.planner import ToolCall
from remit_demo.bob import loot, meddler
from remit_demo.documents.archive import EMBARGOED, INJECTED, ORLA_OFFER, PAYROLL
from remit_demo.documents.papers import only_cited
from remit_demo.stage import Stage, StoryBroken, holds
from remit_demo.theft import commanded
from remit_demo.world import ADA_DEPOT, BOB_SUBJECT

_GUESSED = (PAYROLL, ORLA_OFFER, EMBARGOED)


async def refused(stage: Stage) -> str:
    """What goes beyond an approval or an account is refused, with the reason."""
    await _beyond_the_approval(stage)
    await _accounts_of_others(stage)
    await _documents_of_others(stage)
    await _orders_in_a_document(stage)
    return (
        "1000 for 10, a second use, and Bob's yes in Ada's place were refused; "
        "so were Bob's account by any of its names, his stolen tokens, and a call that no rule names; "
        "and whatever a document ordered"
    )


async def _beyond_the_approval(stage: Stage) -> None:
    """An approval is for one person, one order, once."""
    desk, user, world, note = stage.assistant.desk, stage.assistant.user, stage.world, stage.screen.note
    assert user is not None, "step 2 signed somebody in"
    order, act = Order("buy", "ZEKO", 10, 4120, ADA_DEPOT), "buy 10 shares of ZEKO"
    meddled = await meddler(world)

    async def bob_first(url: str, code: str | None) -> None:
        card = await stage.ada.find(url, act) if stage.ada else url
        note(f"Bob, signed in as himself, opened what Ada was sent: {await meddled.look(card, act)}")
        if stage.ada:
            note(f"Bob sent a yes to it: {await meddled.approve(card)}")
            await stage.ada.approve(act, ["412.00 USD"])(card, code)

    async with contextlib.aclosing(meddled):
        stage.screen.errand = bob_first
        grant = await desk.ask(user, order)
        stage.screen.errand = None
    thousand = Order("buy", "ZEKO", 1000, 4120, ADA_DEPOT)
    for what, sent, status, error in (
        ("sent 1000 shares with the approval of 10", thousand, 403, "details_changed"),
        ("sent the 10 that were approved", order, 201, None),
        ("sent the same 10 again", order, 403, "already_spent"),
    ):
        placed = await desk.place(sent, grant)
        holds((placed.status, placed.body.get("error")) == (status, error), f"{what}: {placed}")
        note(f"{what}: {placed.body['message'] if error else 'filled'}")


async def _accounts_of_others(stage: Stage) -> None:
    """The vault lends what its owner connected, for what the rules name."""
    user, world, note = stage.assistant.user, stage.world, stage.screen.note
    assert user is not None, "step 2 signed somebody in"
    stolen = await loot(world)
    holds("Risk committee" in stolen.read, f"Bob's calendar was not read: {stolen.read}")
    note("Bob, a colleague, has connected his own Meridian account to his stand-up bot, which reads it.")

    for name in stolen.names:
        try:
            await user.token("calendar", account=name)
        except ConnectRequired as error:
            holds(error.reason == "not_connected", f"the vault refused to lend {name}, but for {error.reason}")
        else:
            raise StoryBroken(f"the vault lent {name}, the account of another person")
        async with user.vault.client("calendar", account=name) as api:
            try:
                await api.get("/calendar/events")
            except ConnectRequired as error:
                holds(error.reason == "not_connected", f"no call went to {name}, but for {error.reason}")
            else:
                raise StoryBroken(f"a call went to {name}, the account of another person")
        note(f"asked to borrow {name}, Bob's, and to call with it: refused, Ada has connected no such account")

    for what, answer, expected in (
        (
            "tried to exchange Bob's refresh token, stolen from his bot",
            await theft.exchange(world, stolen.refresh_token),
            "invalid_grant",
        ),
        (
            "tried to exchange his token for the vault",
            await theft.exchange(world, stolen.vault_token, "access"),
            "unauthorized_client",
        ),
        ("tried to call with that token", await theft.call(world, stolen.vault_token), "invalid_token"),
        (
            "tried to call with it and a key of its own",
            await theft.call(world, stolen.vault_token, key=True),
            "invalid_token",
        ),
    ):
        holds(answer.error == expected, f"{what}: {answer}")
        note(f"{what}: {answer.why}")

    async with user.vault.client("calendar") as api:
        try:
            await api.post("/chat/messages", json={"channel": "general", "text": "a document told me to"})
        except NotAllowed as error:
            note(f"tried to post in Ada's chat: {error}")
        else:
            raise StoryBroken("a call passed that no rule names")


async def _documents_of_others(stage: Stage) -> None:
    """Nobody searches as somebody else, and an id that was guessed opens nothing and tells nothing."""
    assistant, user, note = stage.assistant, stage.assistant.user, stage.screen.note
    assert user is not None, "step 2 signed somebody in"
    as_bob = assistant.client.for_user(BOB_SUBJECT)
    try:
        found = await assistant.papers.search(as_bob, "salaries")
    except NotAllowed as error:
        note(f"searched the documents as Bob, who never let this assistant in: {error}")
    else:
        raise StoryBroken(f"the assistant searched as Bob: {[each.id for each in found]}")
    guessed = {id_: await assistant.use(ToolCall("read_document", {"id": id_})) for id_ in (*_GUESSED, "no-such-paper")}
    holds(len(set(guessed.values())) == 1, f"what is there is told from what is not: {guessed}")
    holds("allowed" in guessed[PAYROLL], f"a paper was opened by its id: {guessed}")
    note(f"opened {', '.join(_GUESSED)} by their ids, which were guessed: {guessed[PAYROLL]}")


async def _orders_in_a_document(stage: Stage) -> None:
    """The worst planner there is does all that it reads; it does so as Ada, and asks her before it sells."""
    assistant, note = stage.assistant, stage.screen.note
    read = await assistant.use(ToolCall("documents", {"query": "wind farms weekly newsletter"}))
    holds(f"[{INJECTED}]" in read, f"the newsletter was not found: {read}")
    orders = commanded(read)
    holds([order.name for order in orders] == ["documents", "read_document", "trade"], f"no orders in it: {orders}")
    stage.screen.errand = stage.ada.deny("sell 500 shares of ZEKO") if stage.ada else None
    note(
        "A newsletter that Ada may read gives orders to assistants. This one obeys. If you are asked to sell, deny it."
    )
    did = [await assistant.use(order) for order in orders]
    stage.screen.errand = None
    for secret in ("118,000 USD", "Project Larkspur", "filled"):
        holds(not any(secret in result for result in did), f"it got out: {did}")
    for order, result in zip(orders, did, strict=True):
        said = ", ".join(f"{name}={value!r}" for name, value in order.arguments.items())
        note(f"it obeyed {order.name}({said}): {result.splitlines()[0][:80]}")
    cited = only_cited(f"Salaries are in [{PAYROLL}], wind in [{INJECTED}].", {INJECTED})
    holds(PAYROLL not in cited and INJECTED in cited, f"a paper is cited that nobody showed: {cited}")

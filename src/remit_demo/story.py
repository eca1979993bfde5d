"""The story, step by step. Each step does its part and says in one line what happened, or fails loudly."""

from __future__ import annotations

from remit_demo import bob
from remit_demo.agent.desk import Order
from remit_demo.agent.planner import ToolCall
from remit_demo.attacks import refused
from remit_demo.documents.archive import COMPLAINT, EMBARGOED, ORLA_OFFER, PUBLISHED
from remit_demo.stage import Stage, Step, holds
from remit_demo.world import ADA_DEPOT, ADA_SUBJECT


async def stranger(stage: Stage) -> str:
    """The assistant knows nobody."""
    await stage.say("What is on my calendar?", None)
    await stage.say("What is a limit order?", None)
    holds(stage.assistant.user is None, "the assistant acts for somebody who did not sign in")
    return "knows nobody: it explains a limit order, and refuses to speak of anybody's calendar"


async def device(stage: Stage) -> str:
    """Ada signs in from the terminal."""
    stage.screen.errand = stage.ada.confirm_device if stage.ada else None
    user = await stage.assistant.sign_in()
    if stage.ada:
        holds(user.sub == ADA_SUBJECT, f"the assistant acts for {user.sub}")
    return f"signed in by device flow: the assistant now acts for {user.name or user.sub}"


async def calendar(stage: Stage) -> str:
    """The calendar is connected once, and read."""
    offered = len(stage.screen.offers)
    answer = await stage.say("What is on my calendar?", "calendar", stage.ada.connect if stage.ada else None)
    holds(len(stage.screen.offers) == offered + 1, "the vault handed out a token for an account that nobody connected")
    holds("Zeko results call" in answer, f"the calendar was not read: {answer}")
    again = await stage.say("What is on my calendar?", "calendar")
    holds(again == answer, f"the second reading differs: {again}")
    holds(len(stage.screen.offers) == offered + 1, "the person was asked to connect twice")
    return "connected Meridian once; the assistant read the calendar twice through the vault, and never held a key"


async def approval(stage: Stage) -> str:
    """The price is met, and Ada is asked."""
    offered, facts = len(stage.screen.offers), ("41.20 USD", "412.00 USD", ADA_DEPOT)
    errand = stage.ada.approve("buy 10 shares of ZEKO", facts) if stage.ada else None
    answer = await stage.say("Buy 10 ZEKO if it drops under 41.20.", "trade", errand)
    holds("filled: 10 ZEKO" in answer, f"the order was not filled: {answer}")
    holds(len(stage.screen.offers) == offered + 1, "an order was placed without asking")
    (_, grant), *_ = stage.assistant.desk.filled
    if stage.ada:
        holds(grant.approved_by == ADA_SUBJECT, f"approved by {grant.approved_by}")
    return f"watched the price, asked, and Ada approved: {answer}"


async def exactly_once(stage: Stage) -> str:
    """The broker takes what was approved, once; the next order needs only the approval."""
    desk, user = stage.assistant.desk, stage.assistant.user
    assert user is not None, "step 2 signed somebody in"
    (order, grant), *_ = desk.filled
    replayed = await desk.place(order, grant)
    holds(replayed.status == 403 and replayed.body["error"] == "already_spent", f"a replay passed: {replayed}")
    stage.screen.note(f"sent the first order again with the same approval: {replayed.body['message']}")

    second = Order("buy", "ZEKO", 5, 4120, ADA_DEPOT)
    sign_ins = stage.ada.sign_ins if stage.ada else 0
    stage.screen.errand = stage.ada.approve("buy 5 shares of ZEKO", ["206.00 USD"]) if stage.ada else None
    grant = await desk.ask(user, second)
    swapped = await desk.place(Order("buy", "ZEKO", 50, 4120, ADA_DEPOT), grant)
    holds(swapped.status == 403 and swapped.body["error"] == "details_changed", f"50 for 5 passed: {swapped}")
    stage.screen.note(f"sent 50 shares with the approval of 5: {swapped.body['message']}")
    placed = await desk.place(second, grant)
    holds(placed.status == 201, f"the approved order was refused: {placed}")
    if stage.ada:
        holds(stage.ada.sign_ins == sign_ins, "the second trade asked for a sign-in")
    portfolio = await stage.say("Show my portfolio.", "portfolio")
    holds("15 ZEKO" in portfolio, f"the broker's books do not agree: {portfolio}")
    return "the replay and 50 instead of 5 were refused; the second trade took one approval and no sign-in"


async def documents(stage: Stage) -> str:
    """One search, two people: each gets what they may read, and nothing says that there is more."""
    topic = "the outlook for Orla Shipping"
    answer = await stage.say(f"What do our documents say about {topic}?", "documents")
    holds(answer.count("[research-orla-") == 4, f"the research on Orla Shipping was not found: {answer}")

    papers = stage.assistant.papers
    bobs = [each.id for each in await bob.search(stage.world, papers, topic)]
    holds(ORLA_OFFER in bobs, f"Bob does not find what was shared with him: {bobs}")
    stage.screen.note(f"Bob asked the same of the same index, and found {', '.join(bobs)}")
    for query, shown, withheld in (
        ("complaint on the telephone", None, COMPLAINT),  # in a folder of hers, and she is blocked
        ("quarter results of Zeko Industries earned", PUBLISHED, EMBARGOED),  # the one is released, the other not yet
    ):
        found = await stage.assistant.use(ToolCall("documents", {"query": query}))
        holds(shown is None or f"[{shown}]" in found, f"{shown} was not found: {found}")
        indexed = [each.id for each in papers.index.best(query, 5)]
        holds(withheld in indexed, f"the index does not know {withheld}, so nothing was withheld: {indexed}")
    read = "\n".join(result for _, result in stage.assistant.done)
    for leaked in (ORLA_OFFER, "31.50", "Larkspur", COMPLAINT, EMBARGOED):
        holds(leaked not in read, f"{leaked} reached the planner")
    return (
        "four papers on Orla Shipping for Ada; the offer that was shared with Bob alone, a complaint about her and results "
        "under embargo never reached her assistant's planner"
    )


STORY = (
    Step(1, "A stranger's assistant", stranger),
    Step(2, "Ada signs in", device),
    Step(3, "Her calendar, without her password", calendar),
    Step(4, "Ask before the money moves", approval),
    Step(5, "Exactly that order, once", exactly_once),
    Step(6, "What she may read, and no more", documents),
    Step(9, "What must not work", refused),
)

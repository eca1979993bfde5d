// Says on an open card that the agent has replied, or that somebody has answered elsewhere. The page stays as it is: there may be
// half a sentence in it.
const card = document.querySelector("[data-news]").closest("[data-id]");
const stream = new EventSource(`/approvals/events?after=${card.dataset.after}`);

for (const kind of ["asked", "closed"]) {
  stream.addEventListener(kind, (event) => {
    if (JSON.parse(event.data).id !== card.dataset.id) return;
    stream.close();
    card.querySelector("[data-news]").hidden = false;
  });
}
stream.addEventListener("over", () => stream.close());

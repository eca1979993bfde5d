// Says on an open card that the agent has replied, or that somebody has answered elsewhere. The page stays as it is: there may be
// half a sentence in it. It listens only while it is looked at: browsers hold six connections to a server, and cards stay open.
const card = document.querySelector("[data-news]").closest("[data-id]");
let { after } = card.dataset;
let stream;

function heard(event) {
  after = event.lastEventId;
  if (JSON.parse(event.data).id === card.dataset.id) card.querySelector("[data-news]").hidden = false;
}

function listen() {
  stream?.close();
  if (document.visibilityState !== "visible") return;
  stream = new EventSource(`/approvals/events?after=${after}`);
  for (const kind of ["asked", "closed"]) stream.addEventListener(kind, heard);
  stream.addEventListener("over", () => stream.close());
}

listen();
document.addEventListener("visibilitychange", listen);

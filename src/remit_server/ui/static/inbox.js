// Keeps the inbox up to date without a reload: rows come from the page's own <template>, and every word is set as text.
const list = document.getElementById("waiting-rows");
const row = document.getElementById("waiting-row");
const none = document.getElementById("nothing-waits");
const title = document.title.replace(/^\(\d+\) /, "");

function settle() {
  const count = list.children.length;
  list.hidden = !count;
  none.hidden = Boolean(count);
  document.title = count ? `(${count}) ${title}` : title;
}

function show({ id, href, left, until, now, ...texts }) {
  if (list.querySelector(`[data-id="${CSS.escape(id)}"]`)) return;
  const fresh = row.content.firstElementChild.cloneNode(true);
  fresh.dataset.id = id;
  fresh.querySelector("a").setAttribute("href", href);
  for (const place of fresh.querySelectorAll("[data-text]")) place.textContent = texts[place.dataset.text];
  const time = fresh.querySelector("time");
  // countdown.js counts from when the page was opened: what came later ends so much later by that clock.
  time.dataset.until = until;
  time.dataset.now = now - performance.now() / 1000;
  time.textContent = left;
  list.prepend(fresh);
  settle();
}

const stream = new EventSource(`/approvals/events?after=${list.dataset.after}`);
stream.addEventListener("asked", (event) => show(JSON.parse(event.data)));
stream.addEventListener("closed", (event) => {
  list.querySelector(`[data-id="${CSS.escape(JSON.parse(event.data).id)}"]`)?.remove();
  settle();
});
stream.addEventListener("over", () => {
  stream.close();
  location.reload();
});

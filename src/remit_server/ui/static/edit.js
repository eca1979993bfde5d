// Says in the server's own words what would be approved, while the person makes it less. The answer is the form's; this only
// asks how it would read.
const form = document.getElementById("approve");
const preview = document.querySelector("[data-preview]");
const wrong = document.querySelector("[data-wrong]");
const signs = document.querySelector("[data-signs]");
const asked = signs?.textContent;
const fields = preview.closest("details");
const PAUSE = 250;
let timer;
let latest = 0;

async function show() {
  const mine = ++latest;
  const body = new URLSearchParams(new FormData(form));
  const answer = await fetch(preview.dataset.preview, { method: "POST", body, redirect: "error" });
  const said = await answer.json();
  if (mine !== latest) return;
  const { act, limit, changed, error } = said;
  preview.hidden = !changed;
  wrong.hidden = !error;
  wrong.textContent = error ?? "";
  preview.querySelector("[data-act]").textContent = act ?? "";
  preview.querySelector("[data-limit]").textContent = limit ?? "";
  if (signs) signs.textContent = act ?? asked;
}

fields.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => show().catch(() => {}), PAUSE);
});

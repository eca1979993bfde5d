// A form with data-prove sends no approval before a passkey has signed it. When it is submitted, that address is told what is
// about to be approved, edits included, and says what the passkey is to sign. Whatever else it says, the server says again when
// the form arrives without a proof.
const can = window.PublicKeyCredential?.parseRequestOptionsFromJSON;

for (const form of document.querySelectorAll("form[data-prove]")) {
  let state = "open"; // then "asking", then "proven"

  const say = (word) => {
    for (const each of form.querySelectorAll("[data-said]")) each.hidden = each.dataset.said !== word;
  };

  const prove = async () => {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.dataset.prove, { method: "POST", body, redirect: "manual" });
    if (!answer.ok) return;
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await answer.json());
    form.elements.assertion.value = JSON.stringify(await navigator.credentials.get({ publicKey }));
  };

  form.addEventListener("submit", async (event) => {
    if (state === "proven" || form.elements.code?.value) return;
    event.preventDefault();
    if (state === "asking") return;
    const button = event.submitter;
    say(can ? undefined : "unable");
    if (!can) return;
    state = "asking";
    try {
      await prove();
      state = "proven";
      form.requestSubmit(button);
    } catch (error) {
      state = "open";
      say(error.name === "NotAllowedError" ? "stopped" : "failed");
    }
  });
  // A page that comes back from the browser's memory holds a proof that was given.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

// A form with data-passkey asks the browser for a passkey ("get") or makes one ("create") as data-options says, and sends
// what comes of it as `credential`. Where the browser can, it also offers passkeys in the field for the user name.
const can = window.PublicKeyCredential?.parseRequestOptionsFromJSON && PublicKeyCredential.parseCreationOptionsFromJSON;
const SAID = { NotAllowedError: "stopped", InvalidStateError: "known" };

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const { passkey: use, options } = form.dataset;
  let asked; // the question that is open; a browser takes one at a time

  const say = (word) => {
    for (const each of form.querySelectorAll("[data-said]")) each.hidden = each.dataset.said !== word;
  };

  const ask = async (more) => {
    asked?.abort();
    const { signal } = (asked = new AbortController());
    const parsed = JSON.parse(options);
    const publicKey = use === "get"
      ? PublicKeyCredential.parseRequestOptionsFromJSON(parsed)
      : PublicKeyCredential.parseCreationOptionsFromJSON(parsed);
    try {
      const credential = await navigator.credentials[use]({ publicKey, signal, ...more });
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch (error) {
      if (!signal.aborted && !more) say(SAID[error.name] ?? "failed");
    }
  };

  if (!can) {
    say("unable");
    continue;
  }
  form.querySelector(".can").hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say();
    ask();
  });
  if (use === "get" && document.querySelector("[autocomplete~=webauthn]")) {
    PublicKeyCredential.isConditionalMediationAvailable?.().then((offers) => {
      if (offers && !asked) ask({ mediation: "conditional" });
    });
  }
  // A page that comes back from the browser's memory holds a challenge that was answered.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

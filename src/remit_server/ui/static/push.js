// Lets this device be told by push, or not any more: asks for leave, installs the worker, and posts the subscription with the
// page's form. Which of the listed browsers is this one, it knows by the SHA-256 of its own endpoint.
const form = document.querySelector("form[data-push]");
const can = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
const say = (word) => {
  for (const each of form.querySelectorAll("[data-said]")) each.hidden = each.dataset.said !== word;
};

// The one script URL that this page may name (Trusted Types): whatever is asked for, it is the worker's.
const urls = window.trustedTypes?.createPolicy("worker", { createScriptURL: () => "/worker.js" });

async function subscribe() {
  if ((await Notification.requestPermission()) !== "granted") return say("denied");
  await navigator.serviceWorker.register(urls ? urls.createScriptURL("") : "/worker.js");
  const registration = await navigator.serviceWorker.ready;
  const key = { userVisibleOnly: true, applicationServerKey: form.dataset.push };
  const { endpoint, keys } = (await registration.pushManager.subscribe(key)).toJSON();
  form.elements.endpoint.value = endpoint;
  form.elements.p256dh.value = keys.p256dh;
  form.elements.auth.value = keys.auth;
  form.submit();
}

async function listed(subscription) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subscription.endpoint));
  const id = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return document.querySelector(`#browsers [data-id="${id}"]`);
}

async function look() {
  const registration = await navigator.serviceWorker.getRegistration("/");
  const subscription = await registration?.pushManager.getSubscription();
  const row = subscription && (await listed(subscription));
  const [on, off] = [form.querySelector("[data-on]"), form.querySelector("[data-off]")];
  on.hidden = Boolean(row);
  off.hidden = !row;
  if (!row) return;
  document.querySelector("[data-told]").hidden = row.querySelector("[data-here]").hidden = false;
  off.addEventListener("click", async (event) => {
    event.preventDefault();
    // Its push service may be out of reach; that we send nothing any more does not wait for it.
    await Promise.race([subscription.unsubscribe().catch(() => {}), new Promise((done) => setTimeout(done, 1000))]);
    row.querySelector("form").submit();
  });
}

if (form && !can) say("unable");
if (form && can) {
  look().catch(() => { form.querySelector("[data-on]").hidden = false; });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say();
    subscribe().catch(() => say("failed"));
  });
}

// Browsers that can install offer it here, too.
const install = document.querySelector("[data-install]");
window.addEventListener("beforeinstallprompt", (offer) => {
  offer.preventDefault();
  install.hidden = false;
  install.addEventListener("click", () => offer.prompt());
});

// Lets this browser be told by push: asks for leave, installs the worker, and posts the subscription with the page's form.
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

if (form && !can) say("unable");
if (form && can) {
  form.querySelector("button").hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say();
    subscribe().catch(() => say("failed"));
  });
}

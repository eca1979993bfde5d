// Shows what the server pushes, and opens the request's page when it is touched. It answers nothing and keeps nothing: no page
// is cached, since every page is one person's own.
self.addEventListener("push", (event) => {
  const { title, body, url, tag } = event.data.json();
  const shown = { body, tag, icon: "/static/icon-192.png", badge: "/static/icon-192.png", data: { url } };
  event.waitUntil(self.registration.showNotification(title, shown));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data.url);
  if (url.origin === location.origin) event.waitUntil(lead(url.pathname));
});

// In a window that shows the page already, or else in a new one: another page may hold what somebody is writing.
async function lead(path) {
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = windows.find((each) => new URL(each.url).pathname === path);
  return there ? there.focus() : clients.openWindow(path);
}

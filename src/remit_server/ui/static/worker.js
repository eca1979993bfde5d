// Shows what the server pushes, and opens the request's page when it is touched. It answers nothing.
self.addEventListener("push", (event) => {
  const { title, body, url, tag } = event.data.json();
  const shown = { body, tag, icon: "/static/icon-192.png", data: { url } };
  event.waitUntil(self.registration.showNotification(title, shown));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data.url);
  if (url.origin === location.origin) event.waitUntil(clients.openWindow(url.pathname));
});

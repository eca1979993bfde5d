// Counts the time left in every <time class="countdown">. The page says what time it was at the server when it was
// made, so a wrong clock here does not matter. On a card whose time is up, the answer is taken away.
const opened = performance.now();

function left(seconds) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours < 1) return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
}

function tick() {
  const passed = (performance.now() - opened) / 1000;
  for (const time of document.querySelectorAll("time.countdown")) {
    const seconds = Math.max(0, Math.ceil(time.dataset.until - time.dataset.now - passed));
    const text = seconds ? left(seconds) : "expired";
    if (time.textContent !== text) time.textContent = text;
    const over = document.getElementById("over");
    if (!seconds && over?.hidden) {
      document.querySelector(".answers:not(.over)").hidden = true;
      over.hidden = false;
    }
  }
}

tick();
setInterval(tick, 1000);

// A button with data-arm answers only after it has been in view for 600 ms without a break: a double tap that began
// on another page, or a page slid under the pointer, approves nothing. Until then it is aria-disabled, not disabled:
// Tab has to reach it, and brings it into view.
const ARMED_AFTER = 600;

for (const button of document.querySelectorAll("[data-arm]")) {
  let timer;
  let inView = false;
  let armed = false;

  const set = (now) => {
    armed = now;
    button.ariaDisabled = now ? null : "true";
  };
  const judge = () => {
    clearTimeout(timer);
    set(false);
    if (inView && document.visibilityState === "visible") timer = setTimeout(set, ARMED_AFTER, true);
  };
  set(false);
  button.addEventListener("click", (event) => { if (!armed) event.preventDefault(); });
  new IntersectionObserver(([entry]) => { inView = entry.isIntersecting; judge(); }, { threshold: 0.9 }).observe(button);
  document.addEventListener("visibilitychange", judge);
  window.addEventListener("pageshow", (event) => { if (event.persisted) judge(); });
}

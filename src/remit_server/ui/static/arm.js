// A button with data-arm answers only after it has been in view for 600 ms without a break: a double tap that began
// on another page, or a page slid under the pointer, approves nothing.
const ARMED_AFTER = 600;

for (const button of document.querySelectorAll("[data-arm]")) {
  let timer;
  let inView = false;
  button.disabled = true;

  const judge = () => {
    clearTimeout(timer);
    button.disabled = true;
    if (inView && document.visibilityState === "visible") {
      timer = setTimeout(() => { button.disabled = false; }, ARMED_AFTER);
    }
  };
  new IntersectionObserver(([entry]) => { inView = entry.isIntersecting; judge(); }, { threshold: 0.9 }).observe(button);
  document.addEventListener("visibilitychange", judge);
  window.addEventListener("pageshow", (event) => { if (event.persisted) judge(); });
}

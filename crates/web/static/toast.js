// Says what happened without a new page. Others dispatch `oncue:say` on the document with {text, tone, isQuiet}: a toast
// appears and stays until it is dismissed (a quiet one is only read out), and the status line tells it to those who listen, at
// most every five seconds, however much happens. Here too: what a request in the background met, and how long it takes.

const ANNOUNCED_EVERY_MS = 5000;
const TOASTS_MAX = 4;
const SLOW_MS = 300;

const toasts = document.getElementById("toasts");
const status = document.getElementById("said");
const words = document.getElementById("said-words")?.dataset;

let waiting = [];
let announcedAt = -ANNOUNCED_EVERY_MS;
let announcement = 0;

function announce(text) {
  // Of what is said twice before anybody could hear it, once is enough.
  waiting = [...waiting.filter((other) => other !== text), text];
  const wait = Math.max(0, announcedAt + ANNOUNCED_EVERY_MS - performance.now());
  announcement ||= setTimeout(() => {
    announcement = 0;
    announcedAt = performance.now();
    status.textContent = waiting.join(" ");
    waiting = [];
  }, wait);
}

function withDismiss(element) {
  const button = document.getElementById("dismiss").content.firstElementChild.cloneNode(true);
  button.addEventListener("click", () => element.remove());
  element.append(button);
}

function show(text, tone) {
  if ([...toasts.children].some((toast) => toast.querySelector("p").textContent === text)) return;
  const toast = document.getElementById("toast").content.firstElementChild.cloneNode(true);
  toast.querySelector("p").textContent = text;
  if (tone) toast.classList.add(tone);
  withDismiss(toast);
  toasts.append(toast);
  while (toasts.children.length > TOASTS_MAX) toasts.firstElementChild.remove();
}

function say({ text, tone, isQuiet }) {
  announce(text);
  if (!isQuiet) show(text, tone);
}

document.addEventListener("oncue:say", (event) => say(event.detail));

// A live part says itself, beside the clock, that it cannot be refreshed.
function isLive(event) {
  return event.detail.elt?.closest?.("[data-live]");
}
document.addEventListener("htmx:responseError", (event) => {
  if (!isLive(event)) say({ text: words.refused, tone: "bad" });
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    if (!isLive(event)) say({ text: words.unreachable, tone: "bad" });
  });
}

const slow = new WeakMap();
document.addEventListener("htmx:beforeRequest", (event) => {
  const { target, xhr } = event.detail;
  if (isLive(event) || !target) return;
  slow.set(xhr, setTimeout(() => {
    target.classList.add("slow");
    target.setAttribute("aria-busy", "true");
  }, SLOW_MS));
});
document.addEventListener("htmx:afterRequest", (event) => {
  const { target, xhr } = event.detail;
  clearTimeout(slow.get(xhr));
  target?.classList.remove("slow");
  target?.removeAttribute("aria-busy");
});

for (const notice of document.querySelectorAll(".notice")) withDismiss(notice);

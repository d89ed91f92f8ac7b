// Keeps a page that is open up to date. One connection tells what happens (GET /ui/live); then the page's own address is fetched
// again and each [data-live~="what"] ("time": every other second) is swapped by its id, without taking away focus, a selection, or what was opened. Where
// there is no connection the page looks by itself, and says how old it is. Who wants more listens on the document: `oncue:rows`
// brings the rows of new events, `oncue:reload` says that they are too many, `oncue:page` has the page as it was fetched, and
// `oncue:swap` comes before a part is swapped; the new one says `htmx:load`, as one that htmx brought.

const REFRESH_EVERY_MS = 2000;
const POLL_EVERY_MS = 10000;
const TICK_EVERY_MS = 2000;
const END_EVERY_MS = 1000;
const SILENT_AFTER_MS = 40000;
const TRY_AGAIN_MS = 30000;
const HIDDEN_FOR_MS = 5000;
const SCROLLED = "pre, .scroll, .sideways";

const button = document.getElementById("live");
const lost = document.getElementById("lost");
const tail = () => document.querySelector("[data-tail]");
const parts = (what) => [...document.querySelectorAll("[data-live]")].filter((part) => part.id && (!what || part.dataset.live.split(" ").includes(what)));
// Parts of every page, which are kept up to date where the page is, and alone are no reason to be.
const beside = (what) => [...document.querySelectorAll("[data-beside]")].filter((part) => part.id && (!what || part.dataset.beside === what));
const isLivePage = () => Boolean(tail()) || parts().length > 0;

let source = null;
let place = null;
let isPaused = false;
let isOut = false;
let isGone = false;
let seenAt = Date.now();
let lostAt = 0;

// What is said about it.

function show(state) {
  if (!button) return;
  button.hidden = !isLivePage();
  button.dataset.liveState = state;
  button.setAttribute("aria-pressed", String(isPaused));
  const words = button.getAttribute(`data-words-${state}`) ?? "";
  button.querySelector(".live-word").textContent = words.replace("{}", new Date(lostAt).toLocaleTimeString());
}

function showState() {
  if (isPaused) show("paused");
  else if (lostAt) show("reconnecting");
  else show(source?.readyState === EventSource.OPEN ? "live" : "off");
}

function said(text) {
  const line = document.getElementById("lost-said");
  if (line && line.textContent !== text) line.textContent = text;
}

function lose() {
  if (lostAt || document.hidden) return;
  lostAt = Date.now();
  const since = document.getElementById("lost-since");
  since.querySelector("time").dateTime = new Date(serverTime(seenAt)).toISOString();
  since.hidden = false;
  lost.classList.add("is-lost");
  said(lost.dataset.wordsLost);
  showState();
}

function find() {
  seenAt = Date.now();
  if (!lostAt) return;
  lostAt = 0;
  lost.classList.remove("is-lost");
  document.getElementById("lost-since").hidden = true;
  said(lost.dataset.wordsFound);
  setTimeout(() => lostAt || isOut || said(""), 5000);
  showState();
}

// The clock of the bar knows the server's time; what is counted from here on is only how much has passed.
function serverTime(at) {
  const face = document.querySelector("time[data-clock]");
  return face ? Date.parse(face.dateTime) + (at - Date.now()) : at;
}

function signedOut() {
  isOut = true;
  close();
  lost.classList.add("is-lost");
  said(lost.dataset.wordsOut);
  document.getElementById("lost-login").hidden = false;
  show("off");
}

// What the page is about is no more. It can still be read, but nothing more will come.
function gone() {
  isGone = true;
  close();
  stopPolling();
  show("off");
}

// Swapping.

// Distances are said anew each second, each page has a key of its own for its forms, and scripts open, show and order things; none of that is new.
function face(part) {
  const copy = part.cloneNode(true);
  for (const told of copy.querySelectorAll(".relative")) told.textContent = "";
  for (const key of copy.querySelectorAll("input[name=once]")) key.removeAttribute("value");
  for (const shown of copy.querySelectorAll("[hidden]")) shown.removeAttribute("hidden");
  for (const opened of copy.querySelectorAll("details[open]")) opened.removeAttribute("open");
  for (const stop of copy.querySelectorAll("[data-cell]")) stop.removeAttribute("tabindex");
  for (const grid of copy.querySelectorAll("[data-roving=grid]")) grid.removeAttribute("role");
  return copy.outerHTML;
}
const faces = new WeakMap();

function isBusy(part) {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.rangeCount && selection.getRangeAt(0).intersectsNode(part)) return true;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  if (focused && focused !== part && !focused.id && !focused.matches("[data-cell]")) return true;
  return [...part.querySelectorAll("input:not([type=checkbox], [type=radio], [type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);
}

function carry(from, to) {
  const [before, after] = [from, to].map((part) => [...part.querySelectorAll("details")]);
  before.forEach((details, at) => {
    const twin = details.id ? after.find((other) => other.id === details.id) : after[at];
    if (twin) twin.open = details.open;
  });
  for (const box of from.querySelectorAll("input[type=checkbox], input[type=radio]")) {
    const twin = [...to.querySelectorAll("input")].find((other) => other.name === box.name && other.value === box.value);
    if (twin && box.checked !== box.defaultChecked) twin.checked = box.checked;
  }
}

function swap(part, newer) {
  const known = faces.get(part) ?? face(part);
  if (known === face(newer)) return;
  if (isBusy(part)) return;
  const fresh = document.adoptNode(newer);
  faces.set(fresh, face(fresh));
  carry(part, fresh);
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = [...part.querySelectorAll(SCROLLED)].map((element) => [element.scrollTop, element.scrollLeft]);
  document.dispatchEvent(new CustomEvent("oncue:swap"));
  part.replaceWith(fresh);
  // What htmx says of a part that it swapped itself: the other modules make it ready.
  window.htmx?.process(fresh);
  fresh.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true }));
  [...fresh.querySelectorAll(SCROLLED)].forEach((element, at) => {
    if (scrolled[at]) [element.scrollTop, element.scrollLeft] = scrolled[at];
  });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

// Fetching.

let wanted = new Set();
let fetchedAt = 0;
let timer = 0;
let isFetching = false;

// A page that shows nothing of what happened is not fetched for it: what is coming is dear to work out, and firing changes none of it.
const isShown = (what) => what === "all" || Boolean(tail()) || parts(what).length > 0 || beside(what).length > 0;

function want(...what) {
  for (const one of what.filter(isShown)) wanted.add(one);
  if (wanted.size === 0 || timer || isFetching || isPaused || document.hidden || isOut || isGone) return;
  timer = setTimeout(refresh, Math.max(0, fetchedAt + REFRESH_EVERY_MS - Date.now()));
}

async function refresh() {
  timer = 0;
  if (isPaused || document.hidden || wanted.size === 0) return;
  const what = wanted;
  wanted = new Set();
  isFetching = true;
  fetchedAt = Date.now();
  const address = location.href;
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
    if (answer.redirected && new URL(answer.url).pathname !== location.pathname) return signedOut();
    if (answer.ok || answer.status === 422) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // htmx will put its answer into the parts that stand now; with others in their place it would go nowhere.
      if (document.querySelector(".htmx-request")) what.forEach((one) => wanted.add(one));
      // Somebody filtered or went on meanwhile: this is not their page any more.
      else if (location.href === address && !isPaused) take(page, what);
      find();
    } else if (answer.status === 410 || answer.status === 404) {
      gone();
    } else {
      lose();
    }
  } catch {
    lose();
  } finally {
    isFetching = false;
    if (wanted.size) want();
  }
}

function take(page, what) {
  const isAll = what.has("all");
  for (const part of [...parts(), ...beside()]) {
    const newer = page.getElementById(part.id);
    const isMeant = isAll || (part.dataset.live ?? part.dataset.beside).split(" ").some((one) => what.has(one));
    if (newer && isMeant && !part.hasAttribute("data-tail")) swap(part, newer);
  }
  document.dispatchEvent(new CustomEvent("oncue:page", { detail: { page } }));
}

// Being told.

function address() {
  const url = new URL(tail()?.dataset.tail ?? "/ui/live", location.href);
  const after = place ?? document.querySelector("[data-live-after]")?.dataset.liveAfter;
  if (after) url.searchParams.set("after", after);
  return url;
}

let silence = 0;
function heard(event) {
  if (event.lastEventId) place = event.lastEventId;
  find();
  clearTimeout(silence);
  silence = setTimeout(restart, SILENT_AFTER_MS);
}

function on(name, what) {
  source.addEventListener(name, (event) => {
    heard(event);
    what?.(event);
  });
}

function open() {
  if (source || isPaused || isOut || isGone || document.hidden || !isLivePage()) return;
  source = new EventSource(address());
  source.addEventListener("open", () => {
    stopPolling();
    find();
    showState();
    // What happened after the page was read and before anybody told us of news.
    want("all");
  });
  on("beat");
  on("settled", () => want("settled"));
  on("changed", () => want("changed"));
  on("fired", (event) => {
    if (event.data) document.dispatchEvent(new CustomEvent("oncue:rows", { detail: { html: event.data } }));
    want("fired");
  });
  on("reload", () => {
    close();
    place = null;
    document.dispatchEvent(new CustomEvent("oncue:reload"));
    want("all");
    startPolling();
  });
  source.addEventListener("error", () => {
    // While it is connecting, the browser tries by itself; where it was refused, we look without it.
    const isRefused = source?.readyState === EventSource.CLOSED;
    if (isRefused) close();
    startPolling();
    showState();
  });
}

function close() {
  source?.close();
  source = null;
  clearTimeout(silence);
}

// Nothing was heard for two beats: the line is dead without anybody having said so.
function restart() {
  close();
  lose();
  open();
  startPolling();
}

let polling = 0;
let triedAt = 0;
function startPolling() {
  if (polling || isPaused || isOut || isGone) return;
  triedAt = Date.now();
  want("all");
  polling = setInterval(() => {
    want("all");
    if (!source && Date.now() - triedAt > TRY_AGAIN_MS) {
      triedAt = Date.now();
      open();
    }
  }, POLL_EVERY_MS);
}

function stopPolling() {
  clearInterval(polling);
  polling = 0;
}

// Being looked at. A hidden page gives its connection back: browsers have only six for one server.

let hiding = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      close();
      stopPolling();
    }, HIDDEN_FOR_MS);
  } else {
    seenAt = Math.max(seenAt, fetchedAt);
    open();
    want("all");
  }
});

function pause(isNow) {
  isPaused = isNow;
  if (!isPaused) {
    open();
    want("all");
  }
  showState();
  document.dispatchEvent(new CustomEvent("oncue:paused", { detail: { isPaused } }));
}

button?.addEventListener("click", () => pause(!isPaused));
document.addEventListener("oncue:pause", (event) => pause(event.detail.isPaused));

// Another filter is another tail.
document.addEventListener("htmx:afterSettle", (event) => {
  if (!event.detail.target?.matches?.("[data-live-after], [data-live]")) return;
  close();
  place = null;
  if (isLivePage()) open();
  showState();
});

window.addEventListener("pagehide", close);
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  open();
  want("all");
});

// What ends by itself, nobody is told of either; the page says of each [data-ends] when that is. It is looked at again a few times, as the
// server's clock may not be quite where it is thought to be.

const END_LOOKS = 3;
const ends = new Map();
function watchEnds() {
  const at = serverTime(Date.now());
  for (const part of document.querySelectorAll("[data-ends]")) {
    const end = Date.parse(part.dataset.ends);
    if (end > at) ends.set(end, END_LOOKS);
  }
  for (const [end, looks] of ends) {
    if (end > at || document.hidden) continue;
    want("changed");
    if (looks > 1) ends.set(end, looks - 1);
    else ends.delete(end);
  }
}

if (isLivePage()) {
  showState();
  open();
  // What changes by itself, and nobody is told of.
  if (parts("time").length) setInterval(() => want("time"), TICK_EVERY_MS);
  setInterval(watchEnds, END_EVERY_MS);
}

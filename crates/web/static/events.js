// The list of events as it grows: new rows come in at the top while its top is in view and nobody has paused it; else they wait
// behind a button that says how many they are. The list keeps its length, and its link to what is older goes with its last
// row. And keys: j and k go from row to row, for whoever has shortcuts.

const list = () => document.getElementById("event-list");
const rowsOf = (root) => [...(root?.querySelectorAll("tr[data-event]") ?? [])];
const body = () => document.getElementById("event-rows");
const isTail = () => Boolean(list()?.dataset.tail);

let waiting = [];
let isTooMuch = false;
let isPaused = false;

function parse(html) {
  const page = new DOMParser().parseFromString(`<table><tbody>${html}</tbody></table>`, "text/html");
  return rowsOf(page);
}

function isAtTop() {
  const box = list().getBoundingClientRect();
  return box.top > -80 && !body().contains(document.activeElement);
}

function number(row) {
  return BigInt(row.dataset.event);
}

function showPill() {
  const pill = document.getElementById("tail-new");
  if (!pill) return;
  pill.hidden = waiting.length === 0 && !isTooMuch;
  pill.textContent = isTooMuch ? pill.dataset.wordsMany : pill.dataset.wordsNew.replace("{}", waiting.length);
}

function showPause() {
  const button = document.getElementById("tail-pause");
  if (!button) return;
  button.hidden = false;
  button.setAttribute("aria-pressed", String(isPaused));
  button.firstElementChild.textContent = isPaused ? button.dataset.wordsResume : button.dataset.wordsPause;
}

// The list keeps its length; what falls off the end is one click away, on the page of what is older.
function trim() {
  const rows = rowsOf(body());
  const most = Number(list().dataset.rowsMax);
  const over = rows.slice(most).filter((row) => !row.contains(document.activeElement));
  for (const row of over) row.remove();
  const last = rowsOf(body()).at(-1);
  const older = document.getElementById("older");
  if (older && last && over.length) {
    const url = new URL(older.href);
    url.searchParams.set("before", last.dataset.place);
    older.href = url.pathname + url.search;
  }
  // Where there was no older page yet there is one now; the next look at the page brings its link.
}

function insert(rows) {
  const fresh = rows.filter((row) => !document.getElementById(row.id));
  if (fresh.length === 0) return;
  document.getElementById("event-none")?.remove();
  list().querySelector("table").hidden = false;
  body().prepend(...fresh.map((row) => document.adoptNode(row)));
  for (const row of fresh) row.classList.add("fresh");
  trim();
}

function release() {
  if (isTooMuch) {
    location.assign(list().dataset.here);
    return;
  }
  const rows = waiting;
  waiting = [];
  insert(rows);
  showPill();
}

function arrive(rows) {
  const known = new Set(waiting.map((row) => row.id));
  const fresh = rows.filter((row) => !known.has(row.id) && !document.getElementById(row.id));
  if (!isPaused && waiting.length === 0 && !isTooMuch && isAtTop()) {
    insert(fresh);
    return;
  }
  waiting = [...fresh, ...waiting].sort((one, other) => (number(one) < number(other) ? 1 : -1));
  const most = Number(list().dataset.rowsMax);
  if (waiting.length > most * 4) {
    waiting = [];
    isTooMuch = true;
  }
  showPill();
}

document.addEventListener("oncue:rows", (event) => isTail() && arrive(parse(event.detail.html)));

// The page as it is now: rows that have become something else are swapped, and those that were missed come in.
document.addEventListener("oncue:page", (event) => {
  const newer = event.detail.page.getElementById("event-list");
  if (!isTail() || !newer?.dataset.tail) return;
  const rows = rowsOf(newer);
  const before = new Set(rowsOf(body()).map((row) => row.id));
  for (const row of rows) {
    const old = document.getElementById(row.id) ?? waiting.find((other) => other.id === row.id);
    if (!old || old.dataset.state === row.dataset.state || old.contains(document.activeElement)) continue;
    const fresh = document.importNode(row, true);
    if (old.isConnected) old.replaceWith(fresh);
    else waiting[waiting.indexOf(old)] = fresh;
  }
  const older = newer.querySelector("#older");
  if (older && !document.getElementById("older")) list().querySelector(".pages").append(document.importNode(older, true));
  const newest = rowsOf(body())[0];
  const missed = rows.filter((row) => !before.has(row.id) && (!newest || number(row) > number(newest)));
  if (missed.length === 0) return;
  // None of what the page shows is on the newest page: what lies between cannot be told from here.
  const isGap = newest && before.size > 0 && !rows.some((row) => before.has(row.id)) && waiting.length === 0;
  if (isGap && !isPaused && isAtTop()) {
    body().replaceChildren(...rows.map((row) => document.importNode(row, true)));
    if (older) document.getElementById("older")?.replaceWith(document.importNode(older, true));
  } else if (isGap) {
    isTooMuch = true;
    showPill();
  } else {
    arrive(missed.map((row) => document.importNode(row, true)));
  }
});

document.addEventListener("oncue:paused", (event) => {
  isPaused = event.detail.isPaused;
  showPause();
  if (!isPaused && isAtTop()) release();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#tail-new")) {
    release();
    list().scrollIntoView({ block: "start" });
    rowsOf(body())[0]?.querySelector("a")?.focus({ preventScroll: true });
  }
  if (event.target.closest("#tail-pause")) {
    document.dispatchEvent(new CustomEvent("oncue:pause", { detail: { isPaused: !isPaused } }));
  }
});

let scrolling = 0;
document.addEventListener("scroll", () => {
  clearTimeout(scrolling);
  scrolling = setTimeout(() => isTail() && !isPaused && waiting.length > 0 && !isTooMuch && isAtTop() && release(), 150);
}, { passive: true });

// Another filter begins anew.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "event-list") return;
  waiting = [];
  isTooMuch = false;
  showPause();
  showPill();
});

// Keys. The script of shortcuts is only on pages of whoever wants them, and so is the list of them.
function step(by) {
  const links = rowsOf(body()).map((row) => row.querySelector("a.event-link"));
  const row = document.activeElement?.closest?.("tr[data-event]");
  const at = row ? links.indexOf(row.querySelector("a.event-link")) + by : by > 0 ? 0 : links.length - 1;
  links[Math.min(Math.max(at, 0), links.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  const hasShortcuts = document.querySelector("#keys .keys");
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (!hasShortcuts || isTyping || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.key === "j") step(1);
  if (event.key === "k") step(-1);
});

showPause();

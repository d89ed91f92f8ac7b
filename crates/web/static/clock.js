// Keeps the distances on a page true: every <time> with a `.relative` in it is said anew each second, in the words that the
// server wrote into the page, and the clock of the bar goes on. What counts is the server's time: the browser's clock is only
// asked how much has passed. A page that nobody sees does not count.

const words = document.getElementById("time-words")?.dataset;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const face = document.querySelector("time[data-clock]");
// The page is as old as its first byte; until a script runs, a slow machine may need a while. How long that was is counted back
// from the clock that is asked later on: where a page began to load, by the browser's other clock, may be hours away from it
// after a sleep or a change of the time.
const startedAt = performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now();
const madeAt = Date.now() - (performance.now() - startedAt);
let ahead = face ? Date.parse(face.dateTime) - madeAt : 0;

function now() {
  return Date.now() + ahead;
}

// The rules of `span` in ui/moment.rs, from a second on.
function span(length) {
  const of = (unit) => Math.floor(length / unit);
  if (length < MINUTE) return `${of(SECOND)} ${words.seconds}`;
  if (length < HOUR) return `${of(MINUTE)} ${words.minutes}`;
  const minutes = of(MINUTE) % 60;
  if (length < 10 * HOUR && minutes > 0) return `${of(HOUR)} ${words.hours} ${minutes} ${words.minutes}`;
  if (length < DAY) return `${of(HOUR)} ${words.hours}`;
  const hours = of(HOUR) % 24;
  if (length < 10 * DAY && hours > 0) return `${of(DAY)} ${words.days} ${hours} ${words.hours}`;
  return `${of(DAY)} ${words.days}`;
}

function relative(instant, isDue, at) {
  const distance = instant - at;
  if (Math.abs(distance) < SECOND) return words.now;
  const pattern = distance > 0 ? words.ahead : isDue ? words.late : words.ago;
  return pattern.replace("{}", span(Math.abs(distance)));
}

function say(element, text) {
  // Text that is the same is left alone: writing it would drop the reader's selection.
  if (element.textContent !== text) element.textContent = text;
}

let digits = null;
function showFace(at) {
  if (!face) return;
  digits ??= new Intl.DateTimeFormat("en-GB", { timeZone: face.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  say(face, digits.format(at));
  face.dateTime = new Date(at).toISOString();
}

function tick() {
  const at = now();
  for (const time of document.querySelectorAll("time[datetime]")) {
    const told = time.querySelector(":scope > .relative");
    if (told) say(told, relative(Date.parse(time.dateTime), "due" in time.dataset, at));
  }
  showFace(at);
}

let next = 0;
function run() {
  clearTimeout(next);
  if (document.hidden) return;
  tick();
  // At the turn of the server's second, so that a countdown ends when its instant comes.
  next = setTimeout(run, SECOND - (((now() % SECOND) + SECOND) % SECOND) + 5);
}

// A newer page says what time it is on the server now; a clock that was set there is followed here.
document.addEventListener("htmx:afterRequest", (event) => {
  const newer = event.detail.xhr?.responseText?.match(/<time datetime="([^"]+)" data-clock/);
  if (!newer) return;
  const told = Date.parse(newer[1]) - Date.now();
  if (Math.abs(told - ahead) > 2 * SECOND) ahead = told;
});
document.addEventListener("htmx:afterSettle", () => words && tick());
document.addEventListener("visibilitychange", () => words && run());
if (words) run();

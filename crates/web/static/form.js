// The forms of triggers and destinations, a little quicker: presets fill the fields in place, the preview follows the typing and is read out
// when its sentence changes, and nobody leaves what they typed by accident. Without it every one of these is a button or a
// page. It has no words of its own.

const form = () => document.querySelector("form[data-guard]");

// What is lost when the page is left.

const written = () => {
  const fields = new URLSearchParams(new FormData(form()));
  // The key of the page is nothing that anybody wrote.
  fields.delete("once");
  return fields.toString();
};
let asItCame = form() && written();
let isUnsaved = Boolean(form()?.hasAttribute("data-unsaved"));
let isLeaving = false;

const isDirty = () => form() && !isLeaving && (isUnsaved || written() !== asItCame);

// A second click before the answer is there is no second wish; one that comes much later may be, where the first way led nowhere.
const TWICE_MS = 10_000;
let leftAt = -Infinity;

document.addEventListener("submit", (event) => {
  if (event.target !== form()) return;
  if (isLeaving && event.timeStamp - leftAt < TWICE_MS) return event.preventDefault();
  isLeaving = true;
  leftAt = event.timeStamp;
});
// A page that comes back from the browser's memory can be left by accident again.
window.addEventListener("pageshow", () => (isLeaving = false));
window.addEventListener("beforeunload", (event) => {
  if (isDirty()) event.preventDefault();
});

// Presets.

document.addEventListener("click", (event) => {
  const preset = event.target.closest?.("button[name=preset]");
  if (!preset || !window.htmx) return;
  event.preventDefault();
  const { kind, text } = preset.dataset;
  const choice = document.getElementById(`kind-${kind}`);
  const field = document.getElementById(kind);
  choice.checked = true;
  field.value = text;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  field.focus();
});

// The preview: said once, when what it says has changed.

const said = document.getElementById("form-said");
let lastSaid = document.getElementById("preview")?.dataset.said;

document.addEventListener("htmx:afterSettle", () => {
  const now = document.getElementById("preview")?.dataset.said;
  if (said && now && now !== lastSaid) said.textContent = now;
  lastSaid = now;
});

// The button is for those whom the preview does not follow.
function hideCheck() {
  if (window.htmx) document.querySelector(".check")?.setAttribute("hidden", "");
}
document.addEventListener("htmx:load", hideCheck);
hideCheck();

// A session that ends while somebody types: a test goes the long way, through the page for signing in, and comes back; the
// preview keeps still, and saving will go that way too.
document.addEventListener("htmx:responseError", (event) => {
  const { xhr, elt } = event.detail;
  if (xhr.status !== 401 || !elt.closest("form[data-guard]")) return;
  event.stopPropagation();
  if (elt.id !== "try") return;
  isLeaving = true;
  const long = form();
  long.action = elt.formAction;
  long.submit();
}, true);

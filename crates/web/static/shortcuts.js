// Single keys. The page says which: whatever carries data-key is pressed by that key, or by two after each other ("g t"); a
// field is focused instead. Loaded only for whoever wants shortcuts, silent while somebody types or a dialog is open, and never
// in the way of a combination with Ctrl, Alt or Meta.

const SECOND_KEY_WITHIN_MS = 1200;

let first = "";
let forget = 0;

function isTyping(target) {
  return target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

function find(keys) {
  return [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key === keys && !element.disabled);
}

function follow(element) {
  if (element.matches("input, textarea, select")) {
    element.focus();
    element.select?.();
  } else {
    element.click();
  }
}

document.addEventListener("keydown", (event) => {
  const isOurs = !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing && !event.defaultPrevented;
  if (!isOurs || event.key.length !== 1 || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const keys = first ? `${first} ${event.key}` : event.key;
  const element = find(keys) ?? find(event.key);
  clearTimeout(forget);
  first = "";
  if (element) {
    event.preventDefault();
    follow(element);
  } else if ([...document.querySelectorAll("[data-key]")].some((other) => other.dataset.key.startsWith(`${event.key} `))) {
    first = event.key;
    forget = setTimeout(() => (first = ""), SECOND_KEY_WITHIN_MS);
  }
});

// Escape leaves a field that a key led to.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.("input[data-key]") && !event.target.value) event.target.blur();
});

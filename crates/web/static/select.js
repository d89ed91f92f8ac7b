// Selecting many rows: a range with Shift, all of the page at once, and how many there are. The checkboxes and the form that
// takes them work without it. What was selected stays so when the list is refreshed.

const BOX = "input[type='checkbox'][name='ids']";

let last = null;
const selected = new Set();

function boxes() {
  return [...document.querySelectorAll(BOX)];
}

function tell() {
  const all = boxes();
  const count = all.filter((box) => box.checked).length;
  const label = document.querySelector("[data-select-all]");
  if (label) {
    label.hidden = false;
    const box = label.querySelector("input");
    box.checked = count > 0 && count === all.length;
    box.indeterminate = count > 0 && count < all.length;
  }
  const said = document.querySelector("[data-selected]");
  if (!said) return;
  const words = said.dataset;
  const pattern = count === 0 ? words.wordsNone : count === 1 ? words.wordsOne : words.wordsMany;
  said.textContent = pattern.replace("{}", count);
}

function mark(box, isChecked) {
  box.checked = isChecked;
  if (isChecked) selected.add(box.value);
  else selected.delete(box.value);
}

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement)) return;
  if (box.matches("[data-select-all] input")) {
    for (const one of boxes()) mark(one, box.checked);
    tell();
    return;
  }
  if (!box.matches(BOX)) return;
  const all = boxes();
  const from = all.findIndex((one) => one.value === last);
  const to = all.indexOf(box);
  if (event.shiftKey && from >= 0) {
    for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) mark(one, box.checked);
  } else {
    mark(box, box.checked);
  }
  last = box.value;
  tell();
});

// A refreshed list has new checkboxes; what is not in it any more is no longer selected.
function restore() {
  const all = boxes();
  const there = new Set(all.map((box) => box.value));
  for (const id of selected) if (!there.has(id)) selected.delete(id);
  for (const box of all) if (selected.has(box.value)) box.checked = true;
  tell();
}

document.addEventListener("htmx:afterSettle", restore);
document.addEventListener("oncue:page", restore);
// A browser that goes back may have ticked some itself.
window.addEventListener("pageshow", () => {
  for (const box of boxes()) if (box.checked) selected.add(box.value);
  tell();
});

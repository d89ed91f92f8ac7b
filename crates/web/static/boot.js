// What every page starts with: dialogs that a button opens, menus that close, passwords that can be looked at, forms that a page come back may send
// again, and the sign that the next page is on its way. It only makes comfortable what is there without it, and it says nothing: words stand in the page.

const SLOW_MS = 300;

function openDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
}

function unhide(root) {
  for (const button of root.querySelectorAll("[data-opens][hidden], [data-reveals][hidden]")) button.hidden = false;
}

function reveal(button) {
  const field = document.getElementById(button.dataset.reveals);
  const isShown = field.type === "password";
  field.type = isShown ? "text" : "password";
  button.setAttribute("aria-pressed", String(isShown));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens], [data-reveals]");
  if (button?.dataset.opens) openDialog(button.dataset.opens);
  if (button?.dataset.reveals) reveal(button);
  // A click on the backdrop hits the dialog itself; one inside hits what lies on it.
  const dialog = event.target;
  if (dialog instanceof HTMLDialogElement && dialog.open) {
    const box = dialog.getBoundingClientRect();
    const isInside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!isInside && event.detail > 0) dialog.close();
  }
});

// A menu ([data-menu]) closes when somebody goes on outside of it, or presses Escape, which leads back to what opened it.
const openMenus = () => document.querySelectorAll("details[data-menu][open]");
for (const type of ["click", "focusin"]) {
  document.addEventListener(type, (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    const isInside = menu.contains(document.activeElement);
    menu.open = false;
    if (isInside) menu.querySelector("summary").focus();
  }
});

// A password goes back to being hidden before it is sent, so that the browser keeps it as one.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("[data-reveals][aria-pressed='true']")) reveal(button);
});

// A page's forms are carried out once, by the key that came with it. Whoever comes back to a page that the browser has remembered, and presses a
// button again, means it again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const key of document.querySelectorAll("input[name=once]")) {
    key.value = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    // A browser keeps what a script has put into a field, and puts it back into the page where that is fetched anew: there it is a used key.
    key.autocomplete = "off";
  }
});

let leaving = 0;
function leave() {
  clearTimeout(leaving);
  leaving = setTimeout(() => document.documentElement.classList.add("leaving"), SLOW_MS);
}
function stay() {
  clearTimeout(leaving);
  document.documentElement.classList.remove("leaving");
}
// After every other listener: one that handles the form itself has prevented it by then.
window.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && event.target.method !== "dialog") leave();
});
window.addEventListener("pageshow", stay);
window.addEventListener("pagehide", stay);

document.addEventListener("htmx:load", (event) => unhide(event.target));
unhide(document);

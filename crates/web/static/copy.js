// Copy buttons: [data-copy="#selector"] puts what that element says, or the value of a field, on the clipboard. The button says
// for a moment that it did, and so does the page's status line.

const SAID_FOR_MS = 2000;
const words = document.getElementById("said-words")?.dataset;

function unhide(root) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

function textOf(element) {
  return "value" in element && element.matches("input, textarea") ? element.value : element.textContent.trim();
}

async function write(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Outside of https and localhost there is no clipboard: at least the text is selected for the reader's own keys.
    getSelection().selectAllChildren(element);
    return false;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button || !words) return;
  const element = document.querySelector(button.dataset.copy);
  if (!element) return;
  const isCopied = await write(textOf(element), element);
  const text = isCopied ? words.copied : words.uncopied;
  document.dispatchEvent(new CustomEvent("oncue:say", { detail: { text, tone: isCopied ? "" : "warn", isQuiet: isCopied } }));
  if (!isCopied || button.dataset.said) return;
  button.dataset.said = button.textContent;
  button.textContent = words.copied;
  setTimeout(() => {
    button.textContent = button.dataset.said;
    delete button.dataset.said;
  }, SAID_FOR_MS);
});

document.addEventListener("htmx:load", (event) => unhide(event.target));
unhide(document);

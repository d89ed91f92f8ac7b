// One tab stop for each chart: arrows, Home and End move within it, Enter follows a link as everywhere. What the cell says
// that has the focus, or that the pointer is over, is shown below the chart. Without this module every link is a tab stop.

const cellsOf = (group) => [...group.querySelectorAll("[data-cell]")];

const saying = (cell) => (cell.querySelector("title") ?? cell).textContent.trim();

/** Where the one tab stop of a chart is. */
function stopAt(cells, chosen) {
  for (const cell of cells) cell.setAttribute("tabindex", cell === chosen ? "0" : "-1");
}

function prepare(root) {
  const groups = [...root.querySelectorAll("[data-roving]")];
  if (root.matches?.("[data-roving]")) groups.push(root);
  for (const group of groups) {
    const cells = cellsOf(group);
    if (cells.length === 0) continue;
    if (group.dataset.roving === "grid") group.setAttribute("role", "grid");
    const already = cells.find((cell) => cell.getAttribute("tabindex") === "0");
    stopAt(cells, already ?? cells[cells.length - 1]);
    const reading = group.closest(".chart")?.querySelector("[data-reading]");
    if (reading) reading.hidden = false;
  }
  // What is newest is at the right; it is seen first where a chart is wider than its place.
  for (const wide of root.querySelectorAll("[data-at-end]")) wide.scrollLeft = wide.scrollWidth;
}

/** The rows of a grid, each with the cells it has and the column they stand in. */
function neighbour(group, cells, cell, key, whole) {
  const place = cells.indexOf(cell);
  const last = cells.length - 1;
  if (group.dataset.roving !== "grid") {
    return { ArrowRight: cells[place + 1], ArrowLeft: cells[place - 1], Home: cells[0], End: cells[last] }[key];
  }
  const row = cells.filter((other) => other.parentNode === cell.parentNode);
  const column = cells.filter((other) => other.cellIndex === cell.cellIndex);
  const [across, down] = [row.indexOf(cell), column.indexOf(cell)];
  return {
    ArrowRight: row[across + 1],
    ArrowLeft: row[across - 1],
    ArrowDown: column[down + 1],
    ArrowUp: column[down - 1],
    Home: whole ? cells[0] : row[0],
    End: whole ? cells[last] : row[row.length - 1],
  }[key];
}

const KEYS = ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"];

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("[data-cell]");
  const group = cell?.closest("[data-roving]");
  if (!group || !KEYS.includes(event.key) || event.altKey || event.metaKey || event.shiftKey) return;
  const isRow = group.dataset.roving !== "grid";
  if (isRow && (event.key === "ArrowDown" || event.key === "ArrowUp")) return;
  event.preventDefault();
  const cells = cellsOf(group);
  const next = neighbour(group, cells, cell, event.key, event.ctrlKey);
  if (!next) return;
  stopAt(cells, next);
  next.focus();
});

function read(event) {
  const cell = event.target.closest?.("[data-cell]");
  const reading = cell?.closest(".chart")?.querySelector("[data-reading]");
  if (reading) reading.textContent = saying(cell);
  if (cell && event.type === "focusin") stopAt(cellsOf(cell.closest("[data-roving]")), cell);
}

document.addEventListener("focusin", read);
document.addEventListener("pointerover", read);

// A part of the page that is fetched anew brings new charts; whoever stood in an old one stands in its place again.
let stood = null;

function leave() {
  const cell = document.activeElement;
  const group = cell?.closest?.("[data-roving]");
  const place = group ? cellsOf(group).indexOf(cell) : -1;
  stood = place < 0 ? null : { group: [...document.querySelectorAll("[data-roving]")].indexOf(group), place, leads: cell.getAttribute("href") };
}

// Where the cell leads says which it is: a new one moves all the others on.
function comeBack() {
  const group = stood && document.querySelectorAll("[data-roving]")[stood.group];
  const cells = group ? cellsOf(group) : [];
  const cell = (stood?.leads && cells.find((other) => other.getAttribute("href") === stood.leads)) || cells[stood?.place];
  if (cell && !group.contains(document.activeElement)) cell.focus({ preventScroll: true });
  stood = null;
}

document.addEventListener("htmx:beforeSwap", leave);
document.addEventListener("oncue:swap", leave);

document.addEventListener("htmx:afterSettle", () => {
  prepare(document);
  comeBack();
});

document.addEventListener("htmx:load", (event) => {
  prepare(event.target);
  comeBack();
});

prepare(document);

// Filters the rows of a page's table. Everything is in the page; what is chosen is kept in the address.
"use strict";

const form = document.getElementById("filter");
const count = document.getElementById("count");
const matrix = document.getElementById("ops");
const WORDS = { N: "native", L: "lowered", A: "approximate", "-": "later", G: "gap", U: "unwritten", R: "rewritten" };

const table = matrix || document.getElementById("operations");
let found = null;

// Read when it is first asked for, so that a page that nobody filters is there sooner.
function rows() {
  found ??= [...table.tBodies].flatMap((body) =>
    [...body.rows].filter((row) => !row.classList.contains("family")).map((row) => ({
      row,
      family: body.dataset.family || "",
      since: Number(row.dataset.since || 0),
      text: (row.cells[0].textContent + " " + (matrix ? row.dataset.b : row.cells[3].textContent)).toLowerCase(),
      names: matrix ? row.dataset.n.split(" ") : [],
      cells: [...row.cells].slice(1),
      any: matrix ? [...row.cells].slice(1).map((cell) => cell.className) : [],
      types: matrix ? row.dataset.t.split(" ").map((letters) => [...letters].map((letter) => WORDS[letter])) : [],
      shown: "",
    })));
  return found;
}

// nn.BatchNorm2d is found by the name of its op, batch_norm.
function isCalled(names, word) {
  const name = word.replace(/^((torch|nn|f|functional|tensor|special|linalg|fft)\.)+/, "").replaceAll("_", "");
  return names.includes(name) || names.includes(name.replace(/[123]d$/, ""));
}

function draw(entry, type) {
  if (entry.shown === type) return;
  entry.shown = type;
  const answers = type === "" ? entry.any : entry.types[Number(type)];
  entry.cells.forEach((cell, index) => {
    cell.className = answers[index];
    cell.textContent = answers[index];
  });
}

function apply() {
  const chosen = Object.fromEntries(new FormData(form));
  const words = chosen.q.toLowerCase().split(/\s+/).filter(Boolean);
  let fitting = 0;
  for (const entry of rows()) {
    if (matrix) draw(entry, chosen.type);
    const answers = matrix ? (chosen.type === "" ? entry.any : entry.types[Number(chosen.type)]) : [];
    const fits = words.every((word) => entry.text.includes(word) || isCalled(entry.names, word))
      && (!chosen.family || entry.family === chosen.family)
      && (!chosen.status || answers[Number(chosen.level) - 1].split(" ")[0] === chosen.status)
      && (!chosen.since || entry.since <= Number(chosen.since));
    entry.row.hidden = !fits;
    fitting += fits ? 1 : 0;
  }
  for (const body of table.tBodies) {
    body.hidden = [...body.rows].every((row) => row.hidden || row.classList.contains("family"));
  }
  const noun = matrix ? "ops" : "operations";
  count.textContent = fitting === rows().length ? `${fitting} ${noun}.` : `${fitting} of ${rows().length} ${noun}.`;
  remember(chosen);
}

function remember(chosen) {
  const kept = new URLSearchParams();
  for (const control of form.elements) {
    const initial = control.tagName === "SELECT" ? [...control.options].find((o) => o.defaultSelected) || control.options[0] : null;
    if (control.name && chosen[control.name] && !(initial && initial.value === chosen[control.name])) kept.set(control.name, chosen[control.name]);
  }
  const address = location.href.split("#")[0] + (kept.size ? `#${kept}` : "");
  if (address !== location.href) history.replaceState(null, "", address);
}

function recall() {
  form.reset();
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const control = form.elements.namedItem(name);
    if (control && "value" in control) control.value = value;
    if (control && control.tagName === "SELECT" && control.selectedIndex < 0) control.selectedIndex = 0;
  }
}

form.hidden = false;
form.reset();
if (location.hash.includes("=")) {
  recall();
  apply();
}
form.addEventListener("input", apply);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(apply));
addEventListener("hashchange", () => {
  if (location.hash && !location.hash.includes("=")) return;
  recall();
  apply();
});

// The list of a host's models: follows the search as one types, chooses all that are shown, and
// says how many are chosen. Without it the search is a page of its own.

const search = document.getElementById("pick-search");
const query = document.getElementById("pick-query");
const list = document.getElementById("picks");
const all = document.getElementById("pick-all");
const rows = [...list.querySelectorAll("tr[data-find]")];

const boxOf = (row) => row.querySelector("input[name=pick]");
// A row without a box is of a model that is called here already, or cannot be.
const shownBoxes = () => rows.filter((row) => !row.hidden).map(boxOf).filter(Boolean);

function follow() {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    row.hidden = !words.every((word) => row.dataset.find.includes(word));
    if (!row.hidden) shown += 1;
  }
  document.getElementById("pick-none").hidden = shown > 0;
  document.getElementById("pick-count").textContent = count(shown);
  tell();
}

function tell() {
  const chosen = list.querySelectorAll("input[name=pick]:checked").length;
  const hidden = rows.filter((row) => row.hidden && boxOf(row)?.checked).length;
  const beyond = hidden ? `, ${hidden} of them not shown by this search` : "";
  document.getElementById("pick-chosen").textContent = `${count(chosen)} chosen${beyond}`;
  const boxes = shownBoxes();
  const checked = boxes.filter((box) => box.checked).length;
  all.disabled = !boxes.length;
  all.checked = boxes.length > 0 && checked === boxes.length;
  all.indeterminate = checked > 0 && checked < boxes.length;
}

function count(number) {
  return `${number.toLocaleString("en")} ${number === 1 ? "model" : "models"}`;
}

query.addEventListener("input", follow);
search.addEventListener("submit", (event) => event.preventDefault());
all.addEventListener("change", () => {
  for (const box of shownBoxes()) box.checked = all.checked;
  tell();
});
list.addEventListener("change", (event) => {
  if (event.target.name === "pick") tell();
});
all.hidden = false;
follow();

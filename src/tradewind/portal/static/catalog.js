// The catalog: keeps folds as the person left them while the list is replaced, and boxes as the
// server has them. Everything else is the form's own doing.

const folds = new Map();

document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches("#live details[id]")) folds.set(event.target.id, event.target.open);
  },
  true,
);

document.addEventListener("htmx:after:swap", () => {
  for (const [id, open] of folds) {
    const fold = document.getElementById(id);
    if (fold) fold.open = open;
  }
  // A box that was clicked no longer follows its attribute; what the server said counts.
  for (const box of document.querySelectorAll("#live input[type=checkbox]")) {
    box.checked = box.hasAttribute("checked");
  }
});

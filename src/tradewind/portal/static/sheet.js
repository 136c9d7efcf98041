// Opens the dialog of a page once htmx has put a sheet into it, and reloads the page when it is
// closed after something was created or changed.

const dialog = document.getElementById("sheet-dialog");
let isChanged = false;

document.addEventListener("htmx:after:swap", () => {
  if (!dialog.querySelector("#sheet")) return;
  if (dialog.querySelector("#new-key")) isChanged = true;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[autofocus]")?.focus();
});

dialog.addEventListener("click", (event) => {
  // A click on the dialog itself, and not on what it holds, is a click on the backdrop. A key that
  // is shown once must not vanish by it.
  const isBackdrop = event.target === dialog && !isChanged;
  const closer = event.target.closest("[data-close-sheet]");
  if (closer) event.preventDefault();
  if (closer || isBackdrop) dialog.close();
});

dialog.addEventListener("close", () => {
  dialog.replaceChildren();
  if (isChanged) location.reload();
});

// Copy buttons: `data-copy` holds the text, `data-copy-from` the selector of where it stands.

import { toast } from "./toast.js";

export function startCopyButtons() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const text = button.dataset.copy ?? document.querySelector(button.dataset.copyFrom).textContent;
    toast((await copy(text)) ? "Copied" : "Could not copy; select the text and copy it by hand");
  });
}

async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  }
  return copyThroughSelection(text);
}

// Browsers offer the clipboard on TLS and on localhost only; a portal reached by its address over
// plain HTTP gets the old way.
function copyThroughSelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const worked = document.execCommand("copy");
  area.remove();
  return worked;
}

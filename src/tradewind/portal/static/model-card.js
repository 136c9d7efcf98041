// Sets the card of a model as Markdown. It comes as plain text, which stays without a script; what
// is made of it are nodes, so nothing in it can become a part of the page.

import { renderBlocks } from "./markdown.js";

for (const place of document.querySelectorAll("[data-model-card]")) {
  place.replaceChildren(...renderBlocks(place.textContent));
}

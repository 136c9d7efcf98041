// Paints an answer while it streams: at most once per frame, and only its last, unfinished block.
// Finished blocks are frozen, so a long answer costs no more per token than a short one.

import { renderBlocks, settledLength } from "./markdown.js";

export class MarkdownStream {
  #target;
  #onPaint;
  #unsettled = "";
  #tail = [];
  #frame = 0;

  constructor(target, onPaint) {
    this.#target = target;
    this.#onPaint = onPaint;
  }

  push(text) {
    this.#unsettled += text;
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  // Paints what is left at once; a hidden tab has no frames.
  finish() {
    cancelAnimationFrame(this.#frame);
    this.#paint();
  }

  #paint() {
    this.#frame = 0;
    for (const node of this.#tail) node.remove();
    const settled = settledLength(this.#unsettled);
    this.#target.append(...renderBlocks(this.#unsettled.slice(0, settled)));
    this.#unsettled = this.#unsettled.slice(settled);
    this.#tail = renderBlocks(this.#unsettled);
    this.#target.append(...this.#tail);
    this.#onPaint();
  }
}

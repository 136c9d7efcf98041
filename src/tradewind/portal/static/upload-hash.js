// A worker: takes a file, tells how far it has read it, and at the end its SHA-256.

import { Sha256 } from "./sha256.js";

const PIECE = 4 * 1024 * 1024;

self.addEventListener("message", async ({ data: file }) => {
  try {
    const digest = new Sha256();
    for (let at = 0; at < file.size; at += PIECE) {
      digest.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
      self.postMessage({ done: Math.min(at + PIECE, file.size) });
    }
    self.postMessage({ sha256: digest.hex() });
  } catch (error) {
    // The file was moved or changed since it was chosen.
    self.postMessage({ error: error.message });
  }
});

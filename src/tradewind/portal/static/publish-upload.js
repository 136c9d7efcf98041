// The uploads of the wizard: files are chosen or dropped, sent one after the other, and shown with
// what their scan says. What is under way is remembered by the browser, so that after a reload the
// page shows how far it came, and choosing the same file again goes on from there.

import { UploadClient, UploadError, sentOf } from "./upload-client.js";

const MOST_FILES = 2000;
const box = document.getElementById("upload");
const list = box.querySelector("[data-files]");
const template = box.querySelector("template");
const input = box.querySelector("input[type=file]");
const sealed = box.querySelector("[data-sealed]");
const use = box.querySelector("[data-use]");
const failure = box.querySelector("[data-failure]");
const said = box.querySelector("[data-said]");
const memory = `tradewind-uploads:${box.dataset.listing}`;
const client = new UploadClient(
  document.querySelector("meta[name=csrf-token]").content,
  box.dataset.hash,
);

const rows = [];
let running = false;

// --- one file ------------------------------------------------------------------------------------

class Row {
  constructor(name, size) {
    this.name = name;
    this.size = size;
    this.file = null;
    this.upload = null;
    this.state = "waiting";
    this.abort = new AbortController();
    this.item = template.content.firstElementChild.cloneNode(true);
    this.part("name").textContent = name;
    this.part("size").textContent = bytes(size);
    this.part("bar").setAttribute("aria-label", `How far ${name} is`);
    for (const [action, label] of [["cancel", "Cancel"], ["again", "Go on with"], ["remove", "Remove"]]) {
      const button = this.part(action);
      button.setAttribute("aria-label", `${label} ${name}`);
      button.addEventListener("click", () => this[action]());
    }
    list.append(this.item);
  }

  part(name) {
    return this.item.querySelector(`[data-${name}]`);
  }

  show(state, text, fraction = null) {
    if (state !== this.state || state === "ready") said.textContent = `${this.name}: ${text}`;
    this.state = state;
    this.item.dataset.state = state;
    this.part("state").textContent = text;
    const bar = this.part("bar");
    bar.hidden = fraction === null;
    if (fraction !== null) bar.value = fraction;
    const isUnderWay = ["waiting", "hashing", "sending", "checking"].includes(state);
    this.part("cancel").hidden = !isUnderWay || state === "checking";
    this.part("remove").hidden = isUnderWay;
    this.part("again").hidden = state !== "failed";
    refresh();
  }

  async run() {
    this.fail(null);
    try {
      const ended = await client.send(
        this.file,
        sealed.checked,
        (stage, fraction, upload) => this.progress(stage, fraction, upload),
        this.abort.signal,
      );
      this.ended(ended);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof UploadError)) throw error;
      const isSignedOut = error.status === 401;
      this.fail(
        error.message,
        isSignedOut ? "Sign in again in another tab, then go on here." : error.hint,
      );
      this.show("failed", "Stopped");
    }
  }

  progress(stage, fraction, upload) {
    if (upload && upload.id !== this.upload?.id) {
      this.upload = upload;
      remember();
    }
    const percent = `${Math.floor(fraction * 100)}%`;
    if (stage === "hashing") this.show(stage, `Reading, ${percent}`, fraction);
    if (stage === "sending") this.show(stage, `Sending, ${percent}`, fraction);
    if (stage === "checking") this.show(stage, "Being checked", 1);
  }

  ended(upload) {
    this.upload = upload;
    const facts = this.part("facts");
    facts.replaceChildren(...upload.facts.map(([label, text]) => fact(label, text)));
    facts.hidden = !upload.facts.length;
    const findings = this.part("findings");
    findings.textContent = upload.findings.join(" ");
    findings.hidden = !upload.findings.length;
    if (upload.state === "ready") {
      this.show("ready", upload.sealed ? "Ready, sealed" : "Ready");
    } else if (upload.state === "refused") {
      this.fail("The file was refused.", upload.reason);
      this.show("refused", "Refused");
    } else {
      const percent = `${Math.floor((sentOf(upload) / upload.size) * 100)}%`;
      this.show("paused", `${percent} is there: choose the file again to go on`, sentOf(upload) / upload.size);
    }
  }

  fail(message, hint = "") {
    const notice = this.part("error");
    notice.hidden = !message;
    notice.querySelector("b").textContent = message ?? "";
    notice.querySelector("span").textContent = hint;
  }

  again() {
    this.abort = new AbortController();
    this.show("waiting", "Waiting");
    this.part("cancel").focus();
    work();
  }

  async cancel() {
    this.abort.abort();
    await this.remove();
  }

  async remove() {
    const place = rows.indexOf(this);
    rows.splice(place, 1);
    this.item.remove();
    said.textContent = `${this.name} was removed`;
    (rows[place] ?? rows[place - 1])?.item.querySelector("button:not([hidden])")?.focus();
    if (!rows.length) box.querySelector("[data-choose]").focus();
    remember();
    refresh();
    if (!this.upload) return;
    try {
      await client.abort(this.upload.id);
    } catch (error) {
      // It is gone, or swept when nobody goes on with it.
      if (!(error instanceof UploadError)) throw error;
    }
  }
}

// --- all of them ---------------------------------------------------------------------------------

function add(files) {
  tell(null);
  for (const file of files) {
    if (!file.size) {
      tell(`${file.name} is empty, or a folder.`, "Choose the files in it.");
      continue;
    }
    const known = rows.find((row) => row.name === file.name);
    if (known && !["paused", "failed", "refused"].includes(known.state)) {
      tell(`${file.name} is here already.`, "Two files of a model have two names.");
      continue;
    }
    if (!known && rows.length >= MOST_FILES) {
      tell(`A model has at most ${MOST_FILES} files.`);
      break;
    }
    const row = known ?? new Row(file.name, file.size);
    if (!known) rows.push(row);
    row.size = file.size;
    row.part("size").textContent = bytes(file.size);
    row.file = file;
    row.abort = new AbortController();
    row.fail(null);
    row.show("waiting", "Waiting");
  }
  work();
}

// One file after the other: two at once would only make both slower.
async function work() {
  if (running) return;
  running = true;
  try {
    for (;;) {
      const row = rows.find((each) => each.state === "waiting" && each.file);
      if (!row) break;
      await row.run();
    }
  } finally {
    running = false;
  }
}

function refresh() {
  const isReady = rows.length > 0 && rows.every((row) => row.state === "ready");
  use.disabled = !isReady;
  sealed.disabled = rows.length > 0;
  list.hidden = !rows.length;
}

function remember() {
  const known = rows.filter((row) => row.upload).map(({ upload }) => upload.id);
  if (known.length) localStorage.setItem(memory, JSON.stringify(known));
  else localStorage.removeItem(memory);
}

async function recall() {
  let known = [];
  try {
    known = JSON.parse(localStorage.getItem(memory) ?? "[]");
  } catch {
    localStorage.removeItem(memory);
  }
  for (const id of known) {
    try {
      const upload = await client.ask("GET", `/publish/uploads/${id}`, null);
      const row = rows.find((each) => each.name === upload.name) ?? new Row(upload.name, upload.size);
      // Chosen again while this was asked: that goes its own way.
      if (row.file) continue;
      if (!rows.includes(row)) rows.push(row);
      row.upload = upload;
      if (upload.sealed) sealed.checked = true;
      if (upload.state === "checking") {
        row.show("checking", "Being checked", 1);
        row.ended(await client.wait(id, () => undefined, row.abort.signal));
      } else {
        row.ended(upload);
      }
    } catch (error) {
      if (!(error instanceof UploadError)) throw error;
      // Another account's, or swept.
      if (error.status !== 404) tell(error.message, error.hint);
    }
  }
  remember();
}

async function useThem() {
  tell(null);
  use.disabled = true;
  const fields = new URLSearchParams({ revision: box.dataset.revision });
  for (const row of rows) {
    fields.append("path", row.name);
    fields.append("upload", row.upload.id);
  }
  try {
    const { go } = await client.ask("POST", `/publish/listings/${box.dataset.listing}/files`, null, fields);
    localStorage.removeItem(memory);
    location.assign(go);
  } catch (error) {
    if (!(error instanceof UploadError)) throw error;
    tell(error.message, error.hint);
    refresh();
  }
}

function tell(message, hint = "") {
  failure.hidden = !message;
  failure.querySelector("b").textContent = message ?? "";
  failure.querySelector("span").textContent = hint;
}

function fact(label, text) {
  const line = document.createElement("div");
  const term = document.createElement("dt");
  const detail = document.createElement("dd");
  term.textContent = label;
  detail.textContent = text;
  detail.className = "publish-value";
  line.append(term, detail);
  return line;
}

function bytes(size) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(Math.floor(Math.log2(size) / 10), units.length - 1);
  return `${(size / 1024 ** unit).toLocaleString("en", { maximumFractionDigits: unit ? 1 : 0 })} ${units[unit]}`;
}

box.querySelector("[data-choose]").addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  add(input.files);
  // So that the same file may be chosen again.
  input.value = "";
});
use.addEventListener("click", useThem);
const drop = box.querySelector("[data-drop]");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("is-over");
  });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.remove("is-over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  add(event.dataTransfer.files);
});
box.hidden = false;
refresh();
recall();

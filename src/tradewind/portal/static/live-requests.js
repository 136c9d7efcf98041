// The switch "Live" of the list of requests: new calls appear as they are logged. `#live` in the
// address keeps it on over a reload. The server sends each row as the page itself has it.

import { readEvents } from "./event-stream.js";

const MOST_ROWS = 200;
// Screen readers hear how many calls came, and not each of them.
const ANNOUNCE_MS = 10_000;
const RETRY_MS = [1000, 2000, 4000, 8000];

const control = document.querySelector("[data-live-switch]");
const status = document.querySelector("[data-live-status]");
const notice = document.querySelector("[data-live-notice]");

let isOn = false;
let reading; // the AbortController of the open tail
let failures = 0;
let retryTimer;
let arrived = 0;
let announceTimer;

control.hidden = false;
control.addEventListener("click", () => (isOn ? turnOff() : turnOn()));
document.querySelector("[data-live-resume]").addEventListener("click", () => {
  turnOn();
  control.focus();
});
document.addEventListener("visibilitychange", () => {
  if (!isOn) return;
  if (document.hidden) stop();
  else start();
});
// Other filters: another tail.
document.addEventListener("htmx:after:swap", () => {
  if (isOn) turnOn();
});
if (location.hash === "#live") turnOn();

function turnOn() {
  const { top } = results().dataset;
  if (top) {
    location.assign(`${top}#live`);
    return;
  }
  isOn = true;
  failures = 0;
  arrived = 0;
  notice.hidden = true;
  control.setAttribute("aria-pressed", "true");
  remember("#live");
  say("Waiting for new calls");
  start();
}

function turnOff() {
  isOn = false;
  stop();
  control.setAttribute("aria-pressed", "false");
  remember("");
  say("");
}

function end(reason) {
  turnOff();
  notice.querySelector("[data-live-reason]").textContent = reason;
  notice.hidden = false;
  say(reason);
}

function start() {
  stop();
  if (document.hidden) return;
  reading = new AbortController();
  void follow(results().dataset.live, reading.signal);
}

function stop() {
  clearTimeout(retryTimer);
  clearTimeout(announceTimer);
  announceTimer = undefined;
  reading?.abort();
  reading = undefined;
}

async function follow(address, signal) {
  try {
    // JSON first: a refusal then comes as JSON, and not as a page.
    const headers = { accept: "application/json, text/event-stream" };
    const answer = await fetch(address, { headers, signal });
    if (!answer.ok) {
      const problem = await answer.json();
      if (!signal.aborted) end([problem.message, problem.hint].filter(Boolean).join("; "));
      return;
    }
    for await (const data of readEvents(answer.body)) {
      if (signal.aborted) return;
      const event = JSON.parse(data);
      failures = 0;
      if (event.end) {
        end(event.end);
        return;
      }
      if (event.entries) add(event);
    }
    throw new Error("the stream ended without a word");
  } catch {
    if (!signal.aborted) again();
  }
}

function again() {
  if (failures === RETRY_MS.length) {
    end("The connection is lost.");
    return;
  }
  retryTimer = setTimeout(start, RETRY_MS[failures]);
  failures += 1;
}

function add({ entries, is_cut: isCut }) {
  const rows = results().querySelector("[data-live-rows]");
  // The first look repeats what the page shows.
  const fresh = entries.filter(({ id }) => !document.getElementById(id));
  if (!fresh.length) return;
  for (const { html } of fresh.reverse()) insert(rows, html);
  results().querySelector("[data-live-list]").hidden = false;
  results().querySelector("[data-live-empty]")?.remove();
  trim(rows);
  count(rows.children.length);
  arrived += fresh.length;
  announce(isCut);
}

function insert(rows, html) {
  // A piece of our own page, escaped by the server that made it, and parsed without being run; htmx
  // does the same with every fragment.
  const parsed = new DOMParser().parseFromString(`<table>${html}</table>`, "text/html");
  const row = document.adoptNode(parsed.querySelector("tr"));
  row.classList.add("is-new");
  // A long call is logged after ones that began later, and belongs below them.
  const at = Number(row.dataset.at);
  const next = [...rows.children].find((other) => Number(other.dataset.at) <= at);
  rows.insertBefore(row, next ?? null);
}

function trim(rows) {
  if (rows.children.length <= MOST_ROWS) return;
  while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
  // The next page goes on behind the last row that is left.
  const older = results().querySelector("[data-live-older]");
  const address = new URL(older.href);
  address.searchParams.set("before", rows.lastElementChild.dataset.place);
  older.href = address.href;
  older.hidden = false;
}

function count(shown) {
  const line = document.getElementById("request-count");
  // The status line speaks for it while the list is live.
  line.removeAttribute("aria-live");
  line.textContent = shown === 1 ? "1 request" : `${shown} requests`;
}

function announce(isCut) {
  if (announceTimer) return;
  const tell = () => {
    const calls = arrived === 1 ? "1 new call" : `${arrived} new calls`;
    say(isCut ? `${calls} shown; more came than fit` : calls);
  };
  const told = arrived;
  tell();
  announceTimer = setTimeout(() => {
    announceTimer = undefined;
    if (arrived > told) announce(isCut);
  }, ANNOUNCE_MS);
}

function say(text) {
  status.textContent = text;
}

function remember(hash) {
  history.replaceState(history.state, "", location.pathname + location.search + hash);
}

function results() {
  return document.getElementById("results");
}

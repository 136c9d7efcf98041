// Tries an endpoint's route: one real, short call through the public port, with the wishes of the
// form, and what the answer's headers say of where it went. A form with `data-auto` is sent by
// itself: `new` when its endpoint was just made, `key` when its key was just replaced.

import { ChatClient, ChatError } from "./chat-client.js";
import { readEvents } from "./event-stream.js";

const MOST_TOKENS = 48;
const MOST_SHOWN = 2000;
// Gateways are told of what was changed within moments; until then they know it not, or as it was.
const NEWS_ARRIVE_MS = { new: 15_000, key: 4000 };
const ASK_AGAIN_MS = 250;
const TOOL = {
  type: "function",
  function: {
    name: "look_up_wind",
    description: "Returns the wind at a place.",
    parameters: {
      type: "object",
      properties: { place: { type: "string" } },
      required: ["place"],
    },
  },
};
// What is shown of an answer's headers, in this order.
const TOLD = [
  ["x-tradewind-route", "Why there"],
  ["x-tradewind-provider", "Whose host"],
  ["x-tradewind-deployment", "Deployment"],
  ["x-tradewind-region", "Region"],
  ["x-tradewind-model", "Model"],
  ["x-tradewind-attempts", "Attempts"],
  ["x-tradewind-overhead-ms", "Gateway, ms"],
  ["x-request-id", "Request"],
];

const find = (id) => document.getElementById(id);
const form = find("route-try");
const client = new ChatClient(document.querySelector("meta[name=csrf-token]").content);
let running = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) tryRoute();
});
find("try-stop").addEventListener("click", () => running?.abort());
if (form.dataset.auto) tryRoute(NEWS_ARRIVE_MS[form.dataset.auto] ?? 0);

async function tryRoute(patienceMs = 0) {
  running = new AbortController();
  const until = performance.now() + patienceMs;
  const body = requestBody();
  begin(body);
  let tried = await attempt(body);
  while (isOfBefore(tried.failure) && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    tried = await attempt(body);
  }
  running = null;
  end(body, tried.told, tried.answer, tried.failure);
}

// Says whether a call failed as it does at a gateway that was not told yet.
function isOfBefore(failure) {
  if (failure instanceof ChatError && failure.code === "model_not_found") return true;
  return form.dataset.auto === "key" && hintOf(failure) === "key";
}

async function attempt(body) {
  const told = { headers: null, status: null, firstMs: null, allMs: null };
  let sentAt = performance.now();
  let answer = "";
  let failure = null;
  try {
    const response = await client.call(form.dataset.path, body, {
      signal: running.signal,
      onSent: () => (sentAt = performance.now()),
    });
    told.headers = response.headers;
    told.status = response.status;
    told.firstMs = performance.now() - sentAt;
    answer = body.stream ? await readStream(response) : textOf(await response.json());
    told.allMs = performance.now() - sentAt;
  } catch (error) {
    failure = error;
    told.headers ??= error.headers ?? null;
    told.status ??= error.status ?? null;
  }
  return { told, answer, failure };
}

// --- the call ------------------------------------------------------------------------------------

function requestBody() {
  const question = find("try-question").value;
  const wishes = providerWishes();
  const common = { model: find("try-model").value.trim(), ...(wishes ? { provider: wishes } : {}) };
  if (form.dataset.operation === "embeddings") return { ...common, input: question };
  const isStream = find("try-stream")?.checked ?? false;
  return {
    ...common,
    messages: [{ role: "user", content: question }],
    max_tokens: MOST_TOKENS,
    ...(isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
    ...(find("try-tools")?.checked ? { tools: [TOOL] } : {}),
  };
}

function providerWishes() {
  const price = {};
  const input = find("try-price-in")?.value.trim();
  const output = find("try-price-out")?.value.trim();
  if (input) price.prompt = input;
  if (output) price.completion = output;
  const wishes = {};
  for (const place of ["region", "zone"]) {
    const wanted = find(`try-${place}`)?.value.trim();
    if (wanted) wishes[place] = wanted;
  }
  if (find("try-zdr")?.checked) wishes.zdr = true;
  if (Object.keys(price).length) wishes.max_price = price;
  return Object.keys(wishes).length ? wishes : null;
}

async function readStream(response) {
  let text = "";
  for await (const data of readEvents(response.body)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ChatError(chunk.error.message ?? "The answer broke off.");
    const delta = chunk.choices?.[0]?.delta;
    text += delta?.content ?? delta?.tool_calls?.[0]?.function?.arguments ?? "";
  }
  return text;
}

function textOf(body) {
  const message = body.choices?.[0]?.message;
  const call = message?.tool_calls?.[0]?.function;
  if (call) return `${call.name}(${call.arguments})`;
  const embedding = body.data?.[0]?.embedding;
  if (embedding) return `${embedding.length} numbers: ${embedding.slice(0, 4).join(", ")}, …`;
  return message?.content ?? "";
}

// --- the page ------------------------------------------------------------------------------------

function begin(body) {
  find("try-send").disabled = true;
  find("try-stop").hidden = false;
  find("try-result").hidden = true;
  find("try-sent").textContent = `POST ${form.dataset.path}\n${JSON.stringify(body, null, 2)}\n`;
  for (const row of places()) mark(row, false);
}

function end(body, told, answer, failure) {
  find("try-send").disabled = false;
  find("try-stop").hidden = true;
  showFailure(failure);
  showFacts(body, told);
  const place = told.headers?.get("x-tradewind-deployment");
  const rows = places().filter((row) => place && row.dataset.place === place);
  // Two targets at one provider cannot be told apart by it.
  if (rows.length === 1 && !failure) mark(rows[0], true);
  const box = find("try-answer");
  box.textContent = answer.slice(0, MOST_SHOWN) || "The answer has no text.";
  box.hidden = Boolean(failure);
  find("try-result").hidden = false;
}

function places() {
  return [...document.querySelectorAll("#targets [data-place]")];
}

function mark(row, isAnswering) {
  row.classList.toggle("is-answering", isAnswering);
  row.querySelector("[data-answered]").hidden = !isAnswering;
}

function showFailure(failure) {
  const notice = find("try-failure");
  notice.hidden = !failure;
  const hint = hintOf(failure);
  for (const box of document.querySelectorAll("[data-try-hint]")) {
    box.hidden = box.dataset.tryHint !== hint;
  }
  if (!failure) return;
  const isStopped = failure.name === "AbortError";
  const isOurs = failure instanceof ChatError;
  notice.querySelector("b").textContent = isStopped
    ? "Stopped."
    : isOurs
      ? failure.message
      : "The answer broke off.";
  notice.querySelector("span").textContent = isStopped ? "" : (isOurs && failure.hint) || "";
}

// Names the way out of a failure, where the page has one.
function hintOf(failure) {
  if (!(failure instanceof ChatError)) return "";
  if (failure.code.startsWith("upstream_") && /status 40[123]/.test(failure.message)) return "key";
  if (failure.code === "upstream_error" && /status 404/.test(failure.message)) return "model";
  if (failure.code === "upstream_unreachable" || failure.code === "upstream_timeout") return "away";
  return failure.code === "model_not_found" ? "unknown" : "";
}

function showFacts(body, told) {
  const facts = find("try-facts");
  facts.replaceChildren();
  if (told.status) addFact(facts, "Status", String(told.status));
  for (const [name, label] of TOLD) {
    const value = told.headers?.get(name);
    if (value) addFact(facts, label, value);
  }
  if (told.allMs !== null) {
    addFact(facts, "Took", `${ms(told.firstMs)} to the first byte, ${ms(told.allMs)} in all`);
    addFact(facts, "Cost", costOf(body, told.headers));
  }
}

function costOf(body, headers) {
  const cost = headers.get("x-tradewind-cost");
  if (cost) return `${cost} ${headers.get("x-tradewind-currency") ?? ""}`;
  return body.stream ? "In the books within a second: a stream's headers leave before its end" : "Not told";
}

function addFact(facts, label, value) {
  const line = document.createElement("div");
  const term = document.createElement("dt");
  const detail = document.createElement("dd");
  term.textContent = label;
  detail.textContent = value;
  line.append(term, detail);
  facts.append(line);
}

function ms(milliseconds) {
  return `${Math.round(milliseconds).toLocaleString("en")} ms`;
}

// The playground: one conversation with one model. State lives here and nowhere else; leaving the
// page forgets it.

import { ChatClient, ChatError } from "./chat-client.js";
import { MarkdownStream } from "./markdown-stream.js";
import { FilterNotes, showFilterNotes } from "./filter-notes.js";
import { formatNanos, rateNanos } from "./money.js";
import { writeSample } from "./samples.js";

const find = (id) => document.getElementById(id);
const root = find("playground");
const log = find("log");
const start = find("start");
const model = find("model");
const prompt = find("prompt");
const client = new ChatClient(document.querySelector("meta[name=csrf-token]").content);

const METER_EVERY_MS = 150;
const NEAR_END_PX = 60;

let messages = [];
const totals = { answers: 0, tokens: 0, costs: new Map() };
let running = null;
let isFollowing = true;

// --- sending -----------------------------------------------------------------------------------

find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});

prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    send();
  }
});

find("stop").addEventListener("click", () => running?.abort());

find("retry").addEventListener("click", () => {
  if (running || !messages.length) return;
  if (messages.at(-1).role === "assistant") messages.pop();
  log.querySelector(".message-answer:last-of-type")?.remove();
  answer();
});

find("clear").addEventListener("click", () => {
  running?.abort();
  running = null;
  messages = [];
  log.replaceChildren(start, jump);
  start.hidden = false;
  setBusy(false);
  prompt.focus();
});

for (const idea of document.querySelectorAll("[data-idea]")) {
  idea.addEventListener("click", () => {
    prompt.value = idea.textContent;
    send();
  });
}

function send() {
  const text = prompt.value.trim();
  if (running || !text) return;
  prompt.value = "";
  start.hidden = true;
  messages.push({ role: "user", content: text });
  addMessage("You", "message-user").textContent = text;
  answer();
}

// --- one answer --------------------------------------------------------------------------------

async function answer() {
  const controller = new AbortController();
  const conversation = messages;
  running = controller;
  isFollowing = true;
  setBusy(true);
  const option = model.selectedOptions[0];
  const body = addMessage(option.textContent.trim(), "message-answer");
  const message = body.parentElement;
  body.classList.add("answer");
  message.classList.add("is-streaming");
  const writer = new MarkdownStream(body, follow);
  const meter = addMeter(message);
  const measured = { sent: performance.now(), first: null, last: null, pieces: 0, usage: null };
  const filters = new FilterNotes();
  let text = "";
  let shownAt = 0;
  let failure = null;

  follow();
  try {
    const stream = client.stream(
      { ...request(), stream: true, stream_options: { include_usage: true } },
      { signal: controller.signal, onSent: () => (measured.sent = performance.now()) },
    );
    for await (const chunk of stream) {
      filters.take(chunk);
      if (chunk.usage) measured.usage = chunk.usage;
      const piece = chunk.choices?.[0]?.delta?.content;
      if (!piece) continue;
      const now = performance.now();
      measured.first ??= now;
      measured.last = now;
      measured.pieces += 1;
      text += piece;
      writer.push(piece);
      if (now - shownAt > METER_EVERY_MS) {
        shownAt = now;
        showMeter(meter, measured, option);
      }
    }
  } catch (error) {
    failure = error;
  }

  writer.finish();
  message.classList.remove("is-streaming");
  if (measured.pieces || measured.usage) showMeter(meter, measured, option);
  showFilterNotes(message, filters);
  if (failure) addFailure(message, failure);
  if (text) conversation.push({ role: "assistant", content: text });
  if (!failure) addToTotals(measured, option);
  if (running === controller) {
    running = null;
    setBusy(false);
  }
  find("announcer").textContent = failure ? "The answer ended early." : "The answer is complete.";
  follow();
}

// What is sent, and what the code tab shows: the conversation up to the last question.
function request() {
  const lastQuestion = messages.findLastIndex((message) => message.role === "user");
  const conversation = messages.slice(0, lastQuestion + 1);
  if (!conversation.length) {
    conversation.push({ role: "user", content: prompt.value.trim() || "Hello" });
  }
  const system = find("system").value.trim();
  if (system) conversation.unshift({ role: "system", content: system });
  const seed = find("seed").value.trim();
  return {
    model: model.value,
    messages: conversation,
    temperature: Number(find("temperature").value),
    top_p: Number(find("top-p").value),
    max_tokens: Number(find("max-tokens").value),
    ...(/^\d{1,9}$/.test(seed) ? { seed: Number(seed) } : {}),
  };
}

// --- the log -----------------------------------------------------------------------------------

function addMessage(who, className) {
  const message = document.createElement("div");
  message.className = `message ${className}`;
  const name = document.createElement("span");
  name.className = "message-who";
  name.textContent = who;
  const body = document.createElement("div");
  body.className = "message-body";
  message.append(name, body);
  log.insertBefore(message, jump);
  return body;
}

function addMeter(message) {
  const meter = document.createElement("div");
  meter.className = "message-meter";
  message.append(meter);
  return meter;
}

function addFailure(message, error) {
  const notice = document.createElement("div");
  const isStopped = error.name === "AbortError";
  notice.className = isStopped ? "notice" : "notice notice-bad";
  const text = document.createElement("div");
  const title = document.createElement("b");
  title.textContent = isStopped ? "Stopped." : errorTitle(error);
  text.append(title, " ", isStopped ? "What was sent until then is billed." : errorHint(error));
  notice.append(text);
  message.append(notice);
}

function errorTitle(error) {
  return error instanceof ChatError ? error.message : "The answer broke off.";
}

function errorHint(error) {
  const hint = error.hint || "Retry sends the same conversation again.";
  return error.requestId ? `${hint} Request ${error.requestId}.` : hint;
}

const jump = document.createElement("button");
jump.type = "button";
jump.className = "button button-small jump-latest";
jump.textContent = "Jump to latest";
jump.hidden = true;
log.append(jump);
jump.addEventListener("click", () => {
  isFollowing = true;
  follow();
});

log.addEventListener("scroll", () => {
  isFollowing = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
  jump.hidden = isFollowing || !running;
});

function follow() {
  if (isFollowing) log.scrollTop = log.scrollHeight;
  jump.hidden = isFollowing || !running;
}

// --- figures -----------------------------------------------------------------------------------

function showMeter(meter, measured, option) {
  const seconds = ((measured.last ?? performance.now()) - measured.sent) / 1000;
  const output = measured.usage?.completion_tokens ?? measured.pieces;
  const figures = [];
  if (measured.first !== null) {
    figures.push(["TTFT", `${Math.round(measured.first - measured.sent)} ms`]);
  }
  const speed = tokensPerSecond(measured, output);
  if (speed) figures.push(["Speed", `${speed} tok/s`]);
  if (measured.usage) {
    figures.push(["In", String(measured.usage.prompt_tokens)], ["Out", String(output)]);
    figures.push(["Cost", formatNanos(costOf(measured.usage, option), moneyOf(option))]);
  } else {
    figures.push(["Out", `about ${output}`]);
  }
  figures.push(["Time", `${seconds.toFixed(1)} s`]);
  meter.replaceChildren(...figures.map(figure));
}

function tokensPerSecond(measured, output) {
  const seconds = (measured.last - measured.first) / 1000;
  // The first token is the start of the clock, so it is not one of those that took the time.
  return output > 1 && seconds > 0 ? Math.round((output - 1) / seconds) : null;
}

function costOf(usage, option) {
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  return rateNanos([
    [usage.prompt_tokens - cached, option.dataset.inputNanos],
    [cached, option.dataset.cachedInputNanos],
    [usage.completion_tokens, option.dataset.outputNanos],
  ]);
}

function moneyOf(option) {
  return { symbol: option.dataset.symbol, currency: option.dataset.currency };
}

function figure([name, value]) {
  const node = document.createElement("span");
  const number = document.createElement("b");
  number.textContent = value;
  node.append(`${name} `, number);
  return node;
}

function addToTotals(measured, option) {
  if (!measured.usage) return;
  const { symbol, currency } = moneyOf(option);
  const sum = totals.costs.get(currency) ?? { nanos: 0n, symbol, currency };
  sum.nanos += costOf(measured.usage, option);
  totals.costs.set(currency, sum);
  totals.answers += 1;
  totals.tokens += measured.usage.prompt_tokens + measured.usage.completion_tokens;
  const costs = [...totals.costs.values()].map((entry) => formatNanos(entry.nanos, entry));
  find("meter").replaceChildren(
    figure(["On this page: answers", String(totals.answers)]),
    figure(["Tokens", totals.tokens.toLocaleString("en")]),
    figure(["Cost", costs.join(" + ")]),
  );
}

// --- controls ----------------------------------------------------------------------------------

function setBusy(isBusy) {
  find("send").hidden = isBusy;
  find("stop").hidden = !isBusy;
  find("retry").disabled = isBusy || !messages.length;
  find("clear").disabled = !messages.length;
  model.disabled = isBusy;
  writeCode();
}

function showPrice() {
  const { inputNanos, outputNanos, maxOutput } = model.selectedOptions[0].dataset;
  const money = moneyOf(model.selectedOptions[0]);
  find("price-hint").textContent =
    `${formatNanos(inputNanos, money)} in, ${formatNanos(outputNanos, money)} out, per 1M tokens`;
  const most = find("max-tokens");
  most.max = maxOutput;
  showSlider(most);
}

function showSlider(slider) {
  document.querySelector(`output[for="${slider.id}"]`).textContent = slider.value;
}

function writeCode() {
  const language = document.querySelector("[name=language]:checked").value;
  const sample = { baseUrl: root.dataset.baseUrl, request: request() };
  find("code").textContent = writeSample(language, sample);
}

root.addEventListener("input", (event) => {
  if (event.target.type === "range") showSlider(event.target);
  if (event.target === model) showPrice();
  writeCode();
});

showPrice();
writeCode();

// Talks to the gateway as any client does: the public API on this origin, with a short-lived key
// that this page asks for and keeps in memory only.

import { readEvents } from "./event-stream.js";

// A key reaches the gateway with the next snapshot; until then the gateway does not know it.
const KEY_ARRIVES_MS = 3000;
const KEY_ASK_AGAIN_MS = 150;
const KEY_RENEW_BEFORE_MS = 60_000;

// What went wrong, in words for a person.
export class ChatError extends Error {
  constructor(message, { hint = "", requestId = "", status = null, code = "", headers = null } = {}) {
    super(message);
    this.hint = hint;
    this.requestId = requestId;
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export class ChatClient {
  #csrfToken;
  #key = null;

  constructor(csrfToken) {
    this.#csrfToken = csrfToken;
  }

  // Yields the chunks of one streamed completion. `onSent` is called when the request leaves that is
  // going to be answered, which is when time to first token starts to count.
  async *stream(request, { signal, onSent }) {
    const response = await this.call("/v1/chat/completions", request, { signal, onSent });
    for await (const data of readEvents(response.body)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ChatError(sentence(chunk.error.message ?? "The answer broke off"));
      yield chunk;
    }
  }

  // Returns the answer to one call of the public API; throws ChatError for a refusal.
  async call(path, request, { signal, onSent }) {
    let isKeyRenewed = false;
    for (;;) {
      const key = await this.#currentKey(signal);
      onSent();
      const response = await post(path, {
        signal,
        headers: { authorization: `Bearer ${key.text}`, "content-type": "application/json" },
        body: JSON.stringify(request),
      });
      if (response.ok) return response;
      const error = await errorOf(response);
      if (response.status !== 401) throw error;
      if (performance.now() - key.mintedAt < KEY_ARRIVES_MS) {
        await pause(KEY_ASK_AGAIN_MS, signal);
      } else if (!isKeyRenewed) {
        isKeyRenewed = true;
        this.#key = null;
      } else {
        throw error;
      }
    }
  }

  async #currentKey(signal) {
    if (this.#key && Date.now() < this.#key.expiresAt - KEY_RENEW_BEFORE_MS) return this.#key;
    const response = await post("/playground/key", {
      signal,
      headers: { accept: "application/json", "x-csrf-token": this.#csrfToken },
    });
    if (response.status === 401) {
      throw new ChatError("You are signed out.", { hint: "Reload the page and sign in again." });
    }
    if (!response.ok) throw await errorOf(response);
    const { key, expires_at: expiresAt } = await response.json();
    this.#key = { text: key, expiresAt: Date.parse(expiresAt), mintedAt: performance.now() };
    return this.#key;
  }
}

async function post(url, options) {
  try {
    return await fetch(url, { method: "POST", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ChatError("The platform does not answer.", {
      hint: "Check that it still runs, then retry.",
    });
  }
}

async function errorOf(response) {
  const body = await response.json().catch(() => ({}));
  const { message, hint, code } = body.error ?? body;
  return new ChatError(sentence(message ?? `The platform answered ${response.status}`), {
    hint: hint ? sentence(hint) : HINTS[response.status],
    requestId: response.headers.get("x-request-id") ?? "",
    status: response.status,
    code: typeof code === "string" ? code : "",
    headers: response.headers,
  });
}

const HINTS = {
  429: "Wait a moment and retry.",
  502: "The engine may be restarting; retry in a few seconds.",
  503: "It may be starting; retry in a few seconds.",
  504: "The engine took too long; retry, or ask for fewer tokens.",
};

function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

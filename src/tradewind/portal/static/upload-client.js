// Sends one file as an upload in parts: hash it, begin or go on, send what is missing, complete,
// and wait for what the scan says. What can pass by itself is tried again, for some minutes.

const PARTS_AT_ONCE = 2;
const TRIES = 8;
const PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const LOOK_EVERY_MS = 400;

export class UploadError extends Error {
  constructor(message, { hint = "", status = 0 } = {}) {
    super(message);
    this.hint = hint;
    this.status = status;
  }

  get mayPass() {
    return this.status === 0 || this.status >= 500 || this.code === "part_in_progress";
  }
}

export class UploadClient {
  constructor(csrfToken, hashUrl) {
    this.csrfToken = csrfToken;
    this.hashUrl = hashUrl;
  }

  // Yields nothing; tells `told(stage, fraction, upload)` how it goes. Returns the upload as it
  // ended: ready or refused. Throws UploadError, and AbortError when `signal` says so.
  async send(file, isSealed, told, signal) {
    const sha256 = await this.#hash(file, (done) => told("hashing", done / file.size), signal);
    const upload = await this.ask("POST", "/publish/uploads", signal, {
      name: file.name,
      size: String(file.size),
      sha256,
      ...(isSealed ? { sealed: "yes" } : {}),
    });
    told("sending", sentOf(upload) / file.size, upload);
    if (upload.state === "open") {
      await this.#sendParts(upload, file, (sent) => told("sending", sent / file.size), signal);
      await this.ask("POST", `/publish/uploads/${upload.id}/complete`, signal, {});
    }
    return this.wait(upload.id, told, signal);
  }

  // Returns the upload once it was checked, or at once when it still takes parts.
  async wait(id, told, signal) {
    for (;;) {
      const upload = await this.ask("GET", `/publish/uploads/${id}`, signal);
      if (upload.state !== "checking") return upload;
      told("checking", 1, upload);
      await pause(LOOK_EVERY_MS, signal);
    }
  }

  abort(id) {
    return this.ask("DELETE", `/publish/uploads/${id}`, null);
  }

  // Asks until there is an answer. Every question may be repeated.
  ask(method, path, signal, fields) {
    return again(signal, async () => {
      let response;
      try {
        response = await fetch(path, {
          method,
          headers: { accept: "application/json", "x-csrf-token": this.csrfToken },
          body: fields ? fields instanceof URLSearchParams ? fields : new URLSearchParams(fields) : undefined,
          signal,
        });
      } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new UploadError("The platform cannot be reached.");
      }
      const text = await response.text();
      if (!response.ok) throw refusal(response.status, text);
      return text ? JSON.parse(text) : null;
    });
  }

  #hash(file, told, signal) {
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.hashUrl, { type: "module" });
      const end = (settle, value) => {
        worker.terminate();
        signal.removeEventListener("abort", aborted);
        settle(value);
      };
      const aborted = () => end(reject, new DOMException("aborted", "AbortError"));
      signal.addEventListener("abort", aborted);
      worker.addEventListener("error", () => end(reject, new UploadError("The file cannot be hashed.")));
      worker.addEventListener("message", ({ data }) => {
        if (data.error) end(reject, unreadable());
        else if (data.sha256) end(resolve, data.sha256);
        else told(data.done);
      });
      worker.postMessage(file);
      if (signal.aborted) aborted();
    });
  }

  async #sendParts(upload, file, told, signal) {
    const missing = missingOf(upload);
    const under = new Map();
    let sent = sentOf(upload);
    const tell = () => told(sent + [...under.values()].reduce((sum, each) => sum + each, 0));
    // One that fails stops the others.
    const own = new AbortController();
    const stop = () => own.abort();
    signal.addEventListener("abort", stop);
    const sender = async () => {
      while (missing.length) {
        const number = missing.shift();
        const start = (number - 1) * upload.part_size;
        const part = file.slice(start, start + upload.part_size);
        await again(own.signal, () =>
          this.#sendPart(`/publish/uploads/${upload.id}/parts/${number}`, part, own.signal, (bytes) => {
            under.set(number, Math.min(bytes, part.size));
            tell();
          }),
        );
        under.delete(number);
        sent += part.size;
        tell();
      }
    };
    try {
      await Promise.all(Array.from({ length: PARTS_AT_ONCE }, sender));
    } finally {
      stop();
      signal.removeEventListener("abort", stop);
    }
  }

  // With XMLHttpRequest: `fetch` does not tell how far a body has gone.
  #sendPart(path, part, signal, told) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const stop = () => request.abort();
      const end = (settle, value) => {
        signal.removeEventListener("abort", stop);
        settle(value);
      };
      signal.addEventListener("abort", stop);
      request.upload.addEventListener("progress", (event) => told(event.loaded));
      request.addEventListener("load", () => {
        if (request.status < 300) end(resolve);
        else end(reject, refusal(request.status, request.responseText));
      });
      request.addEventListener("abort", () => end(reject, new DOMException("aborted", "AbortError")));
      request.addEventListener("error", () =>
        // The same is told of a file that was changed as of a network that is gone; look which.
        part.slice(0, 1).arrayBuffer().then(
          () => end(reject, new UploadError("The platform cannot be reached.")),
          () => end(reject, unreadable()),
        ),
      );
      request.open("PUT", path);
      request.setRequestHeader("accept", "application/json");
      request.setRequestHeader("content-type", "application/octet-stream");
      request.setRequestHeader("x-csrf-token", this.csrfToken);
      request.send(part);
      if (signal.aborted) stop();
    });
  }
}

// Returns how many bytes of an upload are there.
export function sentOf(upload) {
  let sent = 0;
  for (const [first, last] of upload.received) {
    sent += Math.min(last * upload.part_size, upload.size) - (first - 1) * upload.part_size;
  }
  return sent;
}

function missingOf(upload) {
  const missing = [];
  let next = 1;
  for (const [first, last] of [...upload.received, [upload.parts + 1, upload.parts + 1]]) {
    for (; next < first; next += 1) missing.push(next);
    next = last + 1;
  }
  return missing;
}

async function again(signal, action) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof UploadError) || !error.mayPass || tries === TRIES) throw error;
      await pause(Math.min(PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS), signal);
    }
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    }, { once: true });
  });
}

function refusal(status, text) {
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    // Whoever stands between has answered.
  }
  const error = new UploadError(told.message ?? `The platform answered with status ${status}.`, {
    hint: told.hint ?? "",
    status,
  });
  error.code = told.code;
  return error;
}

function unreadable() {
  const error = new UploadError("The file cannot be read any more.", {
    hint: "It was moved, changed or removed: choose it again.",
    status: 400,
  });
  return error;
}

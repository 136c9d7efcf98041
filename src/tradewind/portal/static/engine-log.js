// Follows an engine's log: asks each second for what is new, while the page is seen and it is live.

const MOST_CHARACTERS = 400_000;
const PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;

const log = document.querySelector("[data-log]");
const button = document.querySelector("[data-log-live]");
const empty = document.querySelector("[data-log-empty]");

let position = log ? Number(log.dataset.position) : 0;
let isLive = true;
let pauseMs = PAUSE_MS;

function show(text) {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  log.append(text);
  if (log.textContent.length > MOST_CHARACTERS) {
    log.textContent = log.textContent.slice(-MOST_CHARACTERS / 2);
  }
  empty.hidden = true;
  if (isAtEnd) {
    log.scrollTop = log.scrollHeight;
  }
}

async function look() {
  if (!isLive || document.hidden) {
    return;
  }
  try {
    const answer = await fetch(`${log.dataset.log}&since=${position}`, {
      headers: { accept: "application/json" },
    });
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    const news = await answer.json();
    position = news.position;
    if (news.text) {
      show(news.text);
    }
    pauseMs = PAUSE_MS;
  } catch {
    // Signed out, or the platform restarts: ask less and less often, and go on when it is back.
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

async function follow() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    await look();
  }
}

if (log) {
  log.scrollTop = log.scrollHeight;
  button.hidden = false;
  button.addEventListener("click", () => {
    isLive = !isLive;
    button.setAttribute("aria-pressed", String(isLive));
  });
  follow();
}

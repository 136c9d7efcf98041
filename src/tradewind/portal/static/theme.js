// Light or dark. The page follows the system until the person chooses; the choice is a cookie, so
// that the server renders the right colours at once.

const COOKIE = "tradewind_theme";
const ONE_YEAR_S = 31_536_000;
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

export function startThemeToggle() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-toggle]")) choose(isDark() ? "light" : "dark");
  });
}

// Calls back whenever the colours change, by choice or with the system.
export function onThemeChange(callback) {
  document.addEventListener("tradewind:theme", callback);
  darkSystem.addEventListener("change", callback);
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkSystem.matches;
}

function choose(theme) {
  document.documentElement.dataset.theme = theme;
  document.cookie = `${COOKIE}=${theme}; path=/; max-age=${ONE_YEAR_S}; samesite=lax`;
  document.dispatchEvent(new Event("tradewind:theme"));
}

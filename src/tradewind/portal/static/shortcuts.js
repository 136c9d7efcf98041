// Keys: `/` goes to the search, `g` and a letter to a page of the rail. They can be switched off in
// the account menu, because single letters get in the way of speech input (WCAG 2.1.4).

const STORE = "tradewind.shortcuts";
const PAIR_MS = 1200;

export function startShortcuts() {
  const setting = document.querySelector("[data-shortcuts]");
  if (!setting) return;
  setting.checked = localStorage.getItem(STORE) !== "off";
  setting.addEventListener("change", () => {
    localStorage.setItem(STORE, setting.checked ? "on" : "off");
  });

  let pressedG = -Infinity;
  document.addEventListener("keydown", (event) => {
    if (!setting.checked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    if (event.key === "/") {
      const search = [...document.querySelectorAll("[data-search]")].at(-1);
      event.preventDefault();
      search?.focus();
      search?.select();
    } else if (event.key === "g") {
      pressedG = event.timeStamp;
    } else if (event.timeStamp - pressedG < PAIR_MS) {
      pressedG = -Infinity;
      document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
    }
  });
}

// Tabs after the WAI-ARIA pattern: arrows move, the chosen panel is the only one shown. Without a
// script all panels are shown, one below the other.

export function startTabs() {
  for (const group of document.querySelectorAll("[data-tabs]")) {
    const tabs = [...group.querySelectorAll("[role=tab]")];
    const choose = (chosen) => {
      for (const tab of tabs) {
        const isChosen = tab === chosen;
        tab.ariaSelected = String(isChosen);
        tab.tabIndex = isChosen ? 0 : -1;
        document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
      }
    };
    for (const [index, tab] of tabs.entries()) {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const next = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[event.key];
        if (next === undefined) return;
        event.preventDefault();
        const target = tabs.at(next % tabs.length);
        choose(target);
        target.focus();
      });
    }
    choose(tabs.find((tab) => tab.ariaSelected === "true") ?? tabs[0]);
    group.dataset.ready = "";
  }
}

// The rail is longer than some windows: the page that is open is brought into its view.

export function startRail() {
  document
    .querySelector(".rail-link[aria-current]")
    ?.scrollIntoView({ block: "nearest", behavior: "instant" });
}

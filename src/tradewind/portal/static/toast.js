// Short messages in the corner, read out by screen readers through the live region around them.

const SHOWN_MS = 2400;

export function toast(text) {
  const message = document.createElement("div");
  message.className = "toast";
  message.textContent = text;
  const region = document.querySelector(".toasts");
  // In the top layer, so that an open dialog does not cover it.
  region.popover = "manual";
  region.showPopover();
  region.append(message);
  setTimeout(() => {
    message.remove();
    if (!region.hasChildNodes()) region.hidePopover();
  }, SHOWN_MS);
}

// What every page has: theme, copy buttons, tabs, shortcuts. Each is a module with one job.

import { startCopyButtons } from "./copy.js";
import { startRail } from "./rail.js";
import { startShortcuts } from "./shortcuts.js";
import { startTabs } from "./tabs.js";
import { startThemeToggle } from "./theme.js";

startThemeToggle();
startCopyButtons();
startTabs();
startRail();
startShortcuts();

// What policies found in a prompt and in its answer, as the API annotates it: Azure's
// `prompt_filter_results` and `content_filter_results`. What is safe is not shown.

const LABELS = {
  hate: "Hate",
  self_harm: "Self-harm",
  sexual: "Sexual",
  violence: "Violence",
  jailbreak: "Jailbreak",
  indirect_attack: "Indirect attack",
  pii: "Personal data",
  secret: "Secret",
  profanity: "Profanity",
  custom_blocklists: "Blocklist",
  protected_material_text: "Protected text",
  protected_material_code: "Protected code",
  ungrounded_material: "Ungrounded",
};

// Collects over the chunks of one stream.
export class FilterNotes {
  #found = new Map();
  isEnded = false;

  take(chunk) {
    for (const each of chunk.prompt_filter_results ?? []) {
      this.#keep("Prompt", each.content_filter_results);
    }
    for (const choice of chunk.choices ?? []) {
      this.#keep("Answer", choice.content_filter_results);
      if (choice.finish_reason === "content_filter") this.isEnded = true;
    }
  }

  // Returns what to show: text, and whether something was stopped or taken out.
  get notes() {
    return [...this.#found.values()];
  }

  #keep(where, results) {
    for (const [category, found] of Object.entries(results ?? {})) {
      const word = category === "error" ? "could not tell" : wordOf(found);
      if (!word) continue;
      const name = category === "error" ? "A check" : (LABELS[category] ?? category);
      const isGrave = Boolean(found.filtered || found.redacted || category === "error");
      this.#found.set(`${where} ${category}`, { text: `${where}: ${name}, ${word}`, isGrave });
    }
  }
}

function wordOf(found) {
  const what = found.severity ?? (found.detected || found.filtered ? "found" : "safe");
  if (what === "safe" && !found.filtered) return "";
  if (found.filtered) return `${what}, blocked`;
  return found.redacted ? `${what}, taken out` : what;
}

// Adds the notes below an answer. Text only: what a model or a policy says is never markup.
export function showFilterNotes(message, collected) {
  const notes = collected.notes;
  if (collected.isEnded) {
    notes.unshift({ text: "A policy ended this answer", isGrave: true });
  }
  if (!notes.length) return;
  const list = document.createElement("ul");
  list.className = "chips";
  list.setAttribute("aria-label", "What policies found");
  for (const note of notes) {
    const item = document.createElement("li");
    item.className = note.isGrave ? "badge badge-warn" : "badge";
    item.textContent = note.text;
    list.append(item);
  }
  message.append(list);
}

// Markdown to DOM nodes. Text only ever becomes text nodes and there is no way to write markup, so
// what a model says cannot become a part of the page. Every pattern is linear in its input.

const FENCE = /^\s{0,3}(```+|~~~+)\s*([\w+-]*)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^\s{0,3}>\s?(.*)$/;
const ITEM = /^(\s*)(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const TABLE_ROW = /^\s*\|.*\|\s*$/;
const TABLE_LINE = /^\s*\|[\s:|-]+\|\s*$/;

// Returns the nodes of a piece of Markdown that begins and ends between two blocks.
export function renderBlocks(source) {
  const lines = source.split("\n");
  const nodes = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at].trim() === "") {
      at += 1;
      continue;
    }
    const [node, next] = readBlock(lines, at);
    nodes.push(node);
    at = next;
  }
  return nodes;
}

// Returns how many characters at the start of `source` are whole blocks that nothing written later
// can change: all up to the last empty line that is not inside a fence.
export function settledLength(source) {
  let settled = 0;
  let at = 0;
  let fence = null;
  while (at < source.length) {
    const end = source.indexOf("\n", at);
    if (end < 0) break;
    const line = source.slice(at, end);
    const mark = FENCE.exec(line)?.[1];
    if (fence) {
      if (isClosing(line, fence)) {
        fence = null;
        settled = end + 1;
      }
    } else if (mark) {
      fence = mark;
    } else if (line.trim() === "") {
      settled = end + 1;
    }
    at = end + 1;
  }
  return settled;
}

function readBlock(lines, at) {
  const line = lines[at];
  if (FENCE.test(line)) return readFence(lines, at);
  if (HEADING.test(line)) return [readHeading(line), at + 1];
  if (RULE.test(line)) return [document.createElement("hr"), at + 1];
  if (QUOTE.test(line)) return readQuote(lines, at);
  if (TABLE_ROW.test(line) && TABLE_LINE.test(lines[at + 1] ?? "")) return readTable(lines, at);
  if (ITEM.test(line)) return readList(lines, at);
  return readParagraph(lines, at);
}

function readFence(lines, at) {
  const mark = FENCE.exec(lines[at])[1];
  let end = at + 1;
  while (end < lines.length && !isClosing(lines[end], mark)) end += 1;
  const code = document.createElement("code");
  code.textContent = lines.slice(at + 1, end).join("\n");
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.append(code);
  return [pre, end + 1];
}

function isClosing(line, mark) {
  const text = line.trim();
  return text.length >= mark.length && text === mark[0].repeat(text.length);
}

function readHeading(line) {
  const [, marks, text] = HEADING.exec(line);
  // The page itself has the first two levels.
  return inline(document.createElement(`h${Math.min(marks.length + 2, 6)}`), text);
}

function readQuote(lines, at) {
  const inner = [];
  let end = at;
  for (; end < lines.length && QUOTE.test(lines[end]); end += 1) {
    inner.push(inline(document.createElement("p"), QUOTE.exec(lines[end])[1]));
  }
  const quote = document.createElement("blockquote");
  quote.append(...inner);
  return [quote, end];
}

function readTable(lines, at) {
  const table = document.createElement("table");
  table.className = "table";
  addRow(table.createTHead(), lines[at], "th");
  const body = table.createTBody();
  let end = at + 2;
  for (; end < lines.length && TABLE_ROW.test(lines[end]); end += 1) {
    addRow(body, lines[end], "td");
  }
  const scroll = document.createElement("div");
  scroll.className = "table-scroll";
  scroll.tabIndex = 0;
  scroll.append(table);
  return [scroll, end];
}

function addRow(section, line, cell) {
  const row = section.insertRow();
  for (const text of line.trim().slice(1, -1).split("|")) {
    row.append(inline(document.createElement(cell), text.trim()));
  }
}

function readList(lines, at) {
  const [, indent, number] = ITEM.exec(lines[at]);
  const list = document.createElement(number === undefined ? "ul" : "ol");
  if (number !== undefined) list.start = Number(number);
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item) {
      // A line that goes on with the item before it.
      if (lines[end].trim() === "" || !/^\s/.test(lines[end])) break;
      inline(list.lastElementChild, ` ${lines[end].trim()}`);
      end += 1;
    } else if (item[1].length > indent.length + 1 && list.lastElementChild) {
      const [inner, next] = readList(lines, end);
      list.lastElementChild.append(inner);
      end = next;
    } else if (item[1].length < indent.length) {
      break;
    } else {
      list.append(inline(document.createElement("li"), item[3]));
      end += 1;
    }
  }
  return [list, end];
}

function readParagraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() !== "" && !startsBlock(lines[end])) end += 1;
  return [inline(document.createElement("p"), lines.slice(at, end).join("\n")), end];
}

function startsBlock(line) {
  return [FENCE, HEADING, RULE, QUOTE, TABLE_ROW, ITEM].some((pattern) => pattern.test(line));
}

const INLINE = new RegExp(
  [
    "`([^`]+)`",
    "\\*\\*([^*]+)\\*\\*",
    "\\*([^*\\s][^*]*)\\*",
    "\\[([^\\][]*)\\]\\((https?://[^\\s()]+)\\)",
    "(\\n)",
  ].join("|"),
  "g",
);

// Appends `text` to `parent` with code, bold, italics, links and line ends.
function inline(parent, text) {
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    parent.append(text.slice(at, match.index));
    parent.append(inlineNode(match));
    at = match.index + match[0].length;
  }
  parent.append(text.slice(at));
  return parent;
}

function inlineNode([, code, bold, italic, label, url]) {
  if (code !== undefined) return element("code", code);
  if (bold !== undefined) return element("strong", bold);
  if (italic !== undefined) return element("em", italic);
  if (url === undefined) return document.createElement("br");
  const link = element("a", label);
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

function element(name, text) {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}

// A model's text as nodes: paragraphs, headings, lists, code, bold, italics, boxes. Everything else stays as written,
// links and HTML too: nothing a model says is markup here, and nothing can be followed by a click.

import { findBoxes } from "./boxes.js";
import { h } from "./dom.js";

const ITEM = /^(\s*)([-*•]|\d{1,3}[.)])\s+(.*)$/;
const FENCE = /^\s*```/;

/** The text in blocks: each the lines of one paragraph, heading, list or fence. */
export function blocks(text) {
  const found = [];
  let lines = [];
  let fenced = false;
  const flush = () => {
    if (lines.length) found.push(lines.join("\n"));
    lines = [];
  };
  for (const line of text.split("\n")) {
    if (FENCE.test(line)) {
      if (!fenced) flush();
      lines.push(line);
      if (fenced) flush();
      fenced = !fenced;
    } else if (fenced) lines.push(line);
    else if (line.trim() === "") flush();
    else {
      const item = ITEM.test(line);
      const heading = /^#{1,4}\s/.test(line);
      if (lines.length && (heading || item !== ITEM.test(lines[0]))) {
        if (!(ITEM.test(lines[0]) && /^\s+\S/.test(line))) flush();
      }
      lines.push(line);
      if (heading) flush();
    }
  }
  flush();
  return found;
}

const INLINE = /(`[^`\n]+`)|(\*\*(?=\S)(?:[^*]|\*(?!\*))+?\*\*)|((?<![\w*])\*(?=[^\s*])[^*\n]*[^\s*]\*(?![\w*]))/g;

function words(text, onBox, out) {
  let from = 0;
  for (const { at, length, box } of findBoxes(text)) {
    out.append(text.slice(from, at), onBox ? onBox(text.slice(at, at + length), box) : text.slice(at, at + length));
    from = at + length;
  }
  out.append(text.slice(from));
}

function inline(text, onBox, out) {
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    words(text.slice(from, match.index), onBox, out);
    const [whole, code, bold] = match;
    if (code) out.append(h("code", null, code.slice(1, -1)));
    else {
      const node = h(bold ? "strong" : "em");
      words(bold ? whole.slice(2, -2) : whole.slice(1, -1), onBox, node);
      out.append(node);
    }
    from = match.index + whole.length;
  }
  words(text.slice(from), onBox, out);
  return out;
}

/** Lines moved left until the first begins at the margin. */
function outdented(lines) {
  const indent = /^\s*/.exec(lines[0])[0].length;
  return lines.map((line) => line.slice(Math.min(indent, /^\s*/.exec(line)[0].length)));
}

function list(lines, onBox) {
  const ordered = /^\s*\d/.test(lines[0]);
  const node = h(ordered ? "ol" : "ul", ordered ? { start: parseInt(lines[0], 10) } : null);
  const items = []; // each the lines of an item, without their indent: deeper items make a list of their own
  for (const line of lines) {
    const match = ITEM.exec(line);
    if (match && (match[1].length < 2 || !items.length)) items.push({ text: match[3], below: [] });
    else if (match) items.at(-1).below.push(line.slice(2));
    else if (items.at(-1).below.length) items.at(-1).below.push(line.slice(2));
    else items.at(-1).text += `\n${line.trim()}`;
  }
  for (const { text, below } of items) {
    const item = inline(text, onBox, h("li"));
    if (below.length) item.append(list(outdented(below), onBox));
    node.append(item);
  }
  return node;
}

function block(source, onBox) {
  const lines = source.split("\n");
  if (FENCE.test(lines[0])) {
    const closed = lines.length > 1 && FENCE.test(lines[lines.length - 1]);
    return h("pre", { tabindex: 0 }, h("code", null, lines.slice(1, closed ? -1 : undefined).join("\n")));
  }
  const heading = /^#{1,4}\s+(.*)$/.exec(source);
  if (heading) return inline(heading[1], onBox, h("p", { class: "heading", role: "heading", "aria-level": 3 }));
  if (ITEM.test(lines[0])) return list(lines, onBox);
  return inline(source, onBox, h("p"));
}

/**
 * Makes `node` show `text`. Blocks that did not change keep their nodes, so a selection and a long answer survive
 * streaming. `onBox(text, box)` makes the node of a box; without it boxes are words.
 */
export function show(node, text, onBox) {
  const sources = blocks(text);
  sources.forEach((source, index) => {
    const old = node.children[index];
    if (old?.source === source) return;
    const fresh = block(source, onBox);
    fresh.source = source;
    if (old) old.replaceWith(fresh);
    else node.append(fresh);
  });
  while (node.children.length > sources.length) node.lastElementChild.remove();
}

// Nodes are made by hand: whatever a model, a file name or a server says goes in as text, never as markup.

/** An element. Attributes that are functions become listeners; null, undefined and false are left out. */
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg"; // a name of the standard; nothing is fetched from it

/** One of the drawings at the end of index.html. Decoration: whoever holds it carries the label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button that is only a drawing, with its name for those who hover and those who listen. */
export function iconButton(name, label, click, more) {
  return h("button", { type: "button", class: "quiet icon-only", "aria-label": label, title: label, click, ...more }, icon(name));
}

export const find = (id) => document.getElementById(id);

/** A name short enough to show; the middle goes first, for the end says what kind of file it is. */
export function shortName(name, limit = 40) {
  const flat = String(name).replace(/\s+/g, " ");
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 13)}…${flat.slice(-12)}`;
}

/** An id no other conversation or picture has. Works without https, where randomUUID does not. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Which language the page speaks, and which colours it wears. Both follow the system until the reader says otherwise.

import { en } from "./strings.en.js";
import { zh } from "./strings.zh.js";

const STRINGS = { en, zh };
let current = "en";

/** Kept choices; a browser that keeps nothing gets the defaults each time. */
export const remembered = {
  get(name) {
    try {
      return localStorage.getItem(`chiasm.${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`chiasm.${name}`, value);
    } catch {
      // Nothing is kept here; the choice holds until the page is left.
    }
  },
};

export const language = () => current;

/** A string in the reader's language; `{name}` takes `values.name`. */
export function t(key, values) {
  const text = STRINGS[current][key];
  if (text === undefined) throw new Error(`no string called ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (values && name in values ? String(values[name]) : whole));
}

/** A count in the reader's way of writing numbers. */
export const number = (value) => new Intl.NumberFormat(current).format(value);

/** Puts the strings into the page: data-t is the text, data-t-label the name of what has no text, and so on. */
export function translate(root = document) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
    if (node.matches("button, label")) node.title = t(node.dataset.tLabel);
  }
  for (const node of root.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

export function speak(name) {
  current = name in STRINGS ? name : "en";
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  translate();
}

/** The language chosen last, or the first of the browser's that the page knows. */
export function startingLanguage() {
  const chosen = remembered.get("language");
  if (chosen in STRINGS) return chosen;
  for (const wanted of navigator.languages ?? []) {
    const short = wanted.slice(0, 2).toLowerCase();
    if (short in STRINGS) return short;
  }
  return "en";
}

const THEMES = ["system", "light", "dark"];

/** Sets "system", "light" or "dark"; without a name, the one chosen last. Returns it. */
export function wear(theme) {
  const name = THEMES.includes(theme) ? theme : THEMES.includes(remembered.get("theme")) ? remembered.get("theme") : "system";
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  if (theme) remembered.set("theme", name);
  return name;
}

export const nextTheme = (name) => THEMES[(THEMES.indexOf(name) + 1) % THEMES.length];

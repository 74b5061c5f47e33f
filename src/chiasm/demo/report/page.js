"use strict";
// The language, the tabs, the kinds, and where the model looked. Without it the page shows everything but the last.
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---- language
const english = document.getElementById("english");
const chinese = document.getElementById("chinese");
const kept = (() => { try { return localStorage.getItem("language"); } catch { return null; } })();
if (kept ? kept === "zh" : (navigator.language || "").startsWith("zh")) chinese.checked = true;
const speak = () => {
  root.lang = chinese.checked ? "zh" : "en";
  try { localStorage.setItem("language", root.lang); } catch { /* a file may not keep anything */ }
};
for (const input of [english, chinese]) input.addEventListener("change", speak);
root.lang = chinese.checked ? "zh" : "en";

// ---- tabs: one pair of pictures at a time
const tabs = all("[role=tab]");
const choose = (chosen) => {
  for (const tab of tabs) {
    const here = tab === chosen;
    tab.setAttribute("aria-selected", String(here));
    tab.tabIndex = here ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !here;
  }
};
if (tabs.length) {
  tabs[0].parentElement.hidden = tabs.length < 2;
  choose(tabs[0]);
}
tabs.forEach((tab, place) => {
  tab.addEventListener("click", () => { stop(); choose(tab); });
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
});

// ---- kinds: the first question of each, or all of one
const kinds = document.querySelector(".kinds");
const cards = all(".card");
const filter = (kind) => {
  const seen = new Set();
  for (const card of cards) {
    const first = !seen.has(card.dataset.kind);
    seen.add(card.dataset.kind);
    card.hidden = kind ? card.dataset.kind !== kind : !first;
  }
  for (const button of all("button", kinds)) {
    button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
  }
};
if (kinds && cards.length) {
  kinds.hidden = false;
  filter("");
  kinds.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) filter(button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.kind);
  });
}

// ---- where it looked: what is dark was passed over, what glows was looked at most
const looked = JSON.parse(document.getElementById("looked").textContent);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const DARK = 185; // of 255, over what was not looked at
const GLOW = [255, 178, 36, 150]; // over what was looked at most
let playing = 0;
let shownWord = null;

const drawMap = (canvas, map) => {
  const [rows, columns, packed] = map;
  const cells = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  canvas.width = columns;
  canvas.height = rows;
  const picture = new ImageData(columns, rows);
  cells.forEach((cell, place) => {
    const share = (cell / 255) ** 0.7;
    const lit = Math.max(0, 2 * share - 1);
    picture.data.set(share < 0.5 ? [0, 0, 0, DARK * (1 - 2 * share)] : [...GLOW.slice(0, 3), GLOW[3] * lit], 4 * place);
  });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  canvas.classList.add("on");
};
const clear = (set) => {
  for (const canvas of all("canvas", set)) canvas.classList.remove("on");
  for (const word of all(".word.on", set)) word.classList.remove("on");
  shownWord = null;
};
const show = (word) => {
  const answer = word.closest(".answer");
  const set = word.closest(".set");
  const found = (looked[answer.dataset.key] || [])[Number(word.dataset.word)];
  if (!found) return;
  clear(set);
  const [share, maps] = found;
  const canvases = all("canvas", set);
  answer.dataset.pictures.split(" ").forEach((place, number) => {
    if (maps[number] && canvases[Number(place)]) drawMap(canvases[Number(place)], maps[number]);
  });
  word.classList.add("on");
  shownWord = word;
  const percent = Math.round(100 * share);
  const caption = set.querySelector(".caption");
  const name = document.createElement("b");
  name.textContent = root.lang === "zh" ? `“${word.textContent}”` : `“${word.textContent}”`;
  const said = root.lang === "zh"
    ? `：注意力的 ${percent} % 在${maps.length > 1 ? "两张图" : "图"}上，其余在文字上。`
    : `: ${percent} % of its attention went to the ${maps.length > 1 ? "pictures" : "picture"}, the rest to text.`;
  caption.replaceChildren(name, said);
};
function stop() {
  clearTimeout(playing);
  playing = 0;
  for (const button of all(".play")) button.textContent = "▸";
}
const play = (button) => {
  const running = button.textContent !== "▸";
  stop();
  if (running) return;
  const words = all(".word", button.closest(".answer"));
  button.textContent = "■";
  let place = 0;
  const step = () => {
    if (place >= words.length) { stop(); return; }
    show(words[place++]);
    playing = setTimeout(step, still ? 900 : 420);
  };
  step();
};
for (const button of all(".play")) {
  button.hidden = false;
  button.addEventListener("click", () => play(button));
}
for (const answer of all(".answer")) {
  const words = all(".word", answer);
  if (!words.length) continue;
  // One stop of the keyboard an answer; arrows go from word to word.
  answer.tabIndex = 0;
  answer.addEventListener("pointerover", (event) => {
    const word = event.target.closest(".word");
    if (word && !playing && event.pointerType !== "touch") show(word);
  });
  answer.addEventListener("click", (event) => {
    const word = event.target.closest(".word");
    if (!word) return;
    stop();
    show(word);
  });
  answer.addEventListener("pointerleave", (event) => {
    if (!playing && event.pointerType !== "touch") clear(answer.closest(".set"));
  });
  answer.addEventListener("keydown", (event) => {
    if (event.target !== answer) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") { stop(); clear(answer.closest(".set")); return; }
    if (!step) return;
    event.preventDefault();
    stop();
    const at = words.indexOf(shownWord);
    show(words[at < 0 ? 0 : Math.min(words.length - 1, Math.max(0, at + step))]);
  });
}
root.dataset.ready = "yes";

"use strict";
// Draws the gallery from the JSON in the page. Everything from answers is set as text, never as HTML.

const galleries = JSON.parse(document.getElementById("galleries").textContent);
const VERDICTS = ["right", "partly", "wrong", "invalid"];
const CHANGES = { won: "▲ better", lost: "▼ worse" }; // than the run compared with
const chosen = { task: "", verdict: "", category: "", words: "" };
const by = (id) => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const shownGalleries = () => galleries.filter((gallery) => !chosen.task || gallery.task === chosen.task);

function fits(card) {
  if (chosen.verdict && card.verdict !== chosen.verdict && card.change !== chosen.verdict) return false;
  if (chosen.category && card.category !== chosen.category) return false;
  const text = [card.key, card.question, card.text, card.read_as, card.expected, card.other ? card.other.text : ""];
  const written = text.join("\n").toLowerCase();
  return chosen.words.toLowerCase().split(/\s+/).every((word) => written.includes(word));
}

function pair(list, term, text, className) {
  list.append(make("dt", "", term), make("dd", text ? className : "empty", text || "(empty)"));
}

function pictures(gallery, card) {
  const box = make("div", "pictures");
  for (const index of card.pictures) {
    if (index < 0) {
      box.append(make("span", "", "the picture is not here"));
      continue;
    }
    const image = make("img");
    image.src = gallery.pictures[index];
    image.alt = "";
    image.loading = "lazy";
    box.append(image);
  }
  return box;
}

function draw(gallery, card) {
  const article = make("article", "card");
  if (card.pictures.length) article.append(pictures(gallery, card));
  const body = make("div");
  const top = make("div", "top");
  const partly = card.verdict === "partly" ? ` ${card.value.toFixed(2)}` : "";
  top.append(make("span", `verdict ${card.verdict}`, card.verdict + partly));
  if (card.change) top.append(make("span", "", CHANGES[card.change]));
  if (card.num_pictures > card.pictures.length) top.append(make("span", "", `${card.num_pictures} pictures`));
  top.append(make("span", "", [galleries.length > 1 ? gallery.task : "", card.category, card.key].filter(Boolean).join(" · ")));
  const [first, ...rest] = card.question.split("\n");
  const question = make("div", "question", first);
  if (rest.length) question.append(make("small", "", rest.join("\n")));
  const list = make("dl");
  pair(list, "answer", card.text, card.verdict);
  if (card.read_as && card.read_as.toLowerCase() !== card.text.trim().toLowerCase()) pair(list, "read as", card.read_as);
  if (card.expected) pair(list, "expected", card.expected);
  if (card.other) pair(list, "other run", card.other.text, card.other.verdict);
  body.append(top, question, list);
  article.append(body);
  return article;
}

function options(select, first, names) {
  select.replaceChildren(new Option(first, ""), ...names.map((name) => new Option(name, name)));
  select.hidden = names.length < 2;
}

function verdictButtons() {
  const cards = shownGalleries().flatMap((gallery) => gallery.cards);
  const there = [...VERDICTS, "won", "lost"].filter((name) => cards.some((card) => card.verdict === name || card.change === name));
  if (!there.includes(chosen.verdict)) chosen.verdict = "";
  const buttons = ["", ...there].map((name) => {
    const button = make("button", "", CHANGES[name] || name || "all");
    button.type = "button";
    button.setAttribute("aria-pressed", String(chosen.verdict === name));
    button.addEventListener("click", () => {
      chosen.verdict = name;
      show();
    });
    return button;
  });
  by("verdicts").replaceChildren(...buttons);
}

function show() {
  verdictButtons();
  const drawn = shownGalleries().flatMap((gallery) => gallery.cards.filter(fits).map((card) => draw(gallery, card)));
  by("cards").replaceChildren(...drawn);
  const counts = {};
  let kept = 0;
  for (const gallery of shownGalleries()) {
    kept += gallery.cards.length;
    for (const name of VERDICTS) counts[name] = (counts[name] || 0) + (gallery.counts[name] || 0);
  }
  const all = VERDICTS.filter((name) => counts[name]).map((name) => `${counts[name].toLocaleString("en")} ${name}`);
  const total = VERDICTS.reduce((sum, name) => sum + counts[name], 0);
  by("count").textContent =
    `${drawn.length} shown of ${kept} kept here, chosen evenly from ${total.toLocaleString("en")} answers (${all.join(", ")})`;
}

function chooseTask() {
  const categories = new Set(shownGalleries().flatMap((gallery) => gallery.cards.map((card) => card.category)));
  chosen.category = "";
  options(by("category"), "all categories", [...categories].filter(Boolean).sort());
  show();
}

if (galleries.some((gallery) => gallery.cards.length)) {
  document.querySelector(".filters").hidden = false;
  options(by("task"), "all benchmarks", galleries.map((gallery) => gallery.task));
  by("task").addEventListener("change", (event) => {
    chosen.task = event.target.value;
    chooseTask();
  });
  by("category").addEventListener("change", (event) => {
    chosen.category = event.target.value;
    show();
  });
  by("words").addEventListener("input", (event) => {
    chosen.words = event.target.value.trim();
    show();
  });
  chooseTask();
} else {
  by("answers").hidden = true;
}

"use strict";
// Draws the gallery from the JSON in the page. What teachers wrote is set as text, never as HTML.

const examples = JSON.parse(document.getElementById("examples").textContent);
const chosen = { reason: "*", kind: "*", language: "*", words: "" };
const by = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function draw(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// One colour a category, far apart for neighbours in the list.
const colour = (index) => `hsl(${(index * 137.5) % 360} 85% 62%)`;

function pictureOf(example, height) {
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img" });
  const categories = [...new Set(example.boxes.map((box) => box[0]))];
  svg.setAttribute("aria-label", categories.length ? `boxes: ${categories.join(", ")}` : example.image);
  if (example.picture) {
    svg.append(draw("image", { href: example.picture, width: WIDTH, height, preserveAspectRatio: "none" }));
  }
  for (const [category, x1, y1, x2, y2] of example.boxes) {
    const stroke = colour(categories.indexOf(category));
    svg.append(draw("rect", { x: x1 * WIDTH, y: y1 * height, width: Math.max(0, x2 - x1) * WIDTH, height: Math.max(0, y2 - y1) * height, stroke }));
  }
  // Large things are named first, so that names of small ones lie on top.
  const area = ([, x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  for (const [category, x1, y1] of [...example.boxes].sort((a, b) => area(b) - area(a)).slice(0, 20)) {
    svg.append(draw("text", { x: x1 * WIDTH + 3, y: Math.min(height - 3, y1 * height + 11) }, category));
  }
  return svg;
}

// The words between “ and ” in what the checks say.
function objected(example) {
  const words = example.found.flatMap(([, message]) => [...message.matchAll(/“([^”]+)”/g)].map((match) => match[1].toLowerCase()));
  return [...new Set(words)].sort((a, b) => b.length - a.length);
}

function marked(paragraph, text, words) {
  const lowered = text.toLowerCase();
  let at = 0;
  while (at < text.length) {
    let next = text.length;
    let length = 0;
    for (const word of words) {
      const place = lowered.indexOf(word, at);
      if (place >= 0 && place < next) {
        next = place;
        length = word.length;
      }
    }
    paragraph.append(text.slice(at, next));
    if (length) paragraph.append(make("mark", "", text.slice(next, next + length)));
    at = next + length;
  }
  if (!text.trim()) {
    paragraph.classList.add("empty");
    paragraph.textContent = "(empty)";
  }
  return paragraph;
}

function card(example) {
  const article = make("article", "card");
  const holder = make("div");
  const [width, height] = example.shape;
  if (example.boxes.length && !example.picture) {
    article.append(pictureOf(example, (WIDTH * height) / width));
  } else if (example.picture) {
    // The thumbnail knows the shape best: nobody need have said width and height.
    const image = new Image();
    image.addEventListener("load", () => holder.replaceChildren(pictureOf(example, (WIDTH * image.naturalHeight) / image.naturalWidth)));
    image.src = example.picture;
    article.append(holder);
  }
  const body = make("div", "body");
  const top = make("div", "top");
  top.append(make("span", example.reason ? "verdict no" : "verdict", example.reason || "accepted"), make("span", "", `${example.kind} · ${example.language}`));
  if (example.known !== null) top.append(make("span", "", `${Math.round(100 * example.known)} % of its objects known`));
  top.append(make("span", "", example.image));
  body.append(top);
  if (example.found.length) {
    const list = make("ul", "found");
    for (const [reason, message] of example.found) {
      const item = make("li", "", "");
      item.append(make("b", "", reason), `: ${message}`);
      list.append(item);
    }
    body.append(list);
  }
  if (example.captions.length) {
    const told = make("details", "told");
    const list = make("ul");
    for (const caption of example.captions) list.append(make("li", "", caption));
    told.append(make("summary", "", `${example.captions.length} captions, ${example.boxes.length} boxes`), list);
    body.append(told);
  }
  const turns = make("div", "turns");
  turns.tabIndex = 0;
  const words = objected(example);
  for (const [question, answer] of example.turns) {
    turns.append(marked(make("p", "question"), question, words), marked(make("p", "answer"), answer, words));
  }
  if (!example.turns.length) turns.append(make("p", "empty", "(no turns)"));
  body.append(turns);
  article.append(body);
  return article;
}

function fits(example) {
  for (const name of ["reason", "kind", "language"]) {
    if (chosen[name] !== "*" && example[name] !== chosen[name]) return false;
  }
  const written = [...example.turns.flat(), ...example.captions, example.image].join("\n").toLowerCase();
  return chosen.words.toLowerCase().split(/\s+/).every((word) => written.includes(word));
}

function show() {
  const shown = examples.filter(fits);
  by("cards").replaceChildren(...shown.map(card));
  by("count").textContent = `${shown.length} of ${examples.length} samples kept here, drawn by chance from each reason and kind`;
}

function choice(name, all, label) {
  const values = [...new Set(examples.map((example) => example[name]))].sort();
  by(name).replaceChildren(new Option(all, "*"), ...values.map((value) => new Option(label(value), value)));
  by(name).hidden = values.length < 2;
  by(name).addEventListener("change", (event) => {
    chosen[name] = event.target.value;
    show();
  });
}

if (examples.length) {
  document.querySelector(".filters").hidden = false;
  choice("reason", "accepted and rejected", (value) => value || "accepted");
  choice("kind", "all kinds", (value) => value);
  choice("language", "all languages", (value) => value);
  by("words").addEventListener("input", (event) => {
    chosen.words = event.target.value.trim();
    show();
  });
  show();
} else {
  by("gallery").hidden = true;
}

"use strict";
// Everything from the records is put in as text, never as markup.
const told = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#e5484d", "#3e63dd", "#30a46c", "#f5a524", "#ab4aba", "#12a594", "#f76b15", "#0090ff", "#8e4ec6", "#86b300"];
const SVG = "http://www.w3.org/2000/svg";

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function count(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

// Equal boxes share a number and a colour wherever they stand.
function numbered(record) {
  const names = new Map();
  for (const turn of record.turns)
    for (const box of turn.boxes) {
      const name = box.slice(2).join();
      if (!names.has(name)) names.set(name, { number: names.size + 1, at: box.slice(2), colour: COLOURS[names.size % COLOURS.length] });
    }
  return names;
}

function drawn(names) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 400 400");
  for (const [name, box] of names) {
    const [x1, y1, x2, y2] = box.at.map((value) => value * 400);
    const rect = document.createElementNS(SVG, "rect");
    const values = { x: x1, y: y1, width: Math.max(x2 - x1, 1), height: Math.max(y2 - y1, 1) };
    for (const [key, value] of Object.entries(values)) rect.setAttribute(key, value);
    rect.dataset.box = name;
    rect.style.setProperty("--box", box.colour);
    const label = document.createElementNS(SVG, "text");
    label.setAttribute("x", Math.min(x1 + 4, 385));
    label.setAttribute("y", Math.min(y1 + 15, 396));
    label.textContent = box.number;
    svg.append(rect, label);
  }
  return svg;
}

function pictureOf(picture, names, first) {
  const caption = make("figcaption", {}, picture.name);
  if (picture.width) caption.append(` · ${picture.width} × ${picture.height}`);
  const figure = make("figure");
  if (picture.problem) figure.append(make("p", { className: "problem" }, `picture ${picture.problem}`));
  const square = first && names.size > 0;
  if (picture.data || square) {
    const frame = make("div", { className: square ? "frame square" : "frame" });
    if (picture.data) frame.append(make("img", { src: picture.data, alt: "", loading: "lazy" }));
    if (square) {
      frame.append(drawn(names));
      caption.append(" · on its padded square");
    }
    figure.append(frame);
  }
  figure.append(caption);
  return figure;
}

function turnOf(turn, names) {
  const element = make("div", { className: `turn ${turn.role}` }, make("small", {}, turn.role));
  const trained = turn.role === "assistant" ? make("span", { className: "trained" }) : make("span");
  // Python counts characters, JavaScript UTF-16 units: they differ behind an emoji.
  const letters = Array.from(turn.text);
  let at = 0;
  for (const [start, end, ...box] of turn.boxes) {
    const known = names.get(box.join());
    const button = make("button", { className: "box", type: "button", title: `box ${known.number}` });
    button.dataset.box = box.join();
    button.style.setProperty("--box", known.colour);
    button.append(letters.slice(start, end).join(""));
    trained.append(letters.slice(at, start).join(""), button);
    at = end;
  }
  trained.append(letters.slice(at).join(""));
  element.append(trained);
  if (turn.cut) element.append(make("small", {}, `… and ${count(turn.cut, "more character")}`));
  return element;
}

function templateOf(template) {
  const pre = make("pre");
  for (const [text, trained] of template.runs) pre.append(trained ? make("span", { className: "trained" }, text) : text);
  const said = `as the template ${told.template} writes it: ${count(template.tokens, "token")} besides the pictures, ${template.trained.toLocaleString("en")} trained`;
  return make("details", {}, make("summary", {}, said), pre);
}

function articleOf(record) {
  const names = numbered(record);
  const body = make("div", { className: "body" });
  const head = make("div", { className: "head" }, make("span", {}, `#${record.place}`), make("b", {}, record.id), make("span", {}, record.source));
  if (names.size) head.append(make("span", {}, count(names.size, "box").replace("boxs", "boxes")));
  body.append(head);
  if (record.problem) body.append(make("p", { className: "problem" }, record.problem), make("pre", {}, record.raw));
  for (const turn of record.turns) body.append(turnOf(turn, names));
  if (record.template) body.append(templateOf(record.template));
  const article = make("article");
  if (record.pictures.length) {
    const pictures = make("div", { className: "pictures" });
    record.pictures.forEach((picture, number) => pictures.append(pictureOf(picture, names, number === 0)));
    if (record.more_pictures) pictures.append(make("p", {}, `and ${count(record.more_pictures, "more picture")}`));
    article.append(pictures);
  } else article.classList.add("plain");
  article.append(body);
  const words = [record.id, record.source, record.problem || "", ...record.turns.map((turn) => turn.text), ...record.pictures.map((p) => p.name)];
  return { article, source: record.source, boxes: names.size > 0, problem: Boolean(record.problem), text: words.join("\n").toLowerCase() };
}

function light(event, on) {
  const name = event.target.dataset && event.target.dataset.box;
  if (name === undefined) return;
  const same = event.target.closest("article").querySelectorAll("[data-box]");
  for (const element of same) if (element.dataset.box === name) element.classList.toggle("on", on);
}

function page() {
  const entries = told.records.map(articleOf);
  const search = make("input", { type: "search", placeholder: "search text, id, picture", ariaLabel: "search" });
  const source = make("select", { ariaLabel: "source" }, make("option", { value: "" }, "every source"));
  const totals = new Map();
  for (const entry of entries) totals.set(entry.source, (totals.get(entry.source) || 0) + 1);
  for (const [name, total] of [...totals].sort()) source.append(make("option", { value: name }, `${name} (${total})`));
  const boxes = make("input", { type: "checkbox" });
  const problems = make("input", { type: "checkbox" });
  const number = make("span", { role: "status" });
  const bar = make("div", { className: "bar" }, search, source, make("label", {}, boxes, "with boxes"));
  if (entries.some((entry) => entry.problem)) bar.append(make("label", {}, problems, "with a problem"));
  bar.append(number);
  const trained = told.template ? "" : " · answers are what is trained";
  const header = make("header", {}, make("h1", {}, told.title + " ", make("small", {}, told.picked + trained)), bar);
  if (!told.pictures) header.append(make("small", {}, "Pictures are not shown: --images says where they are."));
  if (told.torn) header.append(make("small", { className: "problem" }, told.torn));
  const main = make("main", {}, ...entries.map((entry) => entry.article));

  function sift() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const entry of entries) {
      const fits = (!source.value || entry.source === source.value) && (!boxes.checked || entry.boxes)
        && (!problems.checked || entry.problem) && wanted.every((word) => entry.text.includes(word));
      entry.article.hidden = !fits;
      left += fits;
    }
    number.textContent = count(left, "record") + " shown";
  }
  for (const control of [search, source, boxes, problems]) control.addEventListener("input", sift);
  for (const [begin, end] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    main.addEventListener(begin, (event) => light(event, true));
    main.addEventListener(end, (event) => light(event, false));
  }
  sift();
  document.getElementById("page").append(header, main);
}

page();

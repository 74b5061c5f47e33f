// Where a model looked for an answer: its words to point at, and heat over the pictures. No network in here.

import { h } from "./dom.js";
import { number, t } from "./language.js";
import { pictureLabel } from "./viewer.js";

const VEIL = { colour: [14, 14, 22], most: 0.6 }; // over what was not looked at
const GLOW = { colour: [255, 110, 40], most: 0.5 }; // over what was looked at most

const sum = (shares) => shares.reduce((all, share) => all + share, 0);
const percent = (heats) => `${number(Math.round(100 * sum(heats.map(sum))))} %`;

/** Paints shares onto a canvas of one point a cell, which is stretched over the picture. `most` is as bright as it gets. */
function paint(canvas, shares, most) {
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(canvas.width, canvas.height);
  shares.forEach((share, cell) => {
    const heat = most > 0 ? share / most : 0;
    const glow = GLOW.most * heat;
    const veil = VEIL.most * (1 - heat) * (1 - glow);
    const mixed = VEIL.colour.map((dark, at) => (GLOW.colour[at] * glow + dark * veil) / (glow + veil || 1));
    image.data.set([...mixed, 255 * (glow + veil)], 4 * cell);
  });
  pen.putImageData(image, 0, 0);
}

/** One answer's maps. `looked` is what the server said, `pictures` those it was about, in their order. */
export class Gaze {
  constructor(looked, pictures, gallery) {
    Object.assign(this, { looked, pictures, gallery });
    this.pinned = null; // the word that was pressed
  }

  /** {words, maps}: the answer's text with its words to point at, and the pictures with their heat. */
  nodes() {
    this.canvases = this.looked.pictures.map(({ rows, columns }) => h("canvas", { class: "heat", width: columns, height: rows, "aria-hidden": "true" }));
    this.said = h("p", { class: "note", role: "status" });
    const figures = this.pictures.map((picture, at) => this.figure(picture, this.canvases[at]));
    const maps = h("div", { class: "gaze" }, h("div", { class: `maps ${figures.length === 1 ? "one" : "many"}` }, ...figures), this.said);
    const words = this.words();
    this.rest();
    return { words, maps };
  }

  figure(picture, canvas) {
    const image = h("img", { alt: pictureLabel(picture), width: picture.width, height: picture.height, decoding: "async" });
    this.gallery.address(picture.id).then((address) => address && (image.src = address));
    const map = h("div", { class: "map" }, image, canvas);
    map.style.setProperty("--ratio", String(picture.width / picture.height));
    return map;
  }

  words() {
    const letters = Array.from(this.looked.answer); // places are counted in characters, strings in halves of some
    const node = h("p", { class: "words", role: "group", "aria-label": t("looked.words") });
    let from = 0;
    this.buttons = this.looked.words.map(({ start, end }, index) => {
      const button = h(
        "button",
        {
          type: "button",
          class: "word",
          tabindex: index === (this.pinned ?? 0) ? 0 : -1,
          "aria-pressed": index === this.pinned ? "true" : "false",
          mouseenter: () => this.point(index),
          mouseleave: () => this.rest(),
          focus: () => this.point(index),
          blur: () => this.rest(),
          click: () => this.pin(index),
        },
        letters.slice(start, end).join(""),
      );
      node.append(letters.slice(from, start).join(""), button);
      from = end;
      return button;
    });
    node.append(letters.slice(from).join(""));
    node.addEventListener("keydown", (event) => this.walk(event));
    return node;
  }

  /** One stop of the tab key for all words; arrows go from word to word. */
  walk(event) {
    const here = this.buttons.indexOf(document.activeElement);
    const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: this.buttons.length - 1 };
    const next = this.buttons[steps[event.key]];
    if (here < 0 || !next) return;
    event.preventDefault();
    this.buttons[here].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  pin(index) {
    this.pinned = this.pinned === index ? null : index;
    this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === this.pinned)));
    this.point(index);
  }

  point(index) {
    const { text, heats } = this.looked.words[index];
    this.show(heats, t("looked.word", { word: text, share: percent(heats) }));
  }

  /** Nothing is pointed at: the word that was pressed, else the whole answer. */
  rest() {
    if (this.pinned !== null) return this.point(this.pinned);
    return this.show(this.looked.whole, t("looked.whole", { share: percent(this.looked.whole) }));
  }

  show(heats, said) {
    const most = Math.max(...heats.map((shares) => Math.max(...shares)));
    this.canvases.forEach((canvas, at) => paint(canvas, heats[at], most));
    this.said.textContent = said;
  }
}

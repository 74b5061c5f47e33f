// A picture in full, with the boxes an answer names.

import { findBoxes, onPicture } from "./boxes.js";
import { find, h, shortName } from "./dom.js";
import { number, t } from "./language.js";

/** What a picture is called on the page: name and size, and the size it came in. */
export function pictureLabel({ name, width, height, from }) {
  const values = { name: shortName(name), width: number(width), height: number(height) };
  if (!from) return t("picture", values);
  return t("picture.smaller", { ...values, fromWidth: number(from[0]), fromHeight: number(from[1]) });
}

const same = (one, other) => one.every((edge, at) => edge === other?.[at]);

/** Draws boxes into a layer that covers the picture exactly. The marked one stands out. */
export function drawBoxes(layer, { width, height }, boxes, marked) {
  const frames = boxes.map((box) => {
    const part = onPicture(box, width, height);
    if (!part) return null;
    const frame = h("span", { class: `frame ${same(box, marked) ? "marked" : ""}` });
    for (const side of ["left", "top", "width", "height"]) frame.style[side] = `${part[side] * 100}%`;
    return frame;
  });
  layer.replaceChildren(...frames.filter(Boolean));
}

export class Viewer {
  constructor(gallery) {
    this.gallery = gallery;
    this.dialog = find("viewer");
    find("viewer-close").addEventListener("click", () => this.dialog.close());
    find("viewer-previous").addEventListener("click", () => this.step(-1));
    find("viewer-next").addEventListener("click", () => this.step(1));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.step(-1);
      if (event.key === "ArrowRight") this.step(1);
    });
  }

  /** Opens picture `at`; boxes are those the `text` names, and `marked` is the one that was pressed. */
  async open(pictures, at, text, marked) {
    Object.assign(this, { pictures, at, marked, boxes: text.length ? findBoxes(text).map(({ box }) => box) : [] });
    await this.draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  async step(by) {
    const at = this.at + by;
    if (!this.pictures[at]) return;
    this.at = at;
    await this.draw();
  }

  async draw() {
    const picture = this.pictures[this.at];
    const image = find("viewer-image");
    const address = await this.gallery.address(picture.id);
    if (address) image.src = address;
    else image.removeAttribute("src");
    image.alt = pictureLabel(picture);
    image.width = picture.width;
    image.height = picture.height;
    image.style.setProperty("--ratio", String(picture.width / picture.height));
    image.style.setProperty("--wide", `${picture.width}px`);
    drawBoxes(find("viewer-boxes"), picture, this.boxes, this.marked);
    const several = this.pictures.length > 1;
    const beyond = this.marked && !onPicture(this.marked, picture.width, picture.height);
    const notes = [address ? pictureLabel(picture) : t("picture.gone"), beyond ? t("box.beyond") : "", this.marked && several ? t("box.which") : ""];
    find("viewer-caption").textContent = notes.filter(Boolean).join(" · ");
    find("viewer-previous").hidden = find("viewer-next").hidden = !several;
    find("viewer-previous").disabled = this.at === 0;
    find("viewer-next").disabled = this.at === this.pictures.length - 1;
  }
}

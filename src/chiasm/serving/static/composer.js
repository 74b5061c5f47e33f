// The field to ask in: text, pictures, ideas for a question, and what all of it costs in tokens.

import { Camera } from "./camera.js";
import { find, h, icon, iconButton, shortName } from "./dom.js";
import { number, t } from "./language.js";
import { LARGEST_FILE, MOST_PICTURES, PictureError, readPicture } from "./pictures.js";
import { pictureLabel } from "./viewer.js";

const PRESETS = ["describe", "ask", "homework", "story", "product", "social", "alt", "compare", "read"];

/** `on`: send(text, pictures), stop(), notice(text), changed() the text or the pictures did. */
export class Composer {
  constructor(on) {
    this.on = on;
    this.pictures = [];
    this.writing = false;
    this.began = false;
    this.reading = Promise.resolve();
    this.field = find("question");
    this.addresses = new Map();
    this.camera = new Camera((file) => this.add([file]));
    this.listen();
  }

  listen() {
    find("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    find("stop").addEventListener("click", () => this.on.stop());
    this.field.addEventListener("input", () => this.typed());
    this.field.addEventListener("keydown", (event) => {
      // While an input method is composing (Chinese, Japanese), Enter belongs to it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.send();
    });
    for (const id of ["choose", "empty-choose"]) find(id).addEventListener("click", () => find("file").click());
    for (const id of ["capture", "empty-capture"]) find(id).addEventListener("click", () => this.camera.take());
    for (const id of ["file", "shot"]) {
      find(id).addEventListener("change", (event) => {
        this.add([...event.target.files]);
        event.target.value = ""; // so that the same file can be chosen again
      });
    }
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.add(files);
    });
    this.listenForDrops();
  }

  listenForDrops() {
    let depth = 0;
    const over = (by) => {
      depth = Math.max(0, depth + by);
      find("drop").hidden = depth === 0;
    };
    const files = (event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragenter", (event) => files(event) && over(1));
    window.addEventListener("dragleave", (event) => files(event) && over(-1));
    window.addEventListener("dragover", (event) => files(event) && event.preventDefault());
    window.addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault(); // or the browser would leave the page for the file
      over(-depth);
      this.add([...event.dataTransfer.files]);
    });
  }

  /** Adds files in their order, one after the other. */
  add(files) {
    this.reading = this.reading.then(() => this.read(files));
    return this.reading;
  }

  async read(files) {
    const fit = files.slice(0, Math.max(0, MOST_PICTURES - this.pictures.length));
    if (fit.length < files.length) this.on.notice(t("picture.many", { limit: MOST_PICTURES, left: files.length - fit.length }));
    for (const file of fit) {
      try {
        const picture = await readPicture(file);
        this.addresses.set(picture.id, URL.createObjectURL(picture.blob));
        this.pictures.push(picture);
      } catch (error) {
        const reason = error instanceof PictureError ? error.reason : "unreadable";
        this.on.notice(t(`picture.${reason}`, { name: shortName(file.name), limit: LARGEST_FILE / 2 ** 20 }));
      }
    }
    this.draw();
    this.field.focus();
    this.on.changed();
  }

  take(id) {
    this.pictures = this.pictures.filter((picture) => picture.id !== id);
    URL.revokeObjectURL(this.addresses.get(id));
    this.addresses.delete(id);
    this.draw();
    this.field.focus();
    this.on.changed();
  }

  async send() {
    await this.reading;
    const text = this.field.value.trim();
    if (this.writing || (!text && !this.pictures.length)) return;
    const { pictures } = this;
    for (const address of this.addresses.values()) URL.revokeObjectURL(address);
    this.addresses.clear();
    this.pictures = [];
    this.field.value = "";
    this.draw();
    this.on.send(text, pictures);
  }

  typed() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
    this.enable();
    this.on.changed();
  }

  /** `writing`: an answer is on its way, so the button stops it. `began`: the conversation has turns. */
  set({ writing, began }) {
    const was = this.writing;
    Object.assign(this, { writing, began });
    const focused = document.activeElement === find("stop") || document.activeElement === find("send");
    find("send").hidden = writing;
    find("stop").hidden = !writing;
    if (was !== writing && focused) (writing ? find("stop") : this.field).focus();
    this.draw();
  }

  enable() {
    find("send").disabled = !this.field.value.trim() && !this.pictures.length;
    find("presets").hidden = this.writing || this.field.value !== "" || (this.began && !this.pictures.length);
  }

  draw() {
    const items = this.pictures.map((picture) => {
      const label = pictureLabel(picture);
      const remove = iconButton("close", t("remove", { name: shortName(picture.name) }), () => this.take(picture.id));
      const image = h("img", { src: this.addresses.get(picture.id), alt: label, title: label });
      return h("li", null, image, picture.from && h("span", { class: "scaled" }, t("picture.scaled")), remove);
    });
    find("drafts").replaceChildren(...items);
    const several = this.pictures.length > 1;
    const order = several ? ["compare", ...PRESETS.filter((name) => name !== "compare")] : PRESETS;
    const ideas = order.map((name) => h("button", { type: "button", class: several && name === "compare" && "first", click: () => this.fill(name) }, t(`preset.${name}`)));
    find("presets").replaceChildren(...ideas);
    this.field.placeholder = t(this.began ? "question.follow" : "question.placeholder");
    this.field.style.height = "auto";
    this.enable();
  }

  fill(name) {
    this.field.value = t(`preset.${name}.prompt`);
    this.typed();
    this.field.focus();
    this.field.select();
  }

  /** What the server counted, or null where it does not count. */
  count(counted) {
    const node = find("tokens");
    node.classList.toggle("over", Boolean(counted?.limit && counted.total > counted.limit));
    node.replaceChildren();
    if (!counted) return;
    const { total, pictures, limit } = counted;
    if (limit && total > limit) node.append(icon("warning"), t("tokens.over", { limit: number(limit) }));
    else {
      const values = { count: number(total), pictures: number(pictures ?? 0), text: number(total - (pictures ?? 0)) };
      node.append(t(pictures ? "tokens.pictures" : "tokens", values));
      if (limit) node.title = t("tokens.limit", { limit: number(limit) });
    }
  }
}

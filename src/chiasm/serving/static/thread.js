// The turns of a conversation on the page.

import { pictureIds, picturesBefore, shownAnswer } from "./conversation.js";
import { h, icon, iconButton, shortName } from "./dom.js";
import { language, number, t } from "./language.js";
import { show } from "./prose.js";
import { drawBoxes, pictureLabel } from "./viewer.js";

/** A button of a turn; its key finds it again when the turns are drawn anew under it. */
const action = (key, name, label, click) => h("button", { type: "button", class: "quiet small", "data-key": key, click }, icon(name), label);

function usageText({ usage, seconds }) {
  if (!usage) return null;
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const values = { prompt: number(usage.prompt_tokens), cached: number(cached), answer: number(usage.completion_tokens) };
  const said = t(cached ? "usage.cached" : "usage", values);
  return seconds === null ? said : `${said} · ${t("usage.seconds", { seconds: number(seconds) })}`;
}

function troubleText({ kind, message, wait }) {
  const hint = kind === "busy" && wait ? t("error.busy.wait", { seconds: number(wait) }) : t(`error.${kind}.hint`);
  return [t(`error.${kind}`), message ? shortName(message, 400) : "", hint].filter(Boolean).join(language() === "zh" ? "" : " ");
}

function unfamiliarText({ places, of }) {
  if (of === 1) return t("unfamiliar.one");
  return t("unfamiliar.some", { which: places.map((place) => number(place + 1)).join(language() === "zh" ? "、" : ", ") });
}

/**
 * `actions`: open(pictures, at, boxes, marked), rephrase(index, text), again(), another(), choose(index, version), copy(text),
 * look(index). `looks`: the server says where its model looked; `gazes` has the Gaze of answers that show it, or "coming".
 * `gallery` gives the pictures' addresses.
 */
export class Thread {
  constructor(node, gallery, actions) {
    Object.assign(this, { node, gallery, actions });
    this.editing = null;
    this.body = null;
    this.frame = 0;
    this.looks = false;
    this.gazes = new WeakMap();
  }

  /** Draws all turns. `writing`: the last answer is being written here; `elsewhere`: in another tab. */
  show(conversation, { writing, elsewhere }) {
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.conversation = conversation;
    this.body = null;
    const last = conversation.turns.length - 1;
    const nodes = conversation.turns.map((turn, index) =>
      turn.role === "user" ? this.question(turn, index, writing) : this.answer(turn, index, { last: index === last, writing, elsewhere }),
    );
    this.node.replaceChildren(...nodes);
    if (focused) this.node.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  /** The answer being written grew: drawn at most once a frame. */
  grow(answer) {
    if (this.frame || !this.body) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.body) show(this.body, answer.text, this.boxMaker);
      this.grown?.();
    });
  }

  edit(index) {
    this.editing = index;
    this.actions.redraw();
    this.node.querySelector("textarea")?.select();
  }

  question(turn, index, writing) {
    const shots = turn.pictures.map((picture, at) => this.shot(picture, () => this.actions.open(turn.pictures, at, [])));
    const pictures = shots.length > 0 && h("div", { class: `shots ${shots.length === 1 ? "one" : "many"}` }, ...shots);
    const editing = this.editing === index && !writing;
    const words = editing ? this.editor(turn, index) : turn.text && h("p", { class: "said" }, turn.text);
    const tools =
      !writing &&
      !editing &&
      h(
        "div",
        { class: "tools" },
        action(`${index}.edit`, "edit", t("edit"), () => this.edit(index)),
        turn.text && action(`${index}.copy`, "copy", t("copy"), (event) => this.actions.copy(turn.text, event.currentTarget)),
      );
    return h("article", { class: "turn question" }, h("h2", { class: "unseen" }, t("you")), pictures, words, tools);
  }

  shot(picture, click) {
    const label = pictureLabel(picture);
    const image = h("img", { alt: label, width: picture.width, height: picture.height, decoding: "async" });
    const figure = h("button", { type: "button", class: "shot", "data-picture": picture.id, title: label, click }, image, h("span", { class: "boxes", "aria-hidden": "true" }));
    this.gallery.address(picture.id).then((address) => {
      if (address) image.src = address;
      else figure.replaceChildren(h("span", { class: "gone" }, t("picture.gone")));
    });
    return figure;
  }

  editor(turn, index) {
    const field = h("textarea", { rows: 3, "aria-label": t("question") });
    field.value = turn.text;
    const leave = () => {
      this.editing = null;
      this.actions.redraw();
      this.node.querySelector(`[data-key="${index}.edit"]`)?.focus();
    };
    const send = () => {
      if (!field.value.trim() && !turn.pictures.length) return;
      this.editing = null;
      this.actions.rephrase(index, field.value);
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        leave();
      } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault();
        send();
      }
    });
    const buttons = h(
      "div",
      { class: "row" },
      h("span", { class: "note grow" }, t("edit.note")),
      h("button", { type: "button", class: "quiet", click: leave }, t("edit.cancel")),
      h("button", { type: "button", class: "main", click: send }, t("edit.again")),
    );
    return h("div", { class: "editor" }, field, buttons);
  }

  answer(turn, index, { last, writing, elsewhere }) {
    const answer = shownAnswer(turn);
    const here = last && writing;
    const pictures = picturesBefore(this.conversation, index);
    const maker = pictures.length > 0 ? (text, box) => this.box(text, box, answer, pictures) : null;
    const gaze = this.gazes.get(answer);
    const seen = gaze && gaze !== "coming" && !here ? gaze.nodes() : null;
    const body = h("div", { class: `prose ${here ? "writing" : ""}` }, seen?.words);
    if (!seen) show(body, answer.text, maker);
    if (here) {
      this.body = body;
      this.boxMaker = maker;
    }
    const node = h("article", { class: "turn answer", "aria-busy": here ? "true" : "false" }, h("h2", { class: "unseen" }, t("answer")), body, seen?.maps);
    if (!here) node.append(...this.below(turn, answer, index, { last, writing, elsewhere }));
    return node;
  }

  /** What stands below an answer that is over: how it ended, what can be done with it, what it used. */
  below(turn, answer, index, { last, writing, elsewhere }) {
    const nodes = [];
    if (answer.state === "failed") {
      const retry = last && !writing && h("button", { type: "button", class: "main", "data-key": `${index}.retry`, click: () => this.actions.again() }, t("retry"));
      nodes.push(h("div", { class: "trouble", role: "alert" }, icon("warning"), h("p", null, answer.error ? troubleText(answer.error) : t("state.failed")), retry));
    } else if (answer.state === "writing") nodes.push(h("p", { class: "state" }, t(elsewhere ? "state.elsewhere" : "state.cut")));
    else if (answer.state !== "whole") nodes.push(h("p", { class: "state" }, t(`state.${answer.state}`)));
    else if (answer.text === "") nodes.push(h("p", { class: "state" }, t("error.empty")));
    if (answer.unfamiliar) nodes.push(h("p", { class: "state" }, unfamiliarText(answer.unfamiliar)));
    const usage = usageText(answer);
    const looks = this.looks && !writing && answer.text.trim() && pictureIds({ turns: this.conversation.turns.slice(0, index) }).length > 0;
    const again = last && !writing && !elsewhere && answer.state !== "failed";
    nodes.push(
      h(
        "div",
        { class: "tools" },
        turn.versions.length > 1 && this.versions(turn, index, writing),
        answer.text && action(`${index}.copy`, "copy", t("copy"), (event) => this.actions.copy(answer.text, event.currentTarget)),
        again && action(`${index}.again`, "again", t("regenerate"), () => this.actions.another()),
        looks && this.lookButton(answer, index),
        usage && h("span", { class: "note usage" }, usage),
      ),
    );
    return nodes;
  }

  lookButton(answer, index) {
    const gaze = this.gazes.get(answer);
    const label = gaze === "coming" ? t("looked.coming") : t(gaze ? "looked.hide" : "looked");
    const button = action(`${index}.looked`, "eye", label, () => this.actions.look(index));
    button.setAttribute("aria-expanded", String(Boolean(gaze && gaze !== "coming")));
    return button;
  }

  versions({ versions, shown }, index, writing) {
    const step = (by, name, label) =>
      iconButton(name, label, () => this.actions.choose(index, shown + by), {
        "data-key": `${index}.${name}`,
        disabled: writing || !versions[shown + by],
      });
    const where = h("span", { class: "note" }, t("version", { shown: shown + 1, all: versions.length }));
    return h("span", { class: "versions" }, step(-1, "earlier", t("version.earlier")), where, step(1, "later", t("version.later")));
  }

  /** A box of an answer: pointed at, it is drawn over the picture; pressed, the picture opens with it. */
  box(text, box, answer, pictures) {
    const draw = (boxes) => {
      for (const picture of pictures) {
        const layer = this.node.querySelector(`[data-picture="${CSS.escape(picture.id)}"] .boxes`);
        if (layer) drawBoxes(layer, picture, boxes, box);
      }
    };
    return h(
      "button",
      {
        type: "button",
        class: "box",
        title: t("box", { text }),
        mouseenter: () => draw([box]),
        mouseleave: () => draw([]),
        focus: () => draw([box]),
        blur: () => draw([]),
        click: () => this.actions.open(pictures, 0, answer.text, box),
      },
      text,
    );
  }
}

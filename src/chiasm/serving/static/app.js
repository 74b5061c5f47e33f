// Puts the page together: who tells whom. What each part does is in its own file.

import { Announcer } from "./announce.js";
import * as api from "./api.js";
import { Composer } from "./composer.js";
import { messages, pictureIds, samplingFields, shownAnswer } from "./conversation.js";
import { find, h, icon, iconButton } from "./dom.js";
import { Gaze } from "./gaze.js";
import { language, nextTheme, number, remembered, speak, startingLanguage, t, wear } from "./language.js";
import { History, Settings, askForKey, setUpExport } from "./panels.js";
import { Gallery, LONGEST_EDGE, dataUrl } from "./pictures.js";
import { openStore } from "./store.js";
import { Talk } from "./talk.js";
import { Thread } from "./thread.js";
import { Viewer } from "./viewer.js";

const COUNT_AFTER = 400; // milliseconds without typing
const NOTICE = 7000;

function notice(text, button) {
  const node = h("div", { class: "notice" }, h("span", null, text));
  if (button) node.append(h("button", { type: "button", click: () => (node.remove(), button.click()) }, button.label));
  node.append(iconButton("close", t("close"), () => node.remove()));
  find("notices").append(node);
  setTimeout(() => node.remove(), NOTICE);
}

async function copy(text, button) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https there is no clipboard; the old way still works in most browsers.
    const field = h("textarea", { class: "unseen", readonly: true });
    field.value = text;
    document.body.append(field);
    field.select();
    copied = document.execCommand("copy");
    field.remove();
    button.focus();
  }
  if (!copied) return notice(t("copy.failed"));
  button.lastChild.textContent = t("copied");
  setTimeout(() => (button.lastChild.textContent = t("copy")), 1500);
  return undefined;
}

class Page {
  constructor(store) {
    this.gallery = new Gallery(store);
    this.settings = new Settings();
    this.models = [];
    this.following = true;
    this.counting = { timer: null, controller: null, here: true };
    this.announcer = new Announcer(find("live"));
    this.viewer = new Viewer(this.gallery);
    this.talk = new Talk({ store, gallery: this.gallery, request: () => this.request(), on: this.heard() });
    this.thread = new Thread(find("thread"), this.gallery, {
      open: (...which) => this.viewer.open(...which),
      rephrase: (index, text) => this.begin(() => this.talk.rephrase(index, text)),
      again: () => this.begin(() => this.talk.again()),
      another: () => this.begin(() => this.talk.another()),
      choose: (index, shown) => this.talk.choose(index, shown),
      look: (index) => this.look(index),
      redraw: () => this.draw(),
      copy,
    });
    this.thread.grown = () => this.follow();
    this.composer = new Composer({
      send: (text, pictures) => this.begin(() => this.talk.ask(text, pictures)),
      stop: () => this.talk.stop(),
      notice,
      changed: () => this.count(),
    });
    const failed = (why) => notice(t("error.export", { why }));
    this.history = new History(store, {
      open: (id) => this.open(id),
      begin: () => this.empty(),
      remove: (id) => this.remove(id),
      failed,
    });
    setUpExport(() => this.talk.conversation, this.gallery, failed);
    this.listen();
  }

  /** What the talk reports, and what the page does about it. */
  heard() {
    return {
      turns: () => this.draw(),
      piece: (answer) => {
        this.thread.grow(answer);
        this.announcer.grow(answer.text);
      },
      end: (answer) => {
        this.announcer.end(answer.text, answer.state === "failed" ? "" : t("announce.done"));
        if (answer.error?.kind === "refused") this.loadModels(); // the server may serve another model by now
        else this.count();
      },
      saved: () => this.drawHistory(),
      key: () => this.key(() => this.begin(() => this.talk.again())),
      notice: (name, values) => notice(t(name, values)),
    };
  }

  listen() {
    const scroll = find("scroll");
    let top = 0;
    scroll.addEventListener("scroll", () => {
      // What has grown since the page went to the end is no wish to stay behind: only going up is.
      const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
      this.following = atEnd || (this.following && scroll.scrollTop >= top);
      top = scroll.scrollTop;
      find("latest").hidden = this.following || find("empty").hidden === false;
    });
    find("latest").addEventListener("click", () => this.toEnd());
    // Pictures take their place a moment after the turns are drawn.
    new ResizeObserver(() => this.follow()).observe(find("thread"));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
      if (this.talk.writing) this.talk.stop();
    });
    find("language").addEventListener("click", () => this.speak(language() === "zh" ? "en" : "zh", true));
    find("theme").addEventListener("click", () => {
      this.theme = wear(nextTheme(this.theme));
      this.drawTheme();
    });
    find("models").addEventListener("change", () => this.count());
  }

  request() {
    const typed = this.settings.typed();
    return { model: this.model(), system: typed.system, fields: samplingFields(typed) };
  }

  model() {
    return find("models").value || this.models[0]?.id || "default";
  }

  /** An answer begins: the page follows it from its first word, and the reader is told. */
  async begin(ask) {
    this.toEnd();
    this.announcer.begin(t("announce.started"));
    if (!this.models.length) await this.loadModels();
    find("question").focus();
    await ask();
  }

  toEnd() {
    this.following = true;
    this.follow();
  }

  follow() {
    if (this.following) find("scroll").scrollTop = find("scroll").scrollHeight;
  }

  draw() {
    const { conversation, writing, elsewhere } = this.talk;
    const began = conversation.turns.length > 0;
    find("empty").hidden = began;
    find("export").hidden = !began;
    if (!began) find("latest").hidden = true;
    this.thread.show(conversation, { writing, elsewhere });
    this.composer.set({ writing, began });
    this.follow();
  }

  /** Shows where the model looked for an answer, or no longer. The server is asked once an answer. */
  async look(index) {
    const { conversation } = this.talk;
    const { gazes } = this.thread;
    const answer = shownAnswer(conversation.turns[index]);
    if (gazes.get(answer) === "coming") return;
    if (gazes.has(answer)) {
      gazes.delete(answer);
      return this.draw();
    }
    gazes.set(answer, "coming");
    this.draw();
    try {
      const turns = conversation.turns.slice(0, index);
      const { model, system } = this.request();
      const { sent, missing } = await messages(turns, system, (id) => this.gallery.dataUrl(id));
      if (missing) throw new Error(t("picture.gone"));
      const looked = await api.looked({ model, messages: sent, answer: answer.text });
      const pictures = turns.flatMap((turn) => turn.pictures ?? []);
      gazes.set(answer, new Gaze(looked, pictures, this.gallery));
    } catch (error) {
      gazes.delete(answer);
      notice(t("looked.failed", { why: error.message || t("error.gone") }));
    }
    if (conversation === this.talk.conversation) this.draw();
    return undefined;
  }

  drawHistory() {
    clearTimeout(this.drawing);
    this.drawing = setTimeout(() => this.history.draw(this.talk.conversation.id), 50);
    // For a reload of this tab; a new tab begins with the empty page.
    sessionStorage.setItem("chiasm.open", this.talk.conversation.revision ? this.talk.conversation.id : "");
  }

  drawTheme() {
    const label = t(`theme.${this.theme}`);
    find("theme").replaceChildren(icon(this.theme));
    find("theme").title = label;
    find("theme").setAttribute("aria-label", label);
  }

  speak(name, chosen) {
    if (chosen) remembered.set("language", name);
    speak(name);
    find("empty-fine").textContent = t("empty.fine", { edge: number(LONGEST_EDGE) });
    this.drawTheme();
    this.drawModels();
    this.draw();
    this.drawHistory();
    this.count();
  }

  async open(id) {
    this.thread.editing = null;
    this.following = true;
    if (await this.talk.open(id)) this.gallery.keep(pictureIds(this.talk.conversation));
    this.drawHistory();
    this.count();
    find("question").focus();
  }

  empty() {
    this.thread.editing = null;
    this.talk.begin();
    this.drawHistory();
    this.count();
    find("question").focus();
  }

  async remove(id) {
    const putBack = await this.talk.remove(id);
    notice(t("deleted"), { label: t("undo"), click: putBack });
  }

  async key(then) {
    const given = await askForKey(Boolean(sessionStorage.getItem("chiasm.key")));
    if (!given) return;
    await this.loadModels();
    then();
  }

  async loadModels() {
    try {
      this.models = await api.models();
    } catch (error) {
      this.models = [];
      if (error.kind === "key" && !this.talk.writing && !find("key").open && !this.talk.conversation.turns.length) this.key(() => {});
    }
    this.drawModels();
    this.count();
    const looks = this.models.find(({ id }) => id === this.model())?.chiasm?.looks === true;
    if (looks !== this.thread.looks) {
      this.thread.looks = looks;
      this.draw();
    }
  }

  drawModels() {
    const several = this.models.length > 1;
    const chosen = find("models").value;
    find("models").hidden = !several;
    find("model").hidden = several;
    find("model").textContent = this.models[0]?.id ?? t("model.none");
    find("models").replaceChildren(...this.models.map(({ id }) => h("option", { value: id, selected: id === chosen }, id)));
  }

  /** Asks the server what the question would take; a server that does not count is not asked twice. */
  count() {
    const { counting, composer, talk } = this;
    clearTimeout(counting.timer);
    counting.controller?.abort();
    const text = composer.field.value;
    if (!counting.here || talk.writing || (!text.trim() && !composer.pictures.length)) return composer.count(null);
    counting.timer = setTimeout(async () => {
      const controller = (counting.controller = new AbortController());
      const drafts = new Map(composer.pictures.map((picture) => [picture.id, picture.blob]));
      const address = async (id) => (drafts.has(id) ? dataUrl(drafts.get(id)) : this.gallery.dataUrl(id));
      const turns = [...talk.conversation.turns, { role: "user", text, pictures: composer.pictures }];
      const { model, system } = this.request();
      try {
        const counted = await api.countTokens({ model, messages: (await messages(turns, system, address)).sent }, controller.signal);
        if (!controller.signal.aborted) composer.count(counted);
      } catch (error) {
        if (error.name === "AbortError") return;
        counting.here = !error.absent;
        composer.count(null);
      }
    }, COUNT_AFTER);
    return undefined;
  }

  async start() {
    this.theme = wear();
    const last = sessionStorage.getItem("chiasm.open");
    this.speak(startingLanguage(), false);
    if (last) await this.open(last);
    await this.loadModels();
  }
}

const store = await openStore();
const page = new Page(store);
await page.start();
store.sweep().catch(() => {});
document.documentElement.dataset.ready = "yes";

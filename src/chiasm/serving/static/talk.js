// Asking and answering: what happens to a conversation when something is sent, stopped, tried again. No node in here.

import { ApiError, stream } from "./api.js";
import * as kept from "./conversation.js";
import { newId } from "./dom.js";

const SAVE_EVERY = 700; // milliseconds: what a reload may cost of an answer

/**
 * `on`: turns() the turns changed; piece(answer) one grew; end(answer) it is over; saved(); key(again) a key is wanted;
 * notice(name, values) something to say once. `request()` gives {model, system, fields}, read when a question is sent.
 */
export class Talk {
  constructor({ store, gallery, request, on }) {
    Object.assign(this, { store, gallery, request, on });
    this.conversation = kept.newConversation();
    this.runs = new Map();
    this.elsewhere = false;
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel("chiasm") : null;
    if (this.channel) this.channel.onmessage = ({ data }) => this.heard(data);
  }

  get writing() {
    return this.runs.has(this.conversation);
  }

  /** Opens a kept conversation; answers whose tab is gone are marked as cut off. False when it is not there. */
  async open(id) {
    const running = [...this.runs.keys()].find((conversation) => conversation.id === id);
    const conversation = running ?? (await this.store.load(id));
    if (!conversation) return false;
    this.conversation = conversation;
    this.elsewhere = !running && (await heldElsewhere(id));
    if (!running && !this.elsewhere && kept.markCut(conversation)) await this.save(conversation);
    this.on.turns();
    return true;
  }

  begin() {
    this.conversation = kept.newConversation();
    this.elsewhere = false;
    this.on.turns();
  }

  /** Another tab wrote a conversation: show it as it is now, unless this tab is writing in it, too. */
  async heard({ id, removed }) {
    this.on.saved();
    if (id !== this.conversation.id || this.writing) return;
    if (removed) this.begin();
    else await this.open(id);
  }

  async save(conversation, pictures = []) {
    conversation.updated = Date.now();
    try {
      if (!(await this.store.save(conversation, pictures))) {
        // Another tab went on with it: both are kept.
        Object.assign(conversation, { id: newId(), revision: 0, title: `${conversation.title} (2)` });
        await this.store.save(conversation, pictures);
        this.on.notice("forked");
      }
    } catch (error) {
      this.on.notice("error.store", { why: error?.name ?? "" });
    }
    this.channel?.postMessage({ id: conversation.id });
    this.on.saved();
  }

  /** Sends a question. `pictures` carry their bytes. */
  async ask(text, pictures) {
    const { conversation } = this;
    if (this.runs.has(conversation)) return;
    for (const picture of pictures) this.gallery.add(picture);
    kept.addQuestion(conversation, text, pictures);
    await this.write(conversation, pictures);
  }

  /** The last question once more, whose answer failed. */
  async again(change = (fields) => fields) {
    const { conversation } = this;
    if (!this.runs.has(conversation) && conversation.turns.length) await this.write(conversation, [], change);
  }

  /** Another answer to the last question. */
  another() {
    return this.again(kept.fieldsForAnother);
  }

  /** Asks the question at `index` in other words; what followed it goes. */
  async rephrase(index, text) {
    const { conversation } = this;
    if (this.runs.has(conversation)) return;
    const pictures = kept.reopen(conversation, index);
    kept.addQuestion(conversation, text, pictures);
    await this.write(conversation, []);
  }

  stop() {
    this.runs.get(this.conversation)?.abort();
  }

  async write(conversation, pictures, change = (fields) => fields) {
    const { model, system, fields: asked } = this.request();
    const fields = change(asked);
    const turn = kept.addAnswer(conversation, model);
    const answer = kept.shownAnswer(turn);
    const before = conversation.turns.slice(0, -1);
    const controller = new AbortController();
    this.runs.set(conversation, controller);
    const release = hold(conversation.id);
    this.changed(conversation);
    const began = performance.now();
    let timer = null;
    try {
      await this.save(conversation, pictures);
      timer = setInterval(() => this.save(conversation), SAVE_EVERY);
      const { sent, missing } = await kept.messages(before, system, (id) => this.gallery.dataUrl(id));
      if (missing) this.on.notice("error.missing", { count: missing });
      const { finish, usage, unfamiliar } = await stream({ model, messages: sent, ...fields }, controller.signal, (text) => {
        answer.text += text;
        if (conversation === this.conversation) this.on.piece(answer);
      });
      answer.usage = usage;
      if (unfamiliar.length) answer.unfamiliar = { places: unfamiliar, of: kept.pictureIds({ turns: before }).length - missing };
      answer.state = { length: "long", content_filter: "filtered" }[finish] ?? "whole";
    } catch (error) {
      if (error.name === "AbortError") answer.state = "stopped";
      else this.fail(answer, error);
    } finally {
      clearInterval(timer);
      answer.seconds = Math.round((performance.now() - began) / 100) / 10;
      this.runs.delete(conversation);
      release();
      await this.save(conversation);
      this.changed(conversation);
      if (conversation === this.conversation) this.on.end(answer);
    }
    if (answer.error?.kind === "key" && conversation === this.conversation) this.on.key();
  }

  fail(answer, error) {
    answer.state = "failed";
    if (error instanceof ApiError) answer.error = { kind: error.kind, message: error.message, wait: error.retryAfter };
    else answer.error = { kind: "broken", message: String(error), wait: null };
  }

  changed(conversation) {
    if (conversation === this.conversation) this.on.turns();
  }

  /** Shows an earlier or later answer of the turn at `index`. It is the one that is sent from now on. */
  async choose(index, shown) {
    this.conversation.turns[index].shown = shown;
    this.on.turns();
    await this.save(this.conversation);
  }

  /** Deletes a conversation; the function that is returned puts it back. */
  async remove(id) {
    for (const [conversation, controller] of this.runs) if (conversation.id === id) controller.abort();
    const conversation = await this.store.load(id);
    await this.store.remove(id);
    this.channel?.postMessage({ id, removed: true });
    if (this.conversation.id === id) this.begin();
    this.on.saved();
    return async () => {
      conversation.revision = 0;
      await this.save(conversation);
    };
  }
}

const lockName = (id) => `chiasm.${id}`;

/** Says to other tabs that this one is answering in a conversation. Returns how to say it is over. */
function hold(id) {
  if (!navigator.locks) return () => {};
  let release = () => {};
  const over = new Promise((resolve) => (release = resolve));
  navigator.locks.request(lockName(id), { ifAvailable: true }, () => over).catch(() => {});
  return release;
}

async function heldElsewhere(id) {
  if (!navigator.locks) return false;
  const { held } = await navigator.locks.query();
  return held.some(({ name }) => name === lockName(id));
}

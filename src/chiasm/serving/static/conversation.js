// What a conversation is, and what of it is sent. Plain values: kept as they are, no node and no network in here.
//
// conversation  {id, title, created, updated, revision, turns}
// user turn     {role: "user", text, pictures: [{id, name, width, height, type, from}]}
// answer turn   {role: "assistant", versions: [answer], shown}
// answer        {text, state, error, usage, model, seconds, unfamiliar}
//               unfamiliar: {places, of} where some of the pictures sent are unlike those the model has learnt from
//               state: writing | whole | long (the token limit) | stopped (by you) | cut (reload) | failed

import { newId } from "./dom.js";

export function newConversation() {
  const now = Date.now();
  return { id: newId(), title: "", created: now, updated: now, revision: 0, turns: [] };
}

export const newAnswer = (model) => ({ text: "", state: "writing", error: null, usage: null, model, seconds: null });

export const shownAnswer = (turn) => turn.versions[turn.shown];

export function addQuestion(conversation, text, pictures) {
  conversation.turns.push({ role: "user", text, pictures: pictures.map(({ blob, ...about }) => about) });
  if (!conversation.title) conversation.title = text.trim().split("\n")[0].slice(0, 80);
}

/** A place for the answer to the last question. An empty answer that failed is replaced: no turn comes twice. */
export function addAnswer(conversation, model) {
  const last = conversation.turns.at(-1);
  const answer = newAnswer(model);
  if (last.role === "user") conversation.turns.push({ role: "assistant", versions: [answer], shown: 0 });
  else {
    if (shownAnswer(last).text === "") last.versions.splice(last.shown, 1);
    last.versions.push(answer);
    last.shown = last.versions.length - 1;
  }
  return conversation.turns.at(-1);
}

/** Takes back a question and what followed it, to ask it in other words. Returns its pictures. */
export function reopen(conversation, index) {
  const [question] = conversation.turns.splice(index);
  if (index === 0) conversation.title = "";
  return question.pictures;
}

/** Marks answers that were being written when the page went away. True when there were any. */
export function markCut(conversation) {
  let any = false;
  for (const turn of conversation.turns) {
    for (const answer of turn.versions ?? []) {
      if (answer.state === "writing") {
        answer.state = "cut";
        any = true;
      }
    }
  }
  return any;
}

/** The pictures a box of the answer at `index` may mean: those of the last question that had any. */
export function picturesBefore(conversation, index) {
  for (let at = index - 1; at >= 0; at -= 1) if (conversation.turns[at].pictures?.length) return conversation.turns[at].pictures;
  return [];
}

export const pictureIds = (conversation) => conversation.turns.flatMap((turn) => (turn.pictures ?? []).map(({ id }) => id));

/**
 * The messages of a request: the turns up to the last question. Unanswered questions are joined with the next one,
 * because templates want question and answer to take turns. `address(id)` gives a picture's data URL; pictures whose
 * bytes are gone are left out, and `missing` counts them.
 */
export async function messages(turns, system, address) {
  const sent = system.trim() ? [{ role: "system", content: system.trim() }] : [];
  let missing = 0;
  let open = null;
  for (const turn of turns) {
    if (turn.role === "assistant") {
      const text = shownAnswer(turn).text;
      if (!text) continue;
      sent.push({ role: "assistant", content: text });
      open = null;
      continue;
    }
    if (!open) sent.push((open = { role: "user", content: [] }));
    for (const { id } of turn.pictures) {
      const url = await address(id);
      if (url) open.content.push({ type: "image_url", image_url: { url } });
      else missing += 1;
    }
    if (turn.text.trim()) open.content.push({ type: "text", text: turn.text });
  }
  for (const message of sent) {
    const parts = message.content;
    if (Array.isArray(parts) && parts.length === 1 && parts[0].type === "text") message.content = parts[0].text;
  }
  return { sent, missing };
}

const DEFAULTS = { temperature: "", top_p: "", max_tokens: "", seed: "", system: "" };

export const emptySampling = () => ({ ...DEFAULTS });

/** Ours: what another answer is drawn at where the one before was not drawn at all, and would be the same again. */
const ANOTHER_TEMPERATURE = 0.7;

/** The fields for another answer than the last one: drawn, and from no seed that would draw the same. */
export function fieldsForAnother({ seed, ...fields }) {
  return { ...fields, temperature: fields.temperature || ANOTHER_TEMPERATURE };
}

/** The fields of a request from what was typed; an empty one is left to the server. */
export function samplingFields(typed) {
  const fields = {};
  for (const name of ["temperature", "top_p", "max_tokens", "seed"]) {
    const text = String(typed[name] ?? "").trim();
    if (text !== "" && Number.isFinite(Number(text))) fields[name] = Number(text);
  }
  return fields;
}

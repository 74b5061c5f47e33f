// A conversation as a file: JSON with pictures inside, or Markdown to read. Knows no node of the page.

import { shownAnswer } from "./conversation.js";

/** Everything, pictures as data URLs: `messages` has the protocol's roles and parts, with names and other versions beside. */
export async function asJson(conversation, address) {
  const turns = [];
  for (const turn of conversation.turns) {
    if (turn.role === "assistant") turns.push({ role: "assistant", content: shownAnswer(turn).text, versions: turn.versions });
    else {
      const content = [];
      for (const { id, name } of turn.pictures) {
        const url = await address(id);
        if (url) content.push({ type: "image_url", image_url: { url }, name });
      }
      content.push({ type: "text", text: turn.text });
      turns.push({ role: "user", content });
    }
  }
  const { title, created, updated } = conversation;
  const iso = (time) => new Date(time).toISOString();
  return `${JSON.stringify({ title, created: iso(created), updated: iso(updated), messages: turns }, null, 2)}\n`;
}

/** All of them as one JSON list, in pieces for a file: together they may be longer than a string can be. */
export async function allAsJson(conversations, address) {
  const pieces = [];
  for (const conversation of conversations) pieces.push(pieces.length ? "," : "[", await asJson(conversation, address));
  return [...pieces, pieces.length ? "]\n" : "[]\n"];
}

/** Text as Markdown shows it: nothing of a name or a title becomes a link, a heading or HTML. */
const plain = (text) => text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]()#<>!|]/g, "\\$&");

/** To read. Pictures are named, not carried; an answer stays as the model wrote it, set off as a quotation. */
export function asMarkdown(conversation, t) {
  const lines = [`# ${plain(conversation.title || t("untitled"))}`, ""];
  for (const turn of conversation.turns) {
    const mine = turn.role === "user";
    lines.push(`**${mine ? t("you") : plain(shownAnswer(turn).model || t("answer"))}**`, "");
    for (const { name, width, height } of turn.pictures ?? []) lines.push(`- ${plain(name)} (${width} × ${height})`, "");
    const text = mine ? turn.text : shownAnswer(turn).text;
    lines.push(...text.split("\n").map((line) => `> ${line}`.trimEnd()), "");
    if (!mine && !["whole", "writing"].includes(shownAnswer(turn).state)) lines.push(`*${t(`state.${shownAnswer(turn).state}`)}*`, "");
  }
  return lines.join("\n");
}

/** Name of the file: the date, never anything that was typed or received. */
export function fileName(conversation, ending) {
  return `chiasm-${new Date(conversation.created).toISOString().slice(0, 16).replace(/[T:]/g, "-")}.${ending}`;
}

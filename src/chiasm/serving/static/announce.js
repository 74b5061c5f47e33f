// What a screen reader hears of an answer: whole sentences, not every token, and not faster than it can speak.

const PAUSE = 1500; // milliseconds between two pieces
const SENTENCE = /[.!?。！？…\n]["'”’）)]*(?=\s|$|[^\x00-\xff])/g;

export class Announcer {
  constructor(node) {
    this.node = node;
    this.said = 0;
    this.last = 0;
  }

  say(text) {
    this.node.textContent = text;
  }

  begin(text) {
    this.said = 0;
    this.last = Date.now();
    this.say(text);
  }

  /** The answer so far: says the whole sentences that are new, when the pause is over. */
  grow(text) {
    if (Date.now() - this.last < PAUSE) return;
    let end = 0;
    for (const match of text.slice(this.said).matchAll(SENTENCE)) end = match.index + match[0].length;
    if (!end) return;
    this.say(text.slice(this.said, this.said + end));
    this.said += end;
    this.last = Date.now();
  }

  /** Says the rest, and that this was it. */
  end(text, closing) {
    this.say(`${text.slice(this.said)} ${closing}`.trim());
    this.said = text.length;
  }
}

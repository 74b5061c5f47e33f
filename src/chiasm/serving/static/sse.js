// Server-sent events as they come over fetch. Knows nothing of what they say.

/** The `data` of every event of a byte stream. Ends where the stream ends; raises what the stream raises. */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let buffer = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      buffer += value ? decoder.decode(value, { stream: true }) : decoder.decode();
      if (done) buffer += "\n";
      let end;
      // A carriage return at the very end may be half of a line end: the rest decides.
      while ((end = /\r\n|\n|\r(?!$)/.exec(buffer))) {
        const line = buffer.slice(0, end.index);
        buffer = buffer.slice(end.index + end[0].length);
        if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        else if (line === "" && data.length) {
          yield data.join("\n");
          data = [];
        }
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

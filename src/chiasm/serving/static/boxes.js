// Boxes as LLaVA writes them: [x1, y1, x2, y2], each 0 to 1 of the picture padded to a square. No page in here.

const NUMBER = "(\\d(?:\\.\\d+)?|\\.\\d+)";
const PATTERN = new RegExp(`\\[\\s*${NUMBER}\\s*,\\s*${NUMBER}\\s*,\\s*${NUMBER}\\s*,\\s*${NUMBER}\\s*\\]`, "g");

/** [{at, length, box}] of a text, in its order. Four numbers that are no box (above 1, or inside out) stay text. */
export function findBoxes(text) {
  const found = [];
  for (const match of text.matchAll(PATTERN)) {
    const box = match.slice(1, 5).map(Number);
    const [x1, y1, x2, y2] = box;
    if (box.every((edge) => edge <= 1) && x1 < x2 && y1 < y2) found.push({ at: match.index, length: match[0].length, box });
  }
  return found;
}

/** A box as parts 0 to 1 of the picture itself: {left, top, width, height}; null where it lies in the padding only. */
export function onPicture([x1, y1, x2, y2], width, height) {
  const side = Math.max(width, height);
  const along = (edge, length) => Math.min(1, Math.max(0, (edge * side - (side - length) / 2) / length));
  const [left, right] = [along(x1, width), along(x2, width)];
  const [top, bottom] = [along(y1, height), along(y2, height)];
  return right > left && bottom > top ? { left, top, width: right - left, height: bottom - top } : null;
}

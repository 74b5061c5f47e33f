// From whatever was dropped to a picture the server takes. Decoding happens here, in the browser's own sandbox.

import { newId } from "./dom.js";

/** Ours: no model of this family sees more than about 1,400 pixels of an edge, and phones take 4,000. */
export const LONGEST_EDGE = 2048;
export const MOST_BYTES = 2.5 * 2 ** 20; // eight of them, as base64, are less than the 32 MiB a server takes
/** A file above this is not read at all. */
export const LARGEST_FILE = 64 * 2 ** 20;
export const MOST_PICTURES = 8;

/** Formats every server of this protocol reads; all else is written anew. */
const SENT_AS_IS = new Set(["image/jpeg", "image/png", "image/webp"]);

/** Why a file is no picture for us: `reason` is "large", "unreadable" or "empty". */
export class PictureError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

const encode = (canvas, type, quality = 0.92) => new Promise((resolve) => canvas.toBlob(resolve, type, quality));

async function redraw(bitmap, keepAlpha) {
  const scale = Math.min(1, LONGEST_EDGE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  const draw = (ground) => {
    if (ground) {
      pen.fillStyle = ground;
      pen.fillRect(0, 0, canvas.width, canvas.height);
    }
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  };
  draw(null);
  let blob = keepAlpha ? await encode(canvas, "image/png") : null;
  if (!blob || blob.size > MOST_BYTES) {
    draw("#ffffff"); // what was transparent would turn black
    blob = await encode(canvas, "image/jpeg");
    if (blob?.size > MOST_BYTES) blob = await encode(canvas, "image/jpeg", 0.7);
  }
  if (!blob) throw new PictureError("unreadable");
  return { blob, width: canvas.width, height: canvas.height };
}

/** {id, name, blob, width, height, type, from}: `from` is [width, height] before it was made smaller, or null. */
export async function readPicture(file, name = file.name) {
  if (file.size > LARGEST_FILE) throw new PictureError("large");
  if (file.size === 0) throw new PictureError("empty");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new PictureError("unreadable");
  }
  try {
    const { width, height } = bitmap;
    const fits = Math.max(width, height) <= LONGEST_EDGE && file.size <= MOST_BYTES;
    const about = { id: newId(), name: String(name || "picture").slice(0, 200), from: null };
    if (fits && SENT_AS_IS.has(file.type)) return { ...about, blob: file.slice(0, file.size, file.type), width, height, type: file.type };
    const drawn = await redraw(bitmap, file.type !== "image/jpeg");
    const from = drawn.width < width || drawn.height < height ? [width, height] : null;
    return { ...about, ...drawn, type: drawn.blob.type, from };
  } finally {
    bitmap.close();
  }
}

/** A picture's bytes as the protocol carries them. */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Addresses of blobs for <img>, one a picture, as long as the page lives. */
export class Gallery {
  constructor(store) {
    this.store = store;
    this.blobs = new Map();
    this.addresses = new Map();
    this.carried = new Map();
  }

  add({ id, blob }) {
    this.blobs.set(id, blob);
  }

  async blob(id) {
    if (!this.blobs.has(id)) {
      const blob = await this.store.picture(id);
      if (!blob) return null;
      this.blobs.set(id, blob);
    }
    return this.blobs.get(id);
  }

  /** Address of a picture, null when its bytes are gone. */
  async address(id) {
    if (!this.addresses.has(id)) {
      const blob = await this.blob(id);
      if (!blob) return null;
      this.addresses.set(id, URL.createObjectURL(blob));
    }
    return this.addresses.get(id);
  }

  async dataUrl(id) {
    if (!this.carried.has(id)) {
      const blob = await this.blob(id);
      if (!blob) return null;
      this.carried.set(id, await dataUrl(blob));
    }
    return this.carried.get(id);
  }

  /** Forgets what belongs to no picture of `ids`: another conversation was opened. */
  keep(ids) {
    const wanted = new Set(ids);
    for (const [id, address] of this.addresses) if (!wanted.has(id)) URL.revokeObjectURL(address);
    for (const map of [this.blobs, this.addresses, this.carried]) for (const id of [...map.keys()]) if (!wanted.has(id)) map.delete(id);
  }
}

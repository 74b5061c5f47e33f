// What was said, kept in this browser: conversations (text) and pictures (bytes) in IndexedDB. Nothing leaves it.

const NAME = "chiasm";
const DAY = 24 * 3600 * 1000;

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const finished = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("conversations", { keyPath: "id" });
      request.result.createObjectStore("pictures", { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

/** Conversations in memory, for browsers that keep nothing (some private windows). Same methods as `Kept`. */
class Forgotten {
  constructor() {
    this.lasting = false;
    this.conversations = new Map();
    this.blobs = new Map();
  }

  async list() {
    return [...this.conversations.values()].map((kept) => structuredClone(kept));
  }

  async load(id) {
    return structuredClone(this.conversations.get(id) ?? null);
  }

  async save(conversation, pictures = []) {
    for (const { id, blob } of pictures) this.blobs.set(id, blob);
    conversation.revision += 1;
    this.conversations.set(conversation.id, structuredClone(conversation));
    return true;
  }

  async remove(id) {
    this.conversations.delete(id);
  }

  async picture(id) {
    return this.blobs.get(id) ?? null;
  }

  async sweep() {}
}

class Kept {
  constructor(database) {
    this.lasting = true;
    this.database = database;
    this.last = Promise.resolve();
  }

  async list() {
    return done(this.database.transaction("conversations").objectStore("conversations").getAll());
  }

  async load(id) {
    return (await done(this.database.transaction("conversations").objectStore("conversations").get(id))) ?? null;
  }

  /**
   * Writes a conversation and its new pictures in one step. False when another tab wrote it since it was read: then
   * nothing is written, and the caller decides.
   */
  save(conversation, pictures = []) {
    const write = async () => {
      const transaction = this.database.transaction(["conversations", "pictures"], "readwrite");
      const end = finished(transaction);
      end.catch(() => {});
      const all = transaction.objectStore("conversations");
      const old = await done(all.get(conversation.id));
      if (old && old.revision !== conversation.revision) return false;
      const kept = structuredClone(conversation);
      kept.revision += 1;
      for (const { id, blob } of pictures) transaction.objectStore("pictures").put({ id, blob, at: Date.now() });
      all.put(kept);
      await end;
      conversation.revision = kept.revision;
      return true;
    };
    // One after the other: two at once would both carry the old revision.
    const saved = this.last.then(write, write);
    this.last = saved.catch(() => {});
    return saved;
  }

  async remove(id) {
    const transaction = this.database.transaction("conversations", "readwrite");
    transaction.objectStore("conversations").delete(id);
    await finished(transaction);
  }

  async picture(id) {
    const found = await done(this.database.transaction("pictures").objectStore("pictures").get(id));
    return found?.blob ?? null;
  }

  /** Drops pictures of deleted conversations, a day later: a deletion can be undone, perhaps in another tab. */
  async sweep() {
    const used = new Set();
    for (const { turns } of await this.list()) for (const turn of turns) for (const { id } of turn.pictures ?? []) used.add(id);
    const transaction = this.database.transaction("pictures", "readwrite");
    const walk = transaction.objectStore("pictures").openCursor();
    walk.onsuccess = () => {
      const cursor = walk.result;
      if (!cursor) return;
      if (!used.has(cursor.key) && cursor.value.at < Date.now() - DAY) cursor.delete();
      cursor.continue();
    };
    await finished(transaction);
  }
}

/** The store of this browser; `lasting` is false where a reload will forget. */
export async function openStore() {
  try {
    return new Kept(await open());
  } catch {
    return new Forgotten();
  }
}

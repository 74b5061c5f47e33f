// Beside the conversation: the list of kept ones, settings, export, the key.

import { setKey } from "./api.js";
import { emptySampling } from "./conversation.js";
import { find, h, iconButton } from "./dom.js";
import { allAsJson, asJson, asMarkdown, fileName } from "./export.js";
import { remembered, t } from "./language.js";
import { dataUrl } from "./pictures.js";

const NARROW = "(max-width: 56rem)"; // as in panels.css: the list lies over the conversation

/** The list of conversations. `on`: open(id), remove(id), begin(), failed(why). */
export class History {
  constructor(store, on) {
    Object.assign(this, { store, on });
    this.side = find("side");
    find("side-open").addEventListener("click", () => this.show(this.side.hidden, true));
    find("side-close").addEventListener("click", () => this.show(false, true));
    find("scrim").addEventListener("click", () => this.show(false, true));
    find("new").addEventListener("click", () => {
      on.begin();
      this.leave();
    });
    find("export-all").addEventListener("click", () => this.save());
    this.side.addEventListener("keydown", (event) => event.key === "Escape" && this.narrow() && this.show(false, true));
    const fit = () => this.show(!this.narrow() && remembered.get("history") !== "closed", false);
    window.matchMedia(NARROW).addEventListener("change", fit);
    fit();
  }

  narrow() {
    return window.matchMedia(NARROW).matches;
  }

  show(open, chosen) {
    this.side.hidden = !open;
    find("scrim").hidden = !open || !this.narrow();
    find("side-open").setAttribute("aria-expanded", String(open));
    find("side-open").hidden = open && !this.narrow();
    if (!chosen) return;
    if (!this.narrow()) remembered.set("history", open ? "open" : "closed");
    (open ? find("side-close") : find("side-open")).focus();
  }

  /** On a phone the list lies over the conversation: it goes when something was chosen. */
  leave() {
    if (this.narrow()) this.show(false, false);
  }

  /** Everything that is kept, as a file. */
  async save() {
    const address = async (id) => {
      const blob = await this.store.picture(id);
      return blob && dataUrl(blob);
    };
    try {
      const pieces = await allAsJson(await this.store.list(), address);
      download(pieces, fileName({ created: Date.now() }, "all.json"), "application/json");
    } catch (error) {
      this.on.failed(error?.name ?? "");
    }
  }

  async draw(here) {
    const all = (await this.store.list()).sort((one, other) => other.updated - one.updated);
    const items = all.map(({ id, title }) => {
      const name = title || t("untitled");
      const open = h("button", { type: "button", class: "past", "aria-current": id === here ? "true" : null, title: name }, h("span", null, name));
      open.addEventListener("click", () => {
        this.on.open(id);
        this.leave();
      });
      const remove = iconButton("bin", t("delete.one", { title: name.slice(0, 60) }), () => this.on.remove(id));
      return h("li", { class: id === here && "here" }, open, remove);
    });
    find("past").replaceChildren(...items);
    find("export-all").hidden = !all.length;
    find("past-note").textContent = this.store.lasting ? (all.length ? "" : t("history.none")) : t("history.forgotten");
  }
}

/** The drawer; its fields are kept in the browser as they are typed. */
export class Settings {
  constructor() {
    this.dialog = find("settings");
    this.fields = this.dialog.querySelectorAll("[name]");
    let kept = {};
    try {
      kept = JSON.parse(remembered.get("sampling") ?? "{}") ?? {};
    } catch {
      // Written by something else: begin anew.
    }
    this.fill(kept);
    find("settings-open").addEventListener("click", () => this.dialog.showModal());
    find("settings-reset").addEventListener("click", () => {
      this.fill(emptySampling());
      this.keep();
    });
    this.dialog.addEventListener("input", () => this.keep());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  fill(values) {
    for (const field of this.fields) field.value = typeof values[field.name] === "string" ? values[field.name] : "";
  }

  keep() {
    remembered.set("sampling", JSON.stringify(this.typed()));
  }

  /** What is typed; fields with a value the server would refuse count as empty. */
  typed() {
    return Object.fromEntries([...this.fields].map((field) => [field.name, field.validity.valid ? field.value : ""]));
  }
}

function download(pieces, name, type) {
  const address = URL.createObjectURL(new Blob(pieces, { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** Export of the conversation that `current()` gives; `failed(why)` where that could not be. */
export function setUpExport(current, gallery, failed) {
  const menu = find("export-menu");
  find("export").addEventListener("click", () => {
    menu.returnValue = "";
    menu.showModal();
  });
  menu.addEventListener("click", (event) => event.target === menu && menu.close(""));
  menu.addEventListener("close", async () => {
    const conversation = current();
    try {
      if (menu.returnValue === "json") download([await asJson(conversation, (id) => gallery.dataUrl(id))], fileName(conversation, "json"), "application/json");
      if (menu.returnValue === "md") download([asMarkdown(conversation, t)], fileName(conversation, "md"), "text/markdown");
    } catch (error) {
      failed(error?.name ?? "");
    }
  });
}

/** Asks for the key; true when one was given. `again`: the last one was wrong. */
export function askForKey(again) {
  const dialog = find("key");
  if (dialog.open) return Promise.resolve(false);
  find("key-wrong").hidden = !again;
  find("key-field").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  find("key-close").onclick = () => dialog.close("");
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const key = find("key-field").value.trim();
        find("key-field").value = "";
        const given = dialog.returnValue === "use" && key !== "";
        if (given) setKey(key);
        resolve(given);
      },
      { once: true },
    );
  });
}

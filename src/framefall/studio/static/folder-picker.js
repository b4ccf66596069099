// <folder-picker>: a folder below the roots that the server was started with, by its id. `value` is {id, name}, once
// `ready` is; Event "change" when it is another.

import * as api from "./api.js";
import { announce, h } from "./dom.js";

export class FolderPicker extends HTMLElement {
  value = null;
  #roots = [];

  connectedCallback() {
    if (!this.firstChild) this.ready = this.#begin();
  }

  async #begin() {
    this.where = h("p", { class: "small" });
    this.list = h("ul", { class: "folders", ariaLabel: "Folders" });
    this.classList.add("stack");
    this.append(h("h2", {}, "Folder"), this.where, this.list);
    this.#roots = await api.roots();
    if (this.#roots.length === 1) await this.#open(this.#roots[0].id);
    else this.#top();
  }

  #top(focus = false) {
    this.value = null;
    if (!this.#roots.length) {
      this.where.replaceChildren(
        "The studio was started without folders. Start it again with ",
        h("code", {}, "framefall studio --root FOLDER"),
        " to train on what is in it.",
      );
      this.where.className = "note warn";
    } else this.where.textContent = "Choose one:";
    this.#list(
      this.#roots.map(({ id, name }) => [name, () => this.#open(id, true)]),
      focus,
    );
  }

  // a folder by its id; one that is not served any more leaves the choice as it is
  async open(id) {
    await this.ready;
    await this.#open(id).catch(() => {});
  }

  async #open(id, focus = false) {
    const { name, parent, folders, media } = await api.folder(id);
    this.where.replaceChildren(h("strong", {}, name), `: ${media} videos and images in it`);
    const up = parent ? () => this.#open(parent, true) : this.#roots.length > 1 ? () => this.#top(true) : null;
    this.#list(
      [...(up ? [["↑ up", up]] : []), ...folders.map((one) => [`${one.name}/`, () => this.#open(one.id, true)])],
      focus,
    );
    announce(this.where.textContent);
    this.value = { id, name };
    this.dispatchEvent(new Event("change"));
  }

  #list(entries, focus) {
    this.list.replaceChildren(
      ...entries.map(([text, open]) => h("li", {}, h("button", { type: "button", onclick: open }, text))),
    );
    this.list.hidden = entries.length === 0;
    if (focus) this.list.querySelector("button")?.focus();
  }
}

customElements.define("folder-picker", FolderPicker);

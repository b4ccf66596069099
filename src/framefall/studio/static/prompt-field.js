// <prompt-field>: a line of text that completes itself from what the chosen model knows, and says so when a prompt
// leaves that.
//
// model     whose captions complete it (a property).   value   the prompt.   Event "input" as any text field's.
// The pattern is ARIA's combobox: arrow keys walk the list, Enter takes an entry, Escape closes it, Tab goes on.

import * as api from "./api.js";
import { announce, field, h, unique } from "./dom.js";

const WAIT = 150; // ms after the last key

export class PromptField extends HTMLElement {
  #model = null;
  #text = null;
  #list = null;
  #word = null;
  #at = -1;
  #timer = 0;
  #asked = 0;

  connectedCallback() {
    if (this.#text) return;
    const id = unique("completions");
    this.#list = h("ul", { id, role: "listbox", ariaLabel: "Completions", hidden: true });
    this.#text = h("input", {
      type: "text",
      autocomplete: "off",
      spellcheck: false,
      placeholder: "a red ball falls",
      role: "combobox",
      "aria-controls": id,
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      oninput: () => this.#soon(true),
      onkeydown: (event) => this.#key(event),
      onblur: () => this.#close(),
      onfocus: () => this.#soon(false),
    });
    this.#word = h("p", { class: "note warn small", hidden: true, role: "status" });
    this.append(field("Prompt", h("div", { class: "combo" }, this.#text, this.#list)), this.#word);
    const label = this.querySelector("label");
    label.htmlFor = this.#text.id = unique("prompt");
  }

  get value() {
    return this.#text.value.trim();
  }
  set value(text) {
    this.#text.value = text ?? "";
    this.#soon(false);
  }
  set model(name) {
    this.#model = name;
    this.#soon(false);
  }

  #soon(open) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(open), WAIT);
  }

  async #ask(open) {
    if (!this.#model) return;
    const asked = (this.#asked += 1);
    const said = await api.complete(this.#model, this.#text.value).catch(() => null);
    if (!said || asked !== this.#asked) return; // a later key has asked since
    this.#word.hidden = said.known || !this.value;
    this.#word.textContent = said.known ? "" : said.sentence;
    this.#fill(said.completions ?? [], open && document.activeElement === this.#text);
  }

  #fill(completions, open) {
    this.#at = -1;
    this.#list.replaceChildren(
      ...completions
        .filter((one) => one !== this.value)
        .slice(0, 8)
        .map((text) =>
          h(
            "li",
            {
              id: unique("completion"),
              role: "option",
              "aria-selected": "false",
              onmousedown: (event) => {
                event.preventDefault();
                this.#take(text);
              },
            },
            text,
          ),
        ),
    );
    if (open && this.#list.children.length) this.#open();
    else this.#close();
  }

  #open() {
    this.#list.hidden = false;
    this.#text.setAttribute("aria-expanded", "true");
    announce(`${this.#list.children.length} completions`);
  }

  #close() {
    this.#list.hidden = true;
    this.#text.setAttribute("aria-expanded", "false");
    this.#choose(-1);
  }

  #choose(at) {
    this.#at = at;
    [...this.#list.children].forEach((one, index) => one.setAttribute("aria-selected", String(index === at)));
    const chosen = this.#list.children[at];
    if (chosen) this.#text.setAttribute("aria-activedescendant", chosen.id);
    else this.#text.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
  }

  #take(text) {
    this.#text.value = text;
    this.#close();
    this.#soon(false);
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #key(event) {
    const count = this.#list.children.length;
    const open = !this.#list.hidden;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count) {
      event.preventDefault();
      if (!open) this.#open();
      const by = event.key === "ArrowDown" ? 1 : -1;
      this.#choose((this.#at + by + count) % count);
    } else if (event.key === "Enter" && open && this.#at >= 0) {
      event.preventDefault();
      this.#take(this.#list.children[this.#at].textContent);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      this.#close();
    }
  }
}

customElements.define("prompt-field", PromptField);

// What all diagrams have in common: each is built once, when its tab is opened, and says so where it cannot be.

import { h } from "../static/dom.js";

export class Diagram extends HTMLElement {
  #built = null;

  // A promise that is kept when the diagram is there.
  ready() {
    this.#built ??= this.build().catch((error) => this.replaceChildren(h("p", { class: "note warn" }, `This diagram could not be loaded (${error.message}); is the lesson opened from a server?`)));
    return this.#built;
  }
}

// Builds every diagram inside an element.
export const readyIn = (element) => Promise.all([...element.querySelectorAll("*")].filter((one) => one instanceof Diagram).map((one) => one.ready()));

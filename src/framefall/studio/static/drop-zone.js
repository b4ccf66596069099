// <drop-zone label="..." accept="image/*,video/*" [many]>: files dropped, chosen or pasted are uploaded; the server
// says what they are.
//
// Event "upload" {detail: {id, kind, frames, width, height, fps, name}} for each that it took.

import * as api from "./api.js";
import { announce, h } from "./dom.js";

export class DropZone extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    const label = this.getAttribute("label");
    const input = h("input", {
      type: "file",
      accept: this.getAttribute("accept") ?? "image/*,video/*",
      multiple: this.hasAttribute("many"),
      ariaLabel: label,
      onchange: () => {
        this.#take(input.files);
        input.value = "";
      },
    });
    this.said = h("p", { class: "note bad small", role: "alert", hidden: true });
    this.busy = h("small", { class: "muted" }, "drop, paste or choose");
    this.append(h("div", { class: "zone" }, h("strong", {}, label), this.busy, input), this.said);
    for (const name of ["dragenter", "dragover"])
      this.addEventListener(name, (event) => {
        event.preventDefault();
        this.classList.add("over");
      });
    for (const name of ["dragleave", "drop"]) this.addEventListener(name, () => this.classList.remove("over"));
    this.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#take(event.dataTransfer.files);
    });
    this.addEventListener("paste", (event) => this.#take(event.clipboardData.files));
  }

  async #take(list) {
    const files = [...list]; // the list of an input is emptied with it
    this.said.hidden = true;
    for (const file of files) {
      this.busy.textContent = `reading ${file.name} …`;
      try {
        const upload = await api.upload(file);
        announce(`${file.name}: ${about(upload)}`);
        this.dispatchEvent(new CustomEvent("upload", { detail: { ...upload, name: file.name } }));
      } catch (error) {
        this.said.textContent = `${file.name}: ${error.message}`;
        this.said.hidden = false;
      }
    }
    this.busy.textContent = "drop, paste or choose";
  }
}

// An upload in a few words.
export const about = ({ kind, frames, width, height, fps }) =>
  kind === "image"
    ? `image, ${width}×${height}`
    : `video, ${frames} frames of ${width}×${height} at ${Number(fps?.toFixed(2))} a second`;

// An upload's picture: the image, or the video's first frame.
export const thumbnail = ({ id, kind }) =>
  kind === "image"
    ? h("img", { src: api.file(id), alt: "" })
    : h("video", { src: api.file(id), muted: true, preload: "metadata", ariaHidden: "true", tabIndex: -1 });

customElements.define("drop-zone", DropZone);

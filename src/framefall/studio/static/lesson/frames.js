// <frame-player>: one clip or several in step, drawn from strips of frames. `clips` are [{label, clip, note, draw}]; `frame` is the one that is shown.
// draw(context, frame, scale) paints over a frame, in the clip's own pixels times `scale`. Event "frame" {detail: frame}.

import { h, icon, unique } from "../static/dom.js";
import { picture } from "./numbers.js";

const SIDE = 384; // pixels of a canvas

const pictures = new Map();

export function strip(file) {
  if (!pictures.has(file)) {
    pictures.set(file, new Promise((done, failed) => {
      const image = new Image();
      image.onload = () => done(image);
      image.onerror = () => failed(new Error(`${file} is missing`));
      image.src = picture(file);
    }));
  }
  return pictures.get(file);
}

// One frame of a strip, over the whole canvas; gives by how much it was enlarged.
export async function paint(canvas, clip, frame) {
  const image = await strip(clip.strip);
  canvas.width = SIDE;
  canvas.height = Math.round((SIDE * clip.height) / clip.width);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(image, frame * clip.width, 0, clip.width, clip.height, 0, 0, canvas.width, canvas.height);
  return canvas.width / clip.width;
}

export class FramePlayer extends HTMLElement {
  #clips = [];
  #frame = 0;
  #timer = 0;
  #parts = null;

  disconnectedCallback() { this.pause(); }

  get clips() { return this.#clips; }
  set clips(value) {
    this.pause();
    this.#clips = value;
    this.#build();
    this.frame = Math.min(this.#frame, this.frames - 1);
  }
  get frames() { return Math.max(1, ...this.#clips.map(({ clip }) => clip.frames)); }
  get frame() { return this.#frame; }
  set frame(value) {
    this.#frame = Math.min(Math.max(Math.round(value), 0), this.frames - 1);
    this.#draw();
    this.dispatchEvent(new CustomEvent("frame", { detail: this.#frame }));
  }
  get playing() { return this.#timer !== 0; }

  play() {
    this.pause();
    this.#timer = setInterval(() => (this.frame = (this.#frame + 1) % this.frames), 1000 / (this.#clips[0]?.clip.fps ?? 6));
    this.#turned();
  }
  pause() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#turned();
  }

  #turned() {
    if (!this.#parts) return;
    this.#parts.toggle.replaceChildren(icon(this.playing ? "pause" : "play"));
    this.#parts.toggle.ariaLabel = this.playing ? "Pause" : "Play";
  }

  #build() {
    const id = unique("frame");
    const panes = this.#clips.map(({ label, note }) => ({ canvas: h("canvas", { role: "img" }), label, note }));
    const toggle = h("button", { type: "button", class: "icon", onclick: () => (this.playing ? this.pause() : this.play()) });
    const time = h("input", { type: "range", id, min: 0, max: this.frames - 1, step: 1, oninput: () => { this.pause(); this.frame = Number(time.value); } });
    const step = (by, name, text) => h("button", { type: "button", class: "icon", ariaLabel: text, onclick: () => { this.pause(); this.frame += by; } }, icon(name));
    const count = h("span", { class: "num small" });
    this.#parts = { panes, toggle, time, count };
    this.replaceChildren(
      h("div", { class: "panes" }, panes.map(({ canvas, label, note }) => h("figure", {}, canvas, h("figcaption", {}, h("strong", {}, label), note ? [" ", note] : null)))),
      h("div", { class: "bar" }, step(-1, "back", "Previous frame"), toggle, step(1, "forth", "Next frame"), h("label", { htmlFor: id, class: "visually-hidden" }, "Frame"), time, count));
    this.#turned();
  }

  #draw() {
    if (!this.#parts) return;
    const { panes, time, count } = this.#parts;
    time.value = this.#frame;
    time.setAttribute("aria-valuetext", `frame ${this.#frame + 1} of ${this.frames}`);
    count.textContent = `${this.#frame + 1} / ${this.frames}`;
    this.#clips.forEach(async ({ clip, label, draw }, index) => {
      const { canvas } = panes[index];
      const frame = Math.min(this.#frame, clip.frames - 1);
      canvas.ariaLabel = `${label}, frame ${frame + 1} of ${clip.frames}`;
      const scale = await paint(canvas, clip, frame);
      draw?.(canvas.getContext("2d"), frame, scale);
    });
  }
}

customElements.define("frame-player", FramePlayer);

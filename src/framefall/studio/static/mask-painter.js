// <mask-painter>: paint over the first frame of an upload what is to be made anew. `upload` is set; Event "mask"
// {detail: Promise of the mask's id}. `load(id)` shows a mask that was painted before.
//
// By pointer, or by keyboard: arrow keys move the brush, Space paints, Delete rubs out, + and - change its size.
// The mask is a black picture of the upload's size, white where it was painted.

import * as api from "./api.js";
import { h } from "./dom.js";

export class MaskPainter extends HTMLElement {
  #paint = null; // the canvas that is painted on: opaque where the mask is white
  #context = null;
  #brush = { x: 0.5, y: 0.5, size: 0.14, rub: false };
  #last = null;

  set upload(upload) {
    const { width, height, kind, id } = upload;
    const under = h("canvas", { width, height, ariaHidden: "true" });
    this.#paint = h("canvas", {
      width,
      height,
      class: "paint",
      tabIndex: 0,
      role: "application",
      ariaLabel: "Mask: arrow keys move the brush, Space paints, Delete rubs out, plus and minus change its size",
      onpointerdown: (event) => this.#down(event),
      onpointermove: (event) => this.#move(event),
      onpointerup: () => this.#up(),
      onkeydown: (event) => this.#key(event),
      onfocus: () => this.#cursor(true),
      onblur: () => this.#cursor(false),
    });
    this.#context = this.#paint.getContext("2d", { willReadFrequently: true });
    this.cursor = h("canvas", {
      width: 256,
      height: 256 * (height / width),
      class: "paint",
      hidden: true,
      ariaHidden: "true",
    });
    this.cursor.style.pointerEvents = "none";
    const size = h("input", {
      type: "range",
      min: 0.03,
      max: 0.5,
      step: 0.01,
      value: this.#brush.size,
      ariaLabel: "Size of the brush",
      oninput: () => (this.#brush.size = Number(size.value)),
    });
    const rub = h(
      "button",
      {
        type: "button",
        ariaPressed: "false",
        onclick: () => {
          this.#brush.rub = !this.#brush.rub;
          rub.ariaPressed = String(this.#brush.rub);
        },
      },
      "Rub out",
    );
    this.replaceChildren(
      h("p", { class: "small muted" }, "Paint over what is to be made anew."),
      h("div", { class: "canvas" }, under, this.#paint, this.cursor),
      h(
        "div",
        { class: "row" },
        size,
        rub,
        h("button", { type: "button", onclick: () => this.#all("source-over") }, "All"),
        h("button", { type: "button", onclick: () => this.#all("destination-out") }, "Clear"),
      ),
    );
    const picture = kind === "image" ? new Image() : h("video", { muted: true, preload: "auto" });
    picture.addEventListener(kind === "image" ? "load" : "loadeddata", () =>
      under.getContext("2d").drawImage(picture, 0, 0, width, height),
    );
    picture.src = api.file(id);
  }

  load(id) {
    if (!id) return;
    const { width, height } = this.#paint;
    const picture = new Image();
    picture.onload = () => {
      const context = this.#context;
      context.globalCompositeOperation = "copy";
      context.drawImage(picture, 0, 0, width, height);
      const pixels = context.getImageData(0, 0, width, height);
      for (let at = 0; at < pixels.data.length; at += 4) {
        const opaque = pixels.data[at]; // white is what was painted
        pixels.data.set([255, 45, 135, opaque], at);
      }
      context.putImageData(pixels, 0, 0);
    };
    picture.src = api.file(id);
    this.dispatchEvent(new CustomEvent("mask", { detail: Promise.resolve(id) }));
  }

  get empty() {
    const { width, height } = this.#paint;
    return !this.#context.getImageData(0, 0, width, height).data.some(Boolean);
  }

  #dab() {
    const { width, height } = this.#paint;
    const context = this.#context;
    const { x, y, size, rub } = this.#brush;
    context.globalCompositeOperation = rub ? "destination-out" : "source-over";
    context.strokeStyle = "#ff2d87";
    context.lineCap = "round";
    context.lineWidth = Math.max(1, size * Math.min(width, height));
    context.beginPath();
    context.moveTo((this.#last ?? this.#brush).x * width, (this.#last ?? this.#brush).y * height);
    context.lineTo(x * width, y * height + 0.01);
    context.stroke();
    this.#last = { x, y };
  }

  #all(how) {
    const context = this.#context;
    context.globalCompositeOperation = how;
    context.fillStyle = "#ff2d87";
    context.fillRect(0, 0, this.#paint.width, this.#paint.height);
    this.#changed();
  }

  #down(event) {
    this.#paint.setPointerCapture(event.pointerId);
    this.#last = null;
    this.#move(event);
  }

  #move(event) {
    const box = this.#paint.getBoundingClientRect();
    Object.assign(this.#brush, {
      x: (event.clientX - box.left) / box.width,
      y: (event.clientY - box.top) / box.height,
    });
    if (event.buttons) this.#dab();
    this.#cursor(true);
  }

  #up() {
    this.#last = null;
    this.#changed();
  }

  #key(event) {
    const brush = this.#brush;
    const go = (x, y) =>
      Object.assign(brush, { x: Math.min(Math.max(brush.x + x, 0), 1), y: Math.min(Math.max(brush.y + y, 0), 1) });
    const dab = (rub) => {
      const before = brush.rub;
      this.#last = null;
      brush.rub = rub;
      this.#dab();
      brush.rub = before;
      this.#changed();
    };
    const act = {
      ArrowLeft: () => go(-0.05, 0),
      ArrowRight: () => go(0.05, 0),
      ArrowUp: () => go(0, -0.05),
      ArrowDown: () => go(0, 0.05),
      " ": () => dab(brush.rub),
      Delete: () => dab(true),
      Backspace: () => dab(true),
      "+": () => (brush.size = Math.min(brush.size + 0.03, 0.5)),
      "-": () => (brush.size = Math.max(brush.size - 0.03, 0.03)),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
    this.#cursor(true);
  }

  #cursor(shown) {
    const { width, height } = this.cursor;
    const { x, y, size } = this.#brush;
    const context = this.cursor.getContext("2d");
    this.cursor.hidden = !shown;
    context.clearRect(0, 0, width, height);
    for (const [color, line] of [
      ["#000", 3],
      ["#fff", 1.5],
    ]) {
      Object.assign(context, { strokeStyle: color, lineWidth: line });
      context.beginPath();
      context.arc(x * width, y * height, (size * Math.min(width, height)) / 2, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("mask", { detail: this.#sent() }));
  }

  async #sent() {
    if (this.empty) return null;
    const { width, height } = this.#paint;
    const mask = h("canvas", { width, height });
    const context = mask.getContext("2d");
    context.filter = "grayscale(1) brightness(100)";
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    context.drawImage(this.#paint, 0, 0);
    const blob = await new Promise((done) => mask.toBlob(done, "image/png"));
    return (await api.upload(blob, "mask.png")).id;
  }
}

customElements.define("mask-painter", MaskPainter);

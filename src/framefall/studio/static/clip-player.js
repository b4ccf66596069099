// <clip-player src="a.mp4" fps="24" label="base stage" [against="b.mp4"] [view="one|side|difference"]>: one clip frame
// by frame, or two in step.
//
// frame     the frame that is shown, from 0; setting it seeks and pauses.   Event "frame" {detail: frame} whenever it
// changes.
// frames    how many there are (an attribute; else read off the file).     play(), pause(), playing.   Events "play",
// "pause".
// marks     [{from, to, label, text}], frames with a complaint: on the time line and as buttons that go there.
// draw      (context, frame, width, height) => void, drawn over the picture, for tracks.
// Time, not the number of a frame, is what two clips share: a base of 8 fps stays beside its 32 fps of the TSR.

import { h, icon } from "./dom.js";

const VIEWS = { one: "one", side: "side by side", difference: "difference" };
const GAIN = 4; // how much the difference is brightened

export class ClipPlayer extends HTMLElement {
  static observedAttributes = ["src", "against", "fps", "frames", "view", "label"];
  #marks = [];
  #draw = null;
  #frame = 0;
  #parts = null;

  connectedCallback() {
    if (this.#parts) return;
    const video = (pane) =>
      h("video", {
        muted: true,
        playsInline: true,
        preload: "auto",
        loop: true,
        class: pane,
        onerror: () => this.#broken(),
      });
    const parts = {
      a: video("a"),
      b: video("b"),
      difference: h("canvas", { class: "difference", hidden: true, role: "img" }),
      over: h("canvas", { class: "over" }),
      toggle: h(
        "button",
        { type: "button", class: "icon toggle", onclick: () => (this.playing ? this.pause() : this.play()) },
        icon("play"),
      ),
      time: h("input", {
        type: "range",
        min: 0,
        max: 0,
        step: 1,
        value: 0,
        oninput: () => (this.frame = Number(parts.time.value)),
      }),
      count: h("span", { class: "count num" }),
      lane: h("div", { class: "lane", hidden: true }),
      marks: h("ul", { class: "marks", hidden: true }),
      broken: h("p", { class: "broken", hidden: true, role: "alert" }),
      views: h(
        "select",
        {
          class: "speed",
          ariaLabel: "View",
          hidden: true,
          onchange: () => this.setAttribute("view", parts.views.value),
        },
        Object.entries(VIEWS).map(([value, text]) => h("option", { value }, text)),
      ),
      speed: h(
        "select",
        {
          class: "speed",
          ariaLabel: "Speed",
          onchange: () => this.#videos.forEach((one) => (one.playbackRate = Number(parts.speed.value))),
        },
        [1, 0.5, 0.25, 0.1].map((rate) => h("option", { value: rate }, `${rate}×`)),
      ),
    };
    const step = (by, name, text) =>
      h(
        "button",
        { type: "button", class: "icon", ariaLabel: text, title: text, onclick: () => (this.frame += by) },
        icon(name),
      );
    parts.screen = h(
      "div",
      { class: "screen" },
      h("div", { class: "pane" }, parts.a, parts.difference, parts.over),
      h("div", { class: "pane second", hidden: true }, parts.b),
      parts.broken,
    );
    this.#parts = parts;
    this.setAttribute("role", "group");
    this.append(
      parts.screen,
      h("div", { class: "time" }, parts.time, parts.lane),
      h(
        "div",
        { class: "bar" },
        step(-1, "back", "Previous frame"),
        parts.toggle,
        step(1, "forth", "Next frame"),
        parts.count,
        parts.views,
        parts.speed,
      ),
      parts.marks,
    );
    this.addEventListener("keydown", (event) => this.#key(event));
    parts.a.addEventListener("loadedmetadata", () => this.#loaded());
    for (const one of [parts.a, parts.b]) one.addEventListener("seeked", () => this.#paint());
    for (const name of ["play", "pause"]) parts.a.addEventListener(name, () => this.#turned(name));
    this.#refresh();
  }

  disconnectedCallback() {
    this.pause();
  }
  attributeChangedCallback() {
    if (this.#parts) this.#refresh();
  }

  get fps() {
    return Number(this.getAttribute("fps")) || 24;
  }
  get frames() {
    return Number(this.getAttribute("frames")) || Math.max(1, Math.round((this.#parts?.a.duration || 0) * this.fps));
  }
  get playing() {
    return Boolean(this.#parts) && !this.#parts.a.paused;
  }
  get view() {
    return this.hasAttribute("against") && VIEWS[this.getAttribute("view")] ? this.getAttribute("view") : "one";
  }
  set fps(value) {
    this.setAttribute("fps", value);
  }
  set frames(value) {
    this.setAttribute("frames", value);
  }
  set view(value) {
    this.setAttribute("view", value);
  }
  get video() {
    return this.#parts?.a;
  }
  get frame() {
    return this.#frame;
  }
  set frame(value) {
    this.pause();
    this.#show(Math.min(Math.max(Math.round(value), 0), this.frames - 1));
    for (const one of this.#videos)
      one.currentTime = Math.min((this.#frame + 0.5) / this.fps, (one.duration || Infinity) - 0.001);
  }
  get marks() {
    return this.#marks;
  }
  set marks(value) {
    this.#marks = value ?? [];
    this.#drawMarks();
  }
  set draw(value) {
    this.#draw = value;
    this.#paint();
  }

  async play() {
    for (const one of this.#videos) one.currentTime = this.#parts.a.currentTime;
    // a source that changes meanwhile aborts it, which is no error
    await Promise.all(this.#videos.map((one) => one.play().catch(() => null)));
    this.#follow();
  }
  pause() {
    this.#videos.forEach((one) => one.pause());
  }

  get #videos() {
    return this.#parts ? [this.#parts.a, this.#parts.b].filter((one) => one.src) : [];
  }

  #refresh() {
    const { a, b, screen, difference, views, time, broken } = this.#parts;
    const label = this.getAttribute("label") || "clip";
    for (const [one, name] of [
      [a, "src"],
      [b, "against"],
    ]) {
      const source = this.getAttribute(name);
      if ((one.dataset.from ?? null) === source) continue;
      broken.hidden = true;
      this.#load(one, source);
    }
    this.setAttribute("aria-label", `Player: ${label}`);
    time.ariaLabel = `Frame of ${label}`;
    a.ariaLabel = label;
    b.ariaLabel = `${label}, to compare with`;
    difference.ariaLabel = `Difference, ${GAIN} times brightened`;
    views.hidden = !this.hasAttribute("against");
    views.value = this.view;
    screen.classList.toggle("side", this.view === "side");
    b.parentElement.hidden = this.view !== "side";
    difference.hidden = this.view !== "difference";
    a.hidden = this.view === "difference";
    this.#turned(this.playing ? "play" : "pause", true);
    this.#loaded();
  }

  async #load(one, source) {
    // whole, as a blob: a plain file server answers no ranges, and without them nothing can be sought
    URL.revokeObjectURL(one.src);
    one.removeAttribute("src");
    if (!source) return delete one.dataset.from;
    one.dataset.from = source;
    const file = await fetch(source).then(
      (reply) => (reply.ok ? reply.blob() : null),
      () => null,
    );
    // else another source was set meanwhile
    if (one.dataset.from === source) one.src = file ? URL.createObjectURL(file) : source;
  }

  #loaded() {
    this.#parts.time.max = this.frames - 1;
    this.#show(Math.min(this.#frame, this.frames - 1), true);
    this.#drawMarks();
  }

  #broken() {
    this.#parts.broken.textContent =
      "This clip cannot be played here: the browser does not know its codec, or the file is gone.";
    this.#parts.broken.hidden = false;
  }

  #turned(name, quiet = false) {
    const text = name === "play" ? "Pause" : "Play";
    this.#parts.toggle.replaceChildren(icon(text.toLowerCase()));
    this.#parts.toggle.ariaLabel = this.#parts.toggle.title = text;
    if (!quiet) this.dispatchEvent(new CustomEvent(name));
  }

  #follow() {
    // while it plays
    if (!this.playing) return;
    const { a, b } = this.#parts;
    if (b.src && Math.abs(a.currentTime - b.currentTime) > 1.5 / this.fps) b.currentTime = a.currentTime;
    this.#show(Math.min(Math.floor(a.currentTime * this.fps + 0.01), this.frames - 1));
    this.#paint();
    requestAnimationFrame(() => this.#follow());
  }

  #show(frame, always = false) {
    if (frame === this.#frame && !always) return;
    this.#frame = frame;
    const { time, count } = this.#parts;
    time.value = frame;
    time.setAttribute("aria-valuetext", `frame ${frame + 1} of ${this.frames}`);
    count.textContent = `${frame + 1} / ${this.frames}`;
    this.#paint();
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #paint() {
    if (!this.#parts) return;
    const { a, b, difference, over } = this.#parts;
    if (this.view === "difference" && a.videoWidth && b.videoWidth) {
      const width = (difference.width = Math.max(a.videoWidth, b.videoWidth));
      const height = (difference.height = Math.max(a.videoHeight, b.videoHeight));
      const context = difference.getContext("2d");
      context.drawImage(a, 0, 0, width, height);
      context.globalCompositeOperation = "difference";
      context.drawImage(b, 0, 0, width, height);
      context.globalCompositeOperation = "lighter";
      for (let brighter = 1; brighter < GAIN; brighter *= 2) context.drawImage(difference, 0, 0);
    }
    over.hidden = !this.#draw;
    if (!this.#draw || !over.clientWidth) return;
    const ratio = globalThis.devicePixelRatio || 1;
    over.width = over.clientWidth * ratio;
    over.height = over.clientHeight * ratio;
    const context = over.getContext("2d");
    context.scale(ratio, ratio);
    this.#draw(context, this.#frame, over.clientWidth, over.clientHeight);
  }

  #drawMarks() {
    if (!this.#parts) return;
    const { lane, marks } = this.#parts;
    const share = (frame) => `${(100 * frame) / Math.max(this.frames, 1)}%`;
    lane.hidden = marks.hidden = this.#marks.length === 0;
    lane.replaceChildren(
      ...this.#marks.map(({ from, to, label }) => {
        const bar = h("i", { title: label });
        Object.assign(bar.style, { left: share(from), width: share(to - from + 1) });
        return bar;
      }),
    );
    marks.replaceChildren(
      ...this.#marks.map(({ from, to, label, text }) =>
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", title: text ?? label, onclick: () => (this.frame = from) },
            `${label} · ${from === to ? from + 1 : `${from + 1}–${to + 1}`}`,
          ),
        ),
      ),
    );
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select")) return;
    const onButton = event.target.matches("button");
    const act = {
      ArrowLeft: () => (this.frame -= 1),
      ArrowRight: () => (this.frame += 1),
      Home: () => (this.frame = 0),
      End: () => (this.frame = this.frames - 1),
      " ": onButton ? null : () => (this.playing ? this.pause() : this.play()),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

customElements.define("clip-player", ClipPlayer);

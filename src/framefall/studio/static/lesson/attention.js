// <attention-map>: which frames a frame sees. <attention-real>: what the shipped model listens to. <cost-curve>: what it costs, computed and timed.

import { choice, h, svg, unique } from "../static/dom.js";
import { chart } from "./chart.js";
import { Diagram } from "./diagram.js";
import { strip } from "./frames.js";
import { example, formatted, number, show } from "./numbers.js";

const KINDS = { "conv3d x1": "3-D convolution, 1 layer", "conv3d x2": "2 layers", "conv3d x4": "4 layers", full: "full attention", "window(2)": "window", "dilated(2,3)": "dilated", "anchors(2)": "anchors", "window(2)+anchors(2)": "window + anchors", "causal+window(4)": "causal window" };

// A row of frames as buttons of which one has the focus; `chosen` is called for the one that is pointed at or moved to.
function frameRow(count, label, chosen) {
  const buttons = [...Array(count).keys()].map((frame) => h("button", { type: "button", class: "frame", tabIndex: frame ? -1 : 0, ariaLabel: `frame ${frame + 1}`, onpointerenter: () => chosen(frame), onfocus: () => chosen(frame), onclick: () => chosen(frame) }, h("canvas", { width: 64, height: 64, ariaHidden: "true" }), h("span", { class: "small" }, String(frame + 1))));
  const row = h("div", { class: "frames", role: "group", ariaLabel: label });
  row.append(...buttons);
  row.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -count, End: count }[event.key];
    if (!by) return;
    event.preventDefault();
    const now = Math.min(Math.max(buttons.indexOf(document.activeElement) + by, 0), count - 1);
    buttons.forEach((button, index) => (button.tabIndex = index === now ? 0 : -1));
    buttons[now].focus();
  });
  return { row, buttons };
}

async function fill(buttons, clip) {
  const image = await strip(clip.strip);
  buttons.forEach((button, frame) => {
    const context = button.firstChild.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(image, frame * clip.width, 0, clip.width, clip.height, 0, 0, 64, 64);
  });
}

// A table of who sees whom, as squares; `weight` is from 0 to 1.
function squares(rows, chosen, label) {
  const count = rows.length;
  return svg("svg", { class: "matrix", viewBox: `0 0 ${rows[0].length} ${count}`, role: "img", "aria-label": label },
    rows.map((row, query) => row.map((weight, key) => (weight > 0.004 ? svg("rect", { x: key + 0.04, y: query + 0.04, width: 0.92, height: 0.92, "fill-opacity": (query === chosen ? 0.15 + 0.85 * weight : 0.1 + 0.7 * weight).toFixed(3), class: query === chosen ? "now" : "" }) : null))));
}

class AttentionMap extends Diagram {
  async build() {
    const [made, weights] = await Promise.all([example("attention-patterns"), example("attention-weights")]);
    let [kind, frame] = ["window(2)", 7];
    const { row, buttons } = frameRow(made.frames, "Frames: point at one, or use the arrow keys", (chosen) => { frame = chosen; draw(); });
    const [matrix, said] = [h("div"), h("p", { class: "readout", role: "status" })];
    const pairs = h("data");
    const draw = () => {
      const place = made.kinds.findIndex(({ name }) => name === kind);
      const sees = made.kinds[place].sees;
      buttons.forEach((button, index) => {
        button.classList.toggle("now", index === frame);
        button.classList.toggle("seen", sees[frame].includes(index));
      });
      said.replaceChildren(`Frame ${frame + 1} sees ${sees[frame].length === made.frames ? "all frames" : `frames ${sees[frame].map((one) => one + 1).join(", ")}`}. In all `, show(pairs, `attention-patterns:kinds.${place}.pairs`, "d0"), " pairs of frames meet.");
      matrix.replaceChildren(squares(sees.map((seen) => [...Array(made.frames).keys()].map((key) => (seen.includes(key) ? 1 : 0))), frame, `Table of ${KINDS[kind]}: a row for each frame, a column for each frame that it sees`));
    };
    this.append(h("div", { class: "diagram" },
      choice("Way to look", Object.fromEntries(made.kinds.map(({ name }) => [name, KINDS[name]])), kind, (chosen) => { kind = chosen; draw(); }),
      row, said, h("figure", {}, matrix, h("figcaption", { class: "small muted" }, "A row for each frame that asks, a column for each that is seen."))));
    fill(buttons, weights.clip);
    draw();
  }
}

class AttentionReal extends Diagram {
  async build() {
    const made = await example("attention-weights");
    let [level, block, frame] = [0, 0, 7];
    const { row, buttons } = frameRow(made.frames, "Frames of the clip: point at one, or use the arrow keys", (chosen) => { frame = chosen; draw(); });
    const id = unique("block");
    const blocks = made.levels[0].blocks.length;
    const slider = h("input", { type: "range", id, min: 0, max: blocks - 1, value: 0, oninput: () => { block = Number(slider.value); draw(); } });
    const [matrix, said, which] = [h("div"), h("p", { class: "readout", role: "status" }), h("output", { htmlFor: id })];
    const draw = () => {
      const table = made.levels[level].blocks[block];
      const weights = table[frame];
      const most = Math.max(...weights.slice(0, made.frames));
      const best = [...Array(made.frames).keys()].sort((one, other) => weights[other] - weights[one]).slice(0, 3);
      const path = (key) => `attention-weights:levels.${level}.blocks.${block}.${frame}.${key}`;
      which.textContent = `${block + 1} of ${blocks}`;
      slider.setAttribute("aria-valuetext", which.textContent);
      buttons.forEach((button, index) => {
        button.classList.toggle("now", index === frame);
        button.style.setProperty("--weight", (weights[index] / most).toFixed(3));
      });
      said.replaceChildren(`Frame ${frame + 1} gives most to `, ...best.flatMap((key, place) => [place ? ", " : "", `frame ${key + 1} (`, number(path(key), "p0"), ")"]), "; to the words of the caption ", number(path(made.frames), "p0"), ".");
      const top = Math.max(...table.flatMap((one) => one.slice(0, made.frames)));
      matrix.replaceChildren(squares(table.map((one) => one.slice(0, made.frames).map((weight) => weight / top)), frame, `Attention weights of block ${block + 1}: a row for each frame that asks`));
    };
    this.append(h("div", { class: "diagram" },
      choice("Noise left", Object.fromEntries(made.levels.map(({ t }, index) => [index, `t = ${formatted(t, "d1")}`])), "0", (chosen) => { level = Number(chosen); draw(); }),
      h("div", { class: "field" }, h("label", { htmlFor: id }, "Block ", which), slider),
      row, said, h("figure", {}, matrix, h("figcaption", { class: "small muted" }, "More colour is more attention. A row for each frame that asks."))));
    fill(buttons, made.clip);
    draw();
  }
}

class CostCurve extends Diagram {
  async build() {
    const [work, timed] = await Promise.all([example("attention-work"), example("attention-measured")]);
    const id = unique("frames");
    const slider = h("input", { type: "range", id, min: 0, max: work.rows.length - 1, value: 4, oninput: () => draw() });
    const [frames, full, sparse, ratio] = ["frames", "full", "sparse", "ratio"].map(() => h("data"));
    const computed = h("div");
    const draw = () => {
      const at = Number(slider.value);
      show(frames, `attention-work:rows.${at}.frames`, "d0");
      show(full, `attention-work:rows.${at}.full`, "d0");
      show(sparse, `attention-work:rows.${at}.sparse`, "d0");
      show(ratio, `attention-work:rows.${at}.ratio`, "d1");
      slider.setAttribute("aria-valuetext", `${work.rows[at].frames} frames`);
      computed.replaceChildren(chart({ label: "Pairs of frames against the number of frames: full attention rises as the square, a window as a line", x: work.rows.map((one) => one.frames), logarithmic: true, at: work.rows[at].frames, axis: "frames (computed)", unit: "pairs of frames at each position",
        curves: [{ name: "full", kind: "two", values: work.rows.map((one) => one.full) }, { name: "window", kind: "one", values: work.rows.map((one) => one.sparse) }] }));
    };
    this.append(h("div", { class: "diagram" },
      h("div", { class: "field" }, h("label", { htmlFor: id }, "Frames of the clip ", h("output", { htmlFor: id }, frames)), slider),
      h("p", { class: "readout", role: "status" }, "Full attention compares ", full, " pairs, a window ", sparse, ": ", ratio, " times as many."),
      h("div", { class: "pair" }, computed, chart({ label: `Microseconds against the number of frames as timed; full attention crosses the window in torch alone at ${formatted(timed.crossing, "d0")} frames`, x: timed.lengths, logarithmic: true, mark: timed.crossing, axis: "frames (measured)", unit: "microseconds a position, one core",
        curves: [{ name: "full", kind: "two", values: timed.microseconds.full }, { name: "window, torch alone", kind: "three", values: timed.microseconds.blocks }, { name: "window, kernel", kind: "one", values: timed.microseconds.sparse }] }))));
    draw();
  }
}

customElements.define("attention-map", AttentionMap);
customElements.define("attention-real", AttentionReal);
customElements.define("cost-curve", CostCurve);

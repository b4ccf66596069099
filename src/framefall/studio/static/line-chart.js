// <line-chart label="Loss">: curves that grow, as SVG. add(name, x, y); the colours are those of the stages. The
// vertical axis is logarithmic: losses are read that way.

import { digits, h, stageName, svg } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [640, 240, 56, 28];
const color = (name) => COLOR[name.split(" ")[0]] ?? "var(--accent)"; // "base held out" goes with "base"
const COLOR = { base: "var(--base)", temporal_sr: "var(--tsr)", spatial_sr: "var(--ssr)" };

export class LineChart extends HTMLElement {
  #curves = new Map();
  #waits = false;

  add(name, x, y) {
    if (!(y > 0) || !Number.isFinite(y)) return;
    if (!this.#curves.has(name)) this.#curves.set(name, []);
    this.#curves.get(name).push([x, y]);
    if (this.#waits) return; // many points a second are drawn once a frame
    this.#waits = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#waits = false;
    const points = [...this.#curves.values()].flat();
    const [first, last] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
    const [low, high] = [
      Math.log(Math.min(...points.map(([, y]) => y))) - 0.05,
      Math.log(Math.max(...points.map(([, y]) => y))) + 0.05,
    ];
    const at = ([x, y]) => [
      LEFT + ((WIDTH - LEFT - 8) * (x - first)) / (last - first || 1),
      8 + (HEIGHT - BOTTOM - 8) * (1 - (Math.log(y) - low) / (high - low)),
    ];
    const ticks = [0, 1, 2, 3].map((one) => Math.exp(low + ((high - low) * one) / 3));
    const label = this.getAttribute("label");
    const said = [...this.#curves]
      .map(
        ([name, curve]) =>
          `${stageName(name)} from ${digits(curve[0][1])} to ${digits(curve.at(-1)[1])} after step ${curve.at(-1)[0]}`,
      )
      .join("; ");
    this.replaceChildren(
      h(
        "figure",
        { class: "chart" },
        svg(
          "svg",
          { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${label}: ${said}` },
          ticks.map((value) => [
            svg("line", {
              class: "grid",
              x1: LEFT,
              x2: WIDTH - 8,
              y1: at([first, value])[1],
              y2: at([first, value])[1],
            }),
            svg("text", { x: LEFT - 6, y: at([first, value])[1] + 4, "text-anchor": "end" }, value.toPrecision(2)),
          ]),
          (first === last ? [first] : [first, last]).map((x, end) =>
            svg("text", { x: at([x, ticks[0]])[0], y: HEIGHT - 8, "text-anchor": end ? "end" : "start" }, `step ${x}`),
          ),
          [...this.#curves].map(([name, curve]) => {
            const line = svg("polyline", {
              class: "curve",
              points: curve
                .map((point) =>
                  at(point)
                    .map((one) => one.toFixed(1))
                    .join(),
                )
                .join(" "),
            });
            const [x, y] = at(curve.at(-1));
            const end = svg("circle", { cx: x, cy: y, r: 3 });
            line.style.stroke = end.style.fill = color(name);
            if (name.includes(" ")) line.style.strokeDasharray = "4 3";
            return [line, end];
          }),
        ),
        h(
          "figcaption",
          { class: "row small" },
          [...this.#curves].map(([name, curve]) =>
            h("span", { class: `chip ${name.split(" ")[0]}` }, `${stageName(name)} ${digits(curve.at(-1)[1])}`),
          ),
        ),
      ),
    );
  }
}

customElements.define("line-chart", LineChart);

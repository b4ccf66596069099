// Curves as SVG: chart({label, x, curves: [{name, kind, values}], logarithmic, at, unit}). `at` is the place of the mark along x.

import { h, svg } from "../static/dom.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 300, 80, 20, 14, 56];

export function chart({ label, x, xs = x.map(String), curves, logarithmic = false, at, unit = "", axis = "", mark }) {
  const scale = logarithmic ? Math.log2 : (value) => value;
  const every = curves.flatMap((curve) => curve.values).filter((value) => Number.isFinite(value) && (!logarithmic || value > 0));
  const [low, high] = [Math.min(...every), Math.max(...every)].map(scale);
  const [first, last] = [x[0], x.at(-1)].map(scale);
  const across = (value) => LEFT + ((WIDTH - LEFT - RIGHT) * (scale(value) - first)) / (last - first || 1);
  const up = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (scale(value) - low) / (high - low || 1));
  const ticks = [0, 1, 2, 3].map((one) => low + ((high - low) * one) / 3).map((value) => (logarithmic ? 2 ** value : value));
  const shown = x.filter((_, index) => x.length < 9 || index % Math.ceil(x.length / 8) === 0);
  return h("figure", { class: "chart" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      ticks.map((value) => [svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: up(value), y2: up(value) }), svg("text", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, short(value))]),
      shown.map((value) => svg("text", { x: across(value), y: HEIGHT - BOTTOM + 22, "text-anchor": "middle" }, xs[x.indexOf(value)])),
      svg("text", { class: "axis", x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, axis),
      mark === undefined || mark === null ? null : svg("line", { class: "mark", x1: across(mark), x2: across(mark), y1: TOP, y2: HEIGHT - BOTTOM }),
      at === undefined ? null : svg("line", { class: "at", x1: across(at), x2: across(at), y1: TOP, y2: HEIGHT - BOTTOM }),
      curves.map(({ kind, values }) => [
        svg("polyline", { class: `curve ${kind}`, points: values.map((value, index) => [value, index]).filter(([value]) => Number.isFinite(value)).map(([value, index]) => `${across(x[index]).toFixed(1)},${up(value).toFixed(1)}`).join(" ") }),
        at === undefined || !Number.isFinite(values[x.indexOf(at)]) ? null : svg("circle", { class: `dot ${kind}`, cx: across(at), cy: up(values[x.indexOf(at)]), r: 5 }),
      ])),
    h("figcaption", { class: "row small" }, curves.map(({ name, kind }) => h("span", { class: `chip ${kind}` }, name)), unit ? h("span", { class: "muted" }, unit) : null));
}

const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact" });

// The ends of an axis are read, not compared.
const short = (value) => (value === 0 ? "0" : value < 1e-3 ? value.toExponential(0) : value >= 100 ? COMPACT.format(value) : String(Number(value.toPrecision(2))));

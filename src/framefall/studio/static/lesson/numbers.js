// Numbers of the page: each says which example it comes from, and a test compares what is written with what the library computed.

import { h } from "../static/dom.js";

const loaded = new Map();

// An example's JSON, read once.
export async function example(name) {
  if (!loaded.has(name)) loaded.set(name, fetch(`examples/${name}.json`).then((reply) => { if (!reply.ok) throw new Error(`examples/${name}.json: ${reply.status}`); return reply.json(); }).then((values) => (cache.set(name, values), values)));
  return loaded.get(name);
}

const cache = new Map();

export const picture = (file) => `examples/${file}`;

// The same as `formatted` in numbers.py: d2 is two decimals, p0 a share in per cent, s as it is.
export function formatted(value, form) {
  if (value === null || value === undefined) return "–";
  if (form === "s") return String(value);
  const places = Number(form.slice(1));
  const scaled = Number((value * (form[0] === "p" ? 100 : 1)).toPrecision(12));
  return scaled.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }) + (form[0] === "p" ? "%" : "");
}

export function found(path) {
  const [name, rest] = path.split(":");
  return rest.split(".").reduce((value, part) => value[part], cache.get(name));
}

// A number of an example that was read already.
export function number(path, form, props = {}) {
  return show(h("data", props), path, form);
}

// Puts another number into an element.
export function show(element, path, form) {
  element.dataset.from = path;
  element.dataset.form = form;
  element.textContent = formatted(found(path), form);
  return element;
}

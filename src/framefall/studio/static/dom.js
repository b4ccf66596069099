// Elements in one line each: h("p", { class: "muted" }, "text", child). A property of the element is set as one,
// `on...` listens, all else is an attribute.

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  set(element, props);
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

export function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const PATHS = {
  play: "M7 4l13 8-13 8z",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
  back: "M17 4L8 12l9 8zM5 4h2v16H5z",
  forth: "M7 4l9 8-9 8zM17 4h2v16h-2z",
};

export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", width: 18, height: 18, fill: "currentColor", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] }),
  );
}

let last = 0;

// An id that no other element of this page has.
export const unique = (stem) => `${stem}-${(last += 1)}`;

// Says something to a screen reader, once it is done with what it says.
export function announce(text) {
  const live = document.querySelector("#live");
  if (live && live.textContent !== text) live.textContent = text;
}

// A group of radio buttons as one bar: {value: text}; `chosen` is called with the value.
export function choice(label, options, value, chosen = () => {}) {
  const name = unique("choice");
  return h(
    "fieldset",
    { class: "field" },
    h("legend", {}, label),
    h(
      "div",
      { class: "choice" },
      Object.entries(options).map(([key, text]) =>
        h(
          "label",
          {},
          h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => chosen(key) }),
          text,
        ),
      ),
    ),
  );
}

// A control with its label and, below it, a word of help.
export function field(label, control, help) {
  control.id ||= unique("field");
  const about = help ? h("small", { id: `${control.id}-help` }, help) : null;
  if (about) control.setAttribute("aria-describedby", about.id);
  return h("div", { class: "field" }, h("label", { htmlFor: control.id }, label), control, about);
}

export const select = (options, props = {}) =>
  h(
    "select",
    props,
    Object.entries(options).map(([value, text]) => h("option", { value }, text)),
  );

// A number as people read it: four digits that count.
export const digits = (value) =>
  value === null || value === undefined
    ? "–"
    : Number.isInteger(value)
      ? String(value)
      : String(Number(value.toPrecision(4)));

// What a stage is called on the page.
export const stageName = (name) => ({ temporal_sr: "TSR", spatial_sr: "SSR" })[name] ?? name.replaceAll("_", " ");

export const stageChip = (name, more = "") => h("span", { class: `chip ${name}` }, stageName(name), more);

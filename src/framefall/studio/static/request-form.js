// <request-form parts="model prompt seed length quality count candidates until guidance given report">: the settings
// of a clip, as many of them as are named.
//
// models    what the server has (set first).   model   the one that is chosen; Event "model" when that changes.
// async request()   a request to generate, as the server takes it.   async show(request)   sets what one says.

import "./given-panel.js";
import "./prompt-field.js";
import { choice, digits, field, h, select, stageChip, stageName } from "./dom.js";

// a part of the form by its name: builds its element; `read` gives its part of a request, `write` shows it, `turn`
// follows the chosen model
const PARTS = {
  model: (form) => {
    const chosen = select(Object.fromEntries(form.models.map(({ id, name }) => [id, name])), {
      onchange: () => form.turn(),
    });
    const stages = h("p", { class: "row small" });
    const card = h("details", { class: "small" });
    return {
      element: h("div", { class: "stack" }, field("Model", chosen), stages, card),
      read: () => ({ model: chosen.value }),
      write: ({ model }) => {
        if (form.models.some(({ id }) => id === model)) chosen.value = model;
      },
      turn: (model) => {
        stages.replaceChildren(...stageChips(model.stages));
        card.replaceChildren(...about(model));
      },
    };
  },
  prompt: () => {
    const text = h("prompt-field");
    return {
      element: text,
      read: () => ({ prompt: text.value || null }),
      write: ({ prompt }) => (text.value = Array.isArray(prompt) ? prompt[0] : prompt),
      turn: (model) => (text.model = model.id),
    };
  },
  seed: () => {
    const seed = h("input", { type: "number", min: 0, step: 1, value: 0 });
    const element = field("Seed", seed);
    const roll = h(
      "button",
      {
        type: "button",
        class: "icon",
        ariaLabel: "Another seed",
        title: "Another seed",
        onclick: () => (seed.value = Math.floor(Math.random() * 1e6)),
      },
      "⚄",
    );
    element.append(h("div", { class: "join" }, seed, roll));
    return {
      element,
      read: () => ({ seed: Number(seed.value) || 0 }),
      write: (request) => (seed.value = request.seed ?? 0),
    };
  },
  length: () => {
    const amount = h("input", { type: "number", min: 0.1, step: 0.1, placeholder: "auto" });
    const unit = select(
      { seconds: "seconds", frames: "frames" },
      { ariaLabel: "Unit of the length", onchange: () => (amount.step = unit.value === "frames" ? 1 : 0.1) },
    );
    const element = field("Length", amount);
    element.append(h("div", { class: "join" }, amount, unit));
    return {
      element,
      read: () => (amount.value ? { [unit.value]: Number(amount.value) } : {}),
      write: ({ seconds, frames }) => {
        amount.value = seconds ?? frames ?? "";
        unit.value = frames ? "frames" : "seconds";
      },
    };
  },
  quality: () => {
    const element = choice("Quality", { fast: "fast", best: "best" }, "fast");
    return {
      element,
      read: () => ({ quality: element.querySelector(":checked").value }),
      write: ({ quality }) => (element.querySelector(`[value=${quality ?? "fast"}]`).checked = true),
    };
  },
  count: () => {
    const count = h("input", { type: "number", min: 1, max: 64, step: 1, value: 1 });
    return {
      element: field("Clips", count),
      read: () => ({ count: Number(count.value) || 1 }),
      write: (request) => (count.value = request.count ?? 1),
    };
  },
  candidates: () => {
    const count = h("input", {
      type: "number",
      min: 1,
      max: 32,
      step: 1,
      value: 1,
      title: "Small clips that the base draws for each; the one that does best what the prompt says is made whole.",
    });
    return {
      element: field("Drafts", count),
      read: () => (Number(count.value) > 1 ? { candidates: Number(count.value) } : {}),
      write: ({ candidates }) => (count.value = candidates ?? 1),
    };
  },
  guidance: () => {
    const scale = h("input", { type: "number", min: 0, max: 100, step: 0.1, placeholder: "its own" });
    return {
      element: field("Guidance", scale),
      read: () => (scale.value ? { guidance: Number(scale.value) } : {}),
      write: ({ guidance }) => (scale.value = guidance ?? ""),
    };
  },
  until: () => {
    const until = h("select");
    return {
      element: field("Stages", until),
      read: () => (until.value ? { until: until.value } : {}),
      write: (request) => (until.value = request.until ?? ""),
      turn: ({ stages }) => {
        const before = until.value;
        until.replaceChildren(
          ...stages.map(({ name }, index) =>
            h(
              "option",
              { value: index === stages.length - 1 ? "" : name },
              index === 0 ? `${stageName(name)} alone` : `up to ${stageName(name)}`,
            ),
          ),
        );
        until.value = stages.some(({ name }) => name === before) ? before : "";
      },
    };
  },
  given: () => {
    const panel = h("given-panel");
    const element = h(
      "details",
      {},
      h("summary", {}, "Start from an image or a video, loop, change the prompt later"),
      panel,
    );
    return {
      element,
      read: async () => {
        const use = await panel.use();
        return Object.keys(use).length ? { use } : {};
      },
      write: async ({ use }) => {
        element.open = await panel.show(use);
      },
      turn: (model) => (panel.uses = model.uses),
    };
  },
  report: () => {
    const report = h("input", { type: "checkbox", checked: true });
    return {
      element: h("label", { class: "check" }, report, "Score it, and track what moves"),
      read: () => ({ report: report.checked, tracks: report.checked }),
      write: (request) => (report.checked = request.report ?? true),
    };
  },
};
const PAIRED = ["seed", "length", "count", "candidates", "until", "guidance"]; // stand side by side

export class RequestForm extends HTMLElement {
  models = [];
  #parts = {};

  connectedCallback() {
    if (this.firstChild) return;
    const names = (this.getAttribute("parts") ?? Object.keys(PARTS).join(" ")).split(" ");
    this.#parts = Object.fromEntries(names.map((name) => [name, PARTS[name](this)]));
    const pair = h("div", { class: "pair" });
    for (const name of names) {
      if (!PAIRED.includes(name)) this.append(this.#parts[name].element);
      else {
        pair.append(this.#parts[name].element);
        this.append(pair);
      }
    }
    this.turn();
  }

  get model() {
    const id = this.#parts.model?.read().model ?? this.chosen;
    return this.models.find((one) => one.id === id) ?? this.models[0];
  }
  set model(id) {
    // of a form that has no choice of its own
    this.chosen = id;
    this.turn();
  }

  turn() {
    for (const part of Object.values(this.#parts)) part.turn?.(this.model);
    this.dispatchEvent(new CustomEvent("model", { detail: this.model }));
  }

  async request() {
    const read = await Promise.all(Object.values(this.#parts).map((part) => part.read()));
    return Object.assign({}, ...read);
  }

  async show(request) {
    this.#parts.model?.write(request);
    this.turn();
    await Promise.all(Object.values(this.#parts).map((part) => part.write(request)));
  }
}

// What each stage makes, in a few words.
export const stageChips = (stages) =>
  stages.map(({ name, task, makes, frames, height, width }) =>
    stageChip(name, task === "spatial_sr" ? ` ${makes}` : ` ${frames}×${height}×${width}`),
  );

// What is known of a model, to be read before it is asked.
function about(model) {
  const stages = model.stages.map(({ name, makes, parameters }) =>
    h("li", {}, stageChip(name), ` ${makes}, ${(parameters / 1e6).toFixed(1)} M parameters`),
  );
  const list = (title, items) =>
    items?.length
      ? [
          h("h4", {}, title),
          h(
            "ul",
            {},
            items.map((one) => h("li", {}, one)),
          ),
        ]
      : [];
  const words = Object.keys(model.words);
  const scores = Object.entries(model.scores).map(
    ([name, value]) => `${name.replaceAll("_", " ").replace(".", ": ")} ${digits(value)}`,
  );
  return [
    h("summary", {}, "What it makes, knows and fails at"),
    h("p", {}, model.description),
    h("ul", {}, stages),
    ...list("It was told", model.captions),
    ...list("Scenarios of the worlds", model.scenes.length ? [model.scenes.join(", ")] : []),
    ...list("Trained on", model.trained_on),
    ...list("Scores", scores),
    ...list("Known failures", model.failures),
    h("h4", {}, `Its ${words.length} words`),
    h("p", {}, words.length ? words.slice(0, 200).join(" ") : "None: it was trained without captions."),
    h("p", { class: "muted" }, `Licence of the weights: ${model.license}`),
  ].flat();
}

customElements.define("request-form", RequestForm);

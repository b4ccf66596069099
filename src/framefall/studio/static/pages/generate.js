// Generate: a request on the left, what comes of it on the right.

import * as api from "../api.js";
import "../clip-result.js";
import { h } from "../dom.js";
import "../request-form.js";
import { workbench } from "../workbench.js";

export const title = "Generate";
export const about =
  "A clip from a sentence, or around an image or a video of yours. The same request makes the same bits.";

export async function show(body, id) {
  const form = h("request-form");
  form.models = await api.models();
  const bench = workbench(body, "generate", {
    form: [form, h("button", { type: "submit", class: "primary" }, "Generate")],
    submit: () => bench.run(async () => api.submit("generate", await form.request())),
    empty: empty(form),
    shown: (job) => [
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", onclick: () => bench.run(() => api.again(job.id)) }, "Remake exactly"),
      ),
      job.result && made(job, form.models),
    ],
  });
  await bench.load(id, (job) => form.show(job.request));
}

function made(job, models) {
  const { same } = job.result;
  const clips = h("clip-result");
  const model = models.find((one) => one.id === job.request.model);
  clips.show(job, Object.fromEntries((model?.stages ?? []).map(({ name, fps }) => [name, fps])));
  return [
    same !== null &&
      h(
        "p",
        { class: `note ${same ? "" : "bad"}` },
        same ? "Made again: the same bits." : "Made again: the bits differ.",
      ),
    clips,
  ];
}

// Before anything was made: prompts that the model knows, once the server has said them.
function empty(form) {
  const words = h("p", {}, "Your clip will play here, stage by stage while it is made.");
  const element = h("div", { class: "empty stack" }, words);
  api.complete(form.models[0].id, "").then(
    ({ completions }) => completions.length && element.append(suggestions(form, completions.slice(0, 6))),
    () => {}, // it can be written without
  );
  return element;
}

const suggestions = (form, sentences) =>
  h(
    "div",
    {},
    h("p", { class: "small" }, "For instance:"),
    h(
      "div",
      { class: "suggestions" },
      sentences.map((text) =>
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              form.querySelector("prompt-field").value = text;
              form.querySelector("prompt-field input").focus();
            },
          },
          text,
        ),
      ),
    ),
  );

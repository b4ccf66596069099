// Train: a folder, what was found in it, a recipe, an estimate; then the loss as it falls, samples as they come, and
// the verdict.

import * as api from "../api.js";
import { digits, field, h, select, stageChip } from "../dom.js";
import "../folder-picker.js";
import { duration } from "../job-view.js";
import { stageChips } from "../request-form.js";
import { workbench } from "../workbench.js";

export const title = "Train";
export const about =
  "A cascade of your own, on a folder of videos. Look first: what was found, what was refused and why, and what the time buys.";

export async function show(body, id) {
  const recipes = await api.recipes();
  const picker = h("folder-picker");
  const words = h("div", { class: "stack small muted" });
  const tell = () => {
    const { about: text, stages } = recipes.find(({ name }) => name === recipe.value);
    words.replaceChildren(h("p", {}, text), h("p", { class: "row" }, stageChips(stages)));
  };
  const recipe = select(Object.fromEntries(recipes.map(({ name }) => [name, name])), { onchange: tell });
  const minutes = h("input", { type: "number", min: 0.1, step: "any", value: 30 });
  const before = h("div", { class: "stack" }); // what was found stays beside what the time buys
  const bench = workbench(body, "train", {
    form: [
      picker,
      field("Recipe", recipe),
      words,
      field("Minutes", minutes, "of training, of all stages together"),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", onclick: () => start("look") }, "Look first"),
        h("button", { type: "submit", class: "primary" }, "Train"),
      ),
    ],
    submit: () => start("train"),
    empty: h("p", { class: "empty" }, "What was found, the loss, samples and the verdict will stand here."),
    beside: before,
    shown: async (job) => {
      if (job.kind === "train") return trained(job, await api.models(), () => bench.run(() => api.resume(job.id)));
      if (!job.result) return null;
      if (job.kind === "estimate") return bought(job.result);
      before.replaceChildren(...found(job.result));
      return h(
        "div",
        { class: "row" },
        h(
          "button",
          { type: "button", onclick: () => start("estimate", { folder: job.request.folder }) },
          "What would the minutes buy?",
        ),
      );
    },
  });
  tell();

  function start(kind, more = {}) {
    if (kind !== "estimate") before.replaceChildren();
    return bench.run(async () => {
      await picker.ready;
      if (!picker.value && !more.folder) throw new Error("Choose a folder first.");
      const asked = { folder: picker.value?.id, recipe: recipe.value, ...more };
      return api.submit(kind, kind === "look" ? asked : { ...asked, minutes: Number(minutes.value) });
    });
  }

  await bench.load(id, async ({ request }) => {
    recipe.value = request.recipe;
    minutes.value = request.minutes ?? minutes.value;
    tell();
    await picker.open(request.folder);
  });
}

function found({ files, skipped, notes, seconds }) {
  const told = files.filter(({ caption }) => caption).length;
  return [
    h("h2", {}, `${files.length} file${files.length === 1 ? " is" : "s are"} used, ${duration(seconds)} of video`),
    h("p", {}, `${told} of them ${told === 1 ? "has" : "have"} a caption.`),
    ...notes.map((note) => h("p", { class: "muted" }, note)),
    h(
      "details",
      {},
      h("summary", {}, "What each is taken as"),
      h(
        "div",
        { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "Files" },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["file", "takes", "frames", "size", "caption"].map((name) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            {},
            files
              .slice(0, 500)
              .map((one) =>
                h(
                  "tr",
                  {},
                  h("th", { scope: "row" }, one.path),
                  h("td", {}, one.shots),
                  h("td", {}, one.frames),
                  h("td", {}, `${one.width}×${one.height}`),
                  h("td", {}, one.caption ?? "–"),
                ),
              ),
          ),
        ),
      ),
    ),
    skipped.length
      ? h(
          "details",
          { open: skipped.length < 10 },
          h("summary", { class: "warn" }, `${skipped.length} refused`),
          h(
            "ul",
            {},
            skipped.map(({ path, reason }) => h("li", {}, h("code", {}, path), `: ${reason}`)),
          ),
        )
      : h("p", { class: "good" }, "Nothing was refused."),
  ];
}

const bought = ({ stages, enough, sentences }) => [
  h("h2", {}, enough ? "That is enough" : "That is not enough"),
  ...sentences.map((one) => h("p", { class: `note ${enough ? "" : "warn"}` }, one)),
  h(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "Estimate" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["stage", "steps", "clips", "minutes", "that is"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        stages.map((one) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, stageChip(one.stage)),
            h("td", {}, digits(one.steps)),
            h("td", {}, digits(one.clips)),
            h("td", {}, digits(one.minutes)),
            h("td", { class: one.enough ? "good" : "warn" }, one.because),
          ),
        ),
      ),
    ),
  ),
];

function trained(job, models, resume) {
  const { result } = job;
  const model = models.find(({ id }) => id === result?.model);
  return [
    job.state === "cancelled" &&
      h("p", { class: "muted" }, "Stopped: the step that it was at is saved, and it goes on from there."),
    result && h("p", { class: `note ${result.enough ? "" : "warn"}` }, h("strong", {}, "Verdict: "), result.says),
    result &&
      h(
        "ul",
        {},
        result.stages.map(({ stage, steps, loss, held_out: heldOut, because }) =>
          h(
            "li",
            {},
            stageChip(stage),
            ` ${steps} steps, loss ${digits(loss)}, held out ${digits(heldOut)}. ${because}`,
          ),
        ),
      ),
    model &&
      h(
        "p",
        {},
        `The model is ${model.name}: choose it on the page `,
        h("a", { href: "#/generate" }, "Generate"),
        ".",
      ),
    h(
      "div",
      { class: "row" },
      h(
        "button",
        { type: "button", class: "primary", onclick: resume },
        job.state === "done" ? "Train it on" : "Go on with it",
      ),
    ),
    ...job.outputs
      .filter(({ kind }) => kind === "picture")
      .map(({ url, name }) =>
        h("figure", {}, h("img", { src: url, alt: name }), h("figcaption", { class: "small muted" }, name)),
      ),
  ];
}

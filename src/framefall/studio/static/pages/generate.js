// Generate: a request on the left, what comes of it on the right.

import * as api from "../api.js";
import "../clip-result.js";
import { h } from "../dom.js";
import "../job-view.js";
import "../request-form.js";

export const title = "Generate";
export const about =
  "A clip from a sentence, or around an image or a video of yours. The same request makes the same bits.";

export async function show(body, id) {
  const form = h("request-form");
  form.models = await api.models();
  const said = h("p", { class: "note bad", role: "alert", hidden: true });
  const start = h("button", { type: "submit", class: "primary" }, "Generate");
  const view = h("job-view");
  const result = h("div", { class: "stack" }, await empty(form));
  const outcome = h("section", { class: "card stack", ariaLabel: "Result" }, view, result);
  const shell = h(
    "form",
    {
      class: "card stack",
      noValidate: true,
      ariaLabel: "Request",
      onsubmit: (event) => {
        event.preventDefault();
        submit();
      },
    },
    form,
    start,
    said,
  );
  body.replaceChildren(h("div", { class: "split" }, shell, outcome));

  async function submit() {
    said.hidden = true;
    start.disabled = true;
    try {
      open(await api.submit("generate", await form.request()));
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
    }
    start.disabled = false;
  }

  function open(job) {
    history.replaceState(null, "", `#/generate/${job.id}`); // so that a reload shows it again
    result.replaceChildren();
    view.watch(job);
  }

  view.addEventListener("ended", ({ detail: job }) => {
    const remake = h(
      "button",
      { type: "button", onclick: async () => open(await api.again(job.id)) },
      "Remake exactly",
    );
    result.replaceChildren(h("div", { class: "row" }, remake));
    if (!job.result) return;
    const made = h("clip-result");
    const model = form.models.find((one) => one.id === job.request.model);
    made.show(job, Object.fromEntries((model?.stages ?? []).map(({ name, fps }) => [name, fps])));
    result.prepend(made);
    if (job.result.same !== null)
      result.prepend(
        h(
          "p",
          { class: `note ${job.result.same ? "" : "bad"}` },
          job.result.same ? "Made again: the same bits." : "Made again: the bits differ.",
        ),
      );
  });

  if (id) {
    const job = await api.job(id);
    form.show(job.request);
    open(job);
  }
}

// Before anything was made: prompts that the model knows.
async function empty(form) {
  const { completions } = await api.complete(form.models[0].id, "").catch(() => ({ completions: [] }));
  return h(
    "div",
    { class: "empty stack" },
    h("p", {}, "Your clip will play here, stage by stage while it is made."),
    completions?.length
      ? h(
          "div",
          {},
          h("p", { class: "small" }, "For instance:"),
          h(
            "div",
            { class: "suggestions" },
            completions.slice(0, 6).map((text) =>
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
        )
      : null,
  );
}

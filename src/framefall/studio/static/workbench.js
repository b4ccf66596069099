// A page that asks for a job and shows what comes of it: a form on the left, the job and its result on the right.
//
// workbench(body, page, {form, submit, empty, shown, beside}): `form` are the form's elements, `submit` is called for
// its main button; `shown(job)` gives the elements of a job that has ended; `beside` stays when another job is opened.
// Gives run(begin), which opens the job that `begin` submits or says why there is none, and load(id, fill).

import * as api from "./api.js";
import { h } from "./dom.js";
import "./job-view.js";

export function workbench(body, page, { form, submit, empty, shown, beside }) {
  const said = h("p", { class: "note bad", role: "alert", hidden: true });
  const view = h("job-view");
  const result = h("div", { class: "stack" }, empty);
  body.replaceChildren(
    h(
      "div",
      { class: "split" },
      h(
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
        said,
      ),
      h("section", { class: "card stack", ariaLabel: "Result" }, beside, view, result),
    ),
  );

  let opened = null;

  function open(job) {
    opened = job.id;
    history.replaceState(null, "", `#/${page}/${job.id}`); // so that a reload shows it again
    result.replaceChildren();
    view.watch(job);
  }

  async function run(begin) {
    const button = body.querySelector("button.primary[type=submit]");
    said.hidden = button.disabled = true;
    try {
      open(await begin());
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
    }
    button.disabled = false;
  }

  // a job by its id, if the address names one; `fill` shows its request in the form
  async function load(id, fill) {
    if (!id) return;
    const job = await api.job(id);
    open(job);
    await fill(job);
  }

  view.addEventListener("ended", async ({ detail: job }) => {
    const parts = await shown(job);
    if (job.id !== opened) return; // somebody has gone on meanwhile
    result.replaceChildren(...[parts].flat(Infinity).filter(Boolean));
  });
  return { run, load };
}

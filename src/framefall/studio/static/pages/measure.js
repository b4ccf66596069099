// Measure: drop clips, get their report; where a metric complains is marked on the player's time line.

import * as api from "../api.js";
import "../clip-result.js";
import { h } from "../dom.js";
import "../drop-zone.js";
import { about as inWords, thumbnail } from "../drop-zone.js";
import "../job-view.js";
import { meansTable } from "../score-table.js";

export const title = "Measure";
export const about =
  "Every metric on clips of yours, beside what real video scores, with the frames where one complains.";

export async function show(body, id) {
  const uploads = new Map();
  const list = h("div", { class: "stack" });
  const said = h("p", { class: "note bad", role: "alert", hidden: true });
  const start = h("button", { type: "submit", class: "primary", disabled: true }, "Measure");
  const view = h("job-view");
  const result = h("div", { class: "stack" }, h("p", { class: "empty" }, "The report will stand here."));
  const zone = h("drop-zone", {
    label: "Drop clips here",
    accept: "video/*,image/gif",
    many: true,
    onupload: ({ detail }) => add(detail),
  });
  const real = h("drop-zone", {
    label: "Drop the real ones",
    accept: "video/*,image/gif",
    onupload: ({ detail }) => add(detail, true),
  });
  body.replaceChildren(
    h(
      "div",
      { class: "split" },
      h(
        "form",
        {
          class: "card stack",
          ariaLabel: "Request",
          onsubmit: (event) => {
            event.preventDefault();
            submit();
          },
        },
        zone,
        h("details", {}, h("summary", {}, "Beside a real clip of the same scene"), real),
        list,
        start,
        said,
      ),
      h("section", { class: "card stack", ariaLabel: "Result" }, view, result),
    ),
  );

  function add(upload, reference = false) {
    uploads.set(upload.id, { ...upload, reference });
    start.disabled = false;
    const item = h(
      "div",
      { class: "given" },
      thumbnail(upload),
      h(
        "p",
        { class: "name" },
        upload.name,
        h("br"),
        h("span", { class: "muted" }, reference ? "real; " : "", inWords(upload)),
      ),
      h(
        "button",
        {
          type: "button",
          class: "icon plain",
          ariaLabel: `Remove ${upload.name}`,
          onclick: () => {
            uploads.delete(upload.id);
            item.remove();
            start.disabled = uploads.size === 0;
            zone.querySelector("input").focus();
          },
        },
        "✕",
      ),
    );
    list.append(item);
  }

  async function submit() {
    said.hidden = true;
    const all = [...uploads.values()];
    const ids = (reference) => all.filter((one) => one.reference === reference).map(({ id }) => id);
    try {
      open(await api.submit("measure", { uploads: ids(false), reference: ids(true) }));
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
    }
  }

  function open(job) {
    history.replaceState(null, "", `#/measure/${job.id}`);
    result.replaceChildren();
    view.watch(job);
  }

  view.addEventListener("ended", async ({ detail: job }) => {
    if (!job.result) return;
    const names = Object.fromEntries((await api.uploads()).map((one) => [one.id, one.name])); // as they were dropped
    for (const clip of job.result.clips) clip.name = names[clip.video] ?? clip.name;
    const skipped = Object.entries(job.result.skipped);
    const measured = h("clip-result");
    measured.show(job);
    result.replaceChildren(
      ...[
        skipped.length && h("p", { class: "note warn" }, skipped.map(([name, why]) => `${name}: ${why}`).join("; ")),
        job.result.clips.length > 1 && meansTable(job.result.scores),
        measured,
      ].filter(Boolean),
    );
  });
  if (id) open(await api.job(id));
}

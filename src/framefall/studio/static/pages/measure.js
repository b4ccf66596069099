// Measure: drop clips, get their report; where a metric complains is marked on the player's time line.

import * as api from "../api.js";
import "../clip-result.js";
import { h } from "../dom.js";
import "../drop-zone.js";
import { about as inWords, thumbnail } from "../drop-zone.js";
import { meansTable } from "../score-table.js";
import { workbench } from "../workbench.js";

export const title = "Measure";
export const about =
  "Every metric on clips of yours, beside what real video scores, with the frames where one complains.";

export async function show(body, id) {
  const uploads = new Map();
  const list = h("div", { class: "stack" });
  const start = h("button", { type: "submit", class: "primary" }, "Measure");
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
  const bench = workbench(body, "measure", {
    form: [zone, h("details", {}, h("summary", {}, "Beside a real clip of the same scene"), real), list, start],
    submit: () =>
      bench.run(async () => {
        const all = [...uploads.values()];
        const ids = (reference) => all.filter((one) => one.reference === reference).map(({ id: one }) => one);
        if (!ids(false).length) throw new Error("Drop a clip first.");
        return api.submit("measure", { uploads: ids(false), reference: ids(true) });
      }),
    empty: h("p", { class: "empty" }, "The report will stand here."),
    shown: async (job) => job.result && report(job),
  });

  function add(upload, reference = false) {
    uploads.set(upload.id, { ...upload, reference });
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
            zone.querySelector("input").focus();
          },
        },
        "✕",
      ),
    );
    list.append(item);
  }

  await bench.load(id, async ({ request }) => {
    const kept = Object.fromEntries((await api.uploads()).map((one) => [one.id, one]));
    for (const one of request.uploads) if (kept[one]) add(kept[one]);
    for (const one of request.reference) if (kept[one]) add(kept[one], true);
  });
}

async function report(job) {
  const names = Object.fromEntries((await api.uploads()).map((one) => [one.id, one.name])); // as they were dropped
  for (const clip of job.result.clips) clip.name = names[clip.video] ?? clip.name;
  const skipped = Object.entries(job.result.skipped);
  const measured = h("clip-result");
  measured.show(job);
  return [
    skipped.length && h("p", { class: "note warn" }, skipped.map(([name, why]) => `${name}: ${why}`).join("; ")),
    job.result.clips.length > 1 && meansTable(job.result.scores),
    measured,
  ];
}

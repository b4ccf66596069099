// <physics-scenes>: tracks and parabolas. <physics-average>: over some clips. <physics-twins>: smooth but wrong. <physics-game>: ten pairs. <system-preset>: a preset.

import { choice, h } from "../static/dom.js";
import { drawPaths } from "../static/paths.js";
import { Diagram } from "./diagram.js";
import { FramePlayer } from "./frames.js";
import { example, number } from "./numbers.js";
import { named } from "./time.js";

const WHO = { simulator: "Simulator", model: "Model" };
const VERBS = { drop: "drop", throw: "throw", collide: "collide", hide: "hide" };

function verdict({ value, passes }) {
  if (value === null) return h("span", { class: "chip" }, "does not apply");
  return h("span", { class: `chip ${passes ? "good" : "bad"}` }, passes ? "passes" : "fails");
}

class PhysicsScenes extends Diagram {
  async build() {
    const made = await example("physics-scenes");
    const player = new FramePlayer();
    let verb = "drop";
    const tracks = h("input", { type: "checkbox", checked: true, onchange: () => (player.frame = player.frame) });
    const [body, gravity, caption, phase] = [h("tbody"), h("p", { class: "readout", role: "status" }), h("p"), h("p", { class: "small" })];
    const pick = (chosen) => {
      verb = chosen;
      const scene = made.scenes[verb];
      const path = (rest) => `physics-scenes:scenes.${verb}.clips.${rest}`;
      caption.textContent = `“${scene.caption}”`;
      player.clips = Object.entries(scene.clips).map(([who, clip]) => ({ label: WHO[who], clip, draw: (context, frame, scale) => tracks.checked && drawPaths(context, clip.paths, frame, scale) }));
      player.frame = scene.clips.model.frames - 1;
      const falls = scene.clips.simulator.gravity.true > 0;
      gravity.hidden = !falls;
      gravity.replaceChildren("Gravity, in picture heights a second squared: true ", number(path("simulator.gravity.true"), "d2"), "; fitted to the simulator's clip ", number(path("simulator.gravity.fitted"), "d2"), "; fitted to the model's clip ", number(path("model.gravity.fitted"), "d2"), ".");
      body.replaceChildren(...Object.keys(scene.clips.model.laws).map((law) => h("tr", {}, h("th", { scope: "row" }, named(law), h("small", { class: "about" }, `${made.laws[law].about} (${made.laws[law].unit}; ${made.laws[law].better} is better)`)),
        Object.keys(WHO).map((who) => h("td", {}, number(path(`${who}.laws.${law}.value`), "d2"), " ", verdict(scene.clips[who].laws[law]), scene.clips[who].laws[law].reason ? h("small", { class: "about" }, scene.clips[who].laws[law].reason) : null)))));
    };
    player.addEventListener("frame", () => (phase.textContent = player.frame < made.scenes[verb].given ? "This frame was given to the model." : "From here on the model is alone."));
    this.append(h("div", { class: "diagram" },
      choice("Scene", VERBS, verb, pick), caption, player, phase, h("label", { class: "check" }, tracks, "Draw tracks and parabolas"), gravity,
      h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "Laws of this scene" }, h("table", {}, h("caption", {}, "Laws, read off the tracks"), h("thead", {}, h("tr", {}, ["law", "simulator", "model"].map((text) => h("th", { scope: "col" }, text)))), body))));
    pick(verb);
  }
}

class PhysicsAverage extends Diagram {
  async build() {
    const made = await example("physics-average");
    const rows = Object.keys(VERBS).flatMap((verb) => Object.entries(made[verb]).filter(([, one]) => one.passed.n > 0).map(([law, one], index) => {
      const path = (key) => `physics-average:${verb}.${law}.passed.${key}`;
      return h("tr", {}, h("th", { scope: "row" }, index ? h("span", { class: "visually-hidden" }, VERBS[verb]) : VERBS[verb]), h("td", {}, named(law)), h("td", {}, h("progress", { max: 1, value: one.passed.value, ariaLabel: `${verb}, ${named(law)}` })),
        h("td", { class: "num" }, number(path("value"), "p0")), h("td", { class: "num" }, number(path("low"), "p0"), " to ", number(path("high"), "p0")), h("td", { class: "num" }, number(path("n"), "d0")));
    }));
    this.append(h("div", { class: "diagram" }, h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "Clips of the model that pass" }, h("table", {}, h("caption", {}, "Clips of the model that pass"),
      h("thead", {}, h("tr", {}, ["scene", "law", "", "pass", "interval", "clips"].map((text, index) => (text ? h("th", { scope: "col", class: index > 2 ? "num" : "" }, text) : h("td", {}))))), h("tbody", {}, rows)))));
  }
}

class PhysicsTwins extends Diagram {
  async build() {
    const made = await example("physics-twins");
    const player = new FramePlayer();
    let pair = "linear_fall";
    const tracks = h("input", { type: "checkbox", onchange: () => (player.frame = player.frame) });
    const [smooth, physical, said, phase] = [h("tbody"), h("tbody"), h("p", { class: "readout", role: "status" }), h("p", { class: "small" })];
    const pick = (chosen) => {
      pair = chosen;
      const one = made.pairs[pair];
      player.clips = ["valid", "broken"].map((side) => ({ label: side === "valid" ? "Valid" : `Broken: ${named(pair)}`, clip: one[side], draw: (context, frame, scale) => tracks.checked && drawPaths(context, one[side].paths, frame, scale) }));
      player.frame = one.from + 9;
      const rows = (names) => names.map((metric) => h("tr", { class: one.prefers[metric] === "broken" ? "notices" : "" }, h("th", { scope: "row" }, named(metric)),
        h("td", {}, { valid: h("span", { class: "chip good" }, "the valid one"), broken: h("span", { class: "chip bad" }, "the lie"), neither: h("span", { class: "chip" }, "neither") }[one.prefers[metric]]),
        ["valid", "broken"].map((side) => h("td", { class: "num" }, number(`physics-twins:pairs.${pair}.${side}.scores.${metric}`, "d4")))));
      smooth.replaceChildren(...rows(made.smooth));
      physical.replaceChildren(...rows(made.physical));
      const fooled = made.smooth.filter((metric) => one.prefers[metric] === "broken").map(named);
      said.textContent = fooled.length ? `Fooled: ${fooled.join(", ")}.` : "No measure of smoothness prefers the lie here.";
    };
    player.addEventListener("frame", () => (phase.textContent = player.frame < made.pairs[pair].from ? "Both clips are the same, to the last bit." : "Here they differ: only the left one obeys the law."));
    const table = (caption, body) => h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: caption }, h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, ["measure", "prefers", "valid", "broken"].map((text, index) => h("th", { scope: "col", class: index > 1 ? "num" : "" }, text)))), body));
    this.append(h("div", { class: "diagram" }, choice("Twin", Object.fromEntries(Object.keys(made.pairs).map((name) => [name, named(name)])), pair, pick), player, phase, h("label", { class: "check" }, tracks, "Draw tracks and parabolas"), said,
      h("div", { class: "pair" }, table("Measures of smoothness", smooth), table("Laws of physics", physical))));
    pick(pair);
  }
}

class PhysicsGame extends Diagram {
  async build() {
    this.made = await example("physics-game");
    this.start();
  }

  start() {
    this.answers = [];
    this.player = new FramePlayer();
    this.told = h("p", { class: "readout", role: "status" });
    this.buttons = h("div", { class: "row" });
    this.title = "";
    this.heading = h("h3", { tabIndex: -1 });
    this.score = h("p", { class: "small" });
    this.replaceChildren(h("div", { class: "diagram" }, this.heading, this.player, this.buttons, this.told, this.score));
    this.ask();
  }

  get pair() { return this.made.pairs[this.answers.length]; }

  ask() {
    const { pair } = this;
    const sides = pair.left === "valid" ? ["valid", "broken"] : ["broken", "valid"];
    this.heading.textContent = `Pair ${this.answers.length + 1} of ${this.made.pairs.length}`;
    this.player.clips = sides.map((side, index) => ({ label: index ? "Right" : "Left", clip: pair[side] }));
    this.player.frame = 0;
    this.told.textContent = pair.caption ? `The caption says: “${pair.caption}”` : "Play both, then choose.";
    this.buttons.replaceChildren(...["Left is real", "Right is real"].map((text, index) => h("button", { type: "button", class: "primary", onclick: () => this.answer(sides[index] === "valid", sides) }, text)));
    this.say();
  }

  answer(right, sides) {
    const { pair } = this;
    this.answers.push(right);
    const real = sides.indexOf("valid") ? "right" : "left";
    this.told.textContent = `${right ? "Yes" : "No"}: the ${real} one is real. The other one has ${named(pair.violation)}. The model was ${pair.model.right ? "right" : "wrong"}.`;
    const last = this.answers.length === this.made.pairs.length;
    const next = h("button", { type: "button", class: "primary", onclick: () => (last ? this.end() : (this.ask(), this.heading.focus())) }, last ? "See the scores" : "Next pair");
    this.buttons.replaceChildren(next);
    next.focus();
    this.say();
  }

  say() {
    const count = this.answers.length;
    const model = this.made.pairs.slice(0, count).filter((pair) => pair.model.right).length;
    this.score.textContent = count ? `So far: you ${this.answers.filter(Boolean).length} of ${count}, the model ${model} of ${count}.` : "Guessing would get half of them right.";
  }

  end() {
    const mine = this.answers.filter(Boolean).length;
    this.heading.textContent = "The scores";
    const again = h("button", { type: "button", onclick: () => { this.start(); this.heading.focus(); } }, "Play again");
    this.player.clips = [];
    this.player.remove();
    this.told.replaceChildren(h("strong", {}, `You: ${mine} of ${this.made.pairs.length}. `), h("strong", {}, "The model: ", number("physics-game:right", "d0"), ` of ${this.made.pairs.length}.`));
    this.score.replaceChildren("Where it was wrong: ", this.made.pairs.filter((pair) => !pair.model.right).map((pair) => named(pair.violation)).join(", ") || "nowhere", ".");
    this.buttons.replaceChildren(again);
    this.heading.focus();
  }
}

class SystemPreset extends Diagram {
  async build() {
    const made = await example("physics-systems");
    const name = this.getAttribute("recipe");
    const path = (rest) => `physics-systems:${name}.${rest}`;
    const of = (stage, place, key, form = "d0") => number(path(`stages.${place}.${key}`), form);
    const kinds = { base: "base", temporal_sr: "tsr", spatial_sr: "ssr" };
    this.append(h("details", { class: "preset", id: `preset-${name}` }, h("summary", {}, "Its preset here: ", h("code", {}, name)),
      h("p", {}, number(path("parameters"), "d0"), " parameters in all. ", h("code", {}, `framefall train CLIPS -o MODEL --recipe ${name}`)),
      h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: `Stages of ${name}` }, h("table", {}, h("thead", {}, h("tr", {}, ["stage", "frames", "size", "a second", "fusion", "parameters", "GFLOP a call"].map((text, index) => h("th", { scope: "col", class: index && index !== 4 ? "num" : "" }, text)))),
        h("tbody", {}, made[name].stages.map((stage, place) => h("tr", {}, h("th", { scope: "row" }, h("span", { class: `chip ${kinds[stage.task]}` }, stage.name.replaceAll("_", " "))), h("td", { class: "num" }, of(stage, place, "frames")), h("td", { class: "num" }, of(stage, place, "width"), " × ", of(stage, place, "height")), h("td", { class: "num" }, of(stage, place, "fps")), h("td", {}, stage.fusion), h("td", { class: "num" }, of(stage, place, "parameters")), h("td", { class: "num" }, of(stage, place, "gflops_a_call")))))))));
  }
}

customElements.define("physics-scenes", PhysicsScenes);
customElements.define("physics-average", PhysicsAverage);
customElements.define("physics-twins", PhysicsTwins);
customElements.define("physics-game", PhysicsGame);
customElements.define("system-preset", SystemPreset);

// <time-fusion>: frames made one by one beside frames made together. <time-damage>: damage, and which metrics notice.

import { choice, h, unique } from "../static/dom.js";
import { chart } from "./chart.js";
import { Diagram } from "./diagram.js";
import { FramePlayer } from "./frames.js";
import { example, number, show } from "./numbers.js";

const LABELS = { per_frame: "One by one", fused: "All at once", simulated: "Simulator" };
const METERS = { flicker: ["Flicker", "d4"], light: ["Change of light", "d4"], likeness: ["Likeness to the first frame", "d2"] };
const NAMES = { luminance_flicker: "flicker of the light", warp_error: "warp error", frame_consistency: "likeness of frames", repeated_frames: "repeated frames", linear_fall: "linear fall", final_displacement: "final displacement" };

export const named = (name) => NAMES[name] ?? name.replaceAll("_", " ");

class TimeFusion extends Diagram {
  async build() {
    const made = await example("time-fusion");
    const kinds = Object.keys(LABELS);
    const player = new FramePlayer();
    const cells = Object.fromEntries(Object.keys(METERS).map((meter) => [meter, Object.fromEntries(kinds.map((kind) => [kind, { text: h("data"), bar: h("progress", { max: 1, ariaLabel: `${METERS[meter][0]}, ${LABELS[kind]}` }) }]))]));
    const curve = h("div");
    let scene = 0;
    const most = (meter) => Math.max(...kinds.flatMap((kind) => made.scenes[scene].clips[kind].meters.map((one) => one[meter] ?? 0)));
    const meters = () => {
      for (const meter of Object.keys(METERS)) {
        for (const kind of kinds) {
          const { text, bar } = cells[meter][kind];
          show(text, `time-fusion:scenes.${scene}.clips.${kind}.meters.${player.frame}.${meter}`, METERS[meter][1]);
          bar.value = (made.scenes[scene].clips[kind].meters[player.frame][meter] ?? 0) / most(meter);
        }
      }
      curve.replaceChildren(chart({
        label: "Flicker of every frame, one by one and all at once", x: [...Array(16).keys()], xs: [...Array(16).keys()].map((frame) => String(frame + 1)), at: player.frame, axis: "frame",
        curves: ["per_frame", "fused"].map((kind, index) => ({ name: LABELS[kind], kind: ["two", "one"][index], values: made.scenes[scene].clips[kind].meters.map((one) => one.flicker ?? NaN) })),
      }));
    };
    const pick = (index) => {
      scene = Number(index);
      player.clips = kinds.map((kind) => ({ label: LABELS[kind], clip: made.scenes[scene].clips[kind] }));
      meters();
    };
    player.addEventListener("frame", meters);
    this.append(h("div", { class: "diagram" },
      choice("Prompt", Object.fromEntries(made.scenes.map(({ prompt }, index) => [index, prompt])), "0", pick),
      player,
      h("div", { class: "scroll" }, h("table", {}, h("caption", {}, "The meters at this frame"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "meter"), kinds.map((kind) => h("th", { scope: "col" }, LABELS[kind])))),
        h("tbody", {}, Object.entries(METERS).map(([meter, [label]]) => h("tr", {}, h("th", { scope: "row" }, label), kinds.map((kind) => h("td", { class: "meter" }, cells[meter][kind].bar, cells[meter][kind].text))))))),
      curve));
    pick(0);
    player.frame = 8;
  }
}

const TEXTS = {
  shuffle: "Frames change places, within a part of the clip that grows with the strength.",
  flicker: "Brightness and colour of each frame go their own way by some per cent.",
  freeze: "A part of the clip, at full strength all of it, stands still.",
  teleport: "From one moment on the thing is somewhere else, and goes on from there.",
  stutter: "Of every two frames the second repeats the first.",
};

class TimeDamage extends Diagram {
  async build() {
    const made = await example("time-damage");
    const id = unique("strength");
    let damage = "flicker";
    const player = new FramePlayer();
    const strength = h("input", { type: "range", id, min: 0, max: 4, value: 4, oninput: () => draw() });
    const told = h("output", { htmlFor: id });
    const [about, body, summary] = [h("p", { class: "small" }), h("tbody"), h("p", { class: "readout", role: "status" })];
    const draw = () => {
      const level = Number(strength.value);
      const place = level ? `damages.${damage}.${level - 1}` : "sound";
      const clip = level ? made.damages[damage][level - 1] : made.sound;
      about.textContent = TEXTS[damage];
      told.replaceChildren(level ? number(`time-damage:${place}.strength`, "p0") : "none");
      strength.setAttribute("aria-valuetext", level ? `${clip.strength * 100} per cent` : "no damage");
      const frame = player.frame;
      player.clips = [{ label: "Sound", clip: made.sound }, { label: level ? `With ${damage}` : "Not damaged", clip }];
      player.frame = frame;
      const noticed = Object.entries(clip.scores).filter(([, score]) => score.notices).map(([name]) => named(name));
      summary.textContent = noticed.length ? `Noticed by: ${noticed.join(", ")}.` : level ? "No metric notices." : "No metric complains of the sound clip.";
      body.replaceChildren(...Object.entries(clip.scores).map(([name, score]) => h("tr", { class: score.notices ? "notices" : "" },
        h("th", { scope: "row", title: made.metrics[name].about }, named(name), h("small", { class: "about" }, made.metrics[name].about)),
        h("td", {}, verdict(score)),
        h("td", { class: "num" }, number(`time-damage:sound.scores.${name}.value`, "d4")),
        h("td", { class: "num" }, number(`time-damage:${place}.scores.${name}.value`, "d4")),
        h("td", { class: "num" }, number(`time-damage:thresholds.${name}`, "d4")))));
    };
    this.append(h("div", { class: "diagram" },
      choice("Damage", Object.fromEntries(Object.keys(made.damages).map((name) => [name, name])), damage, (chosen) => { damage = chosen; draw(); }),
      h("div", { class: "field" }, h("label", { htmlFor: id }, "Strength ", told), strength), about, player, summary,
      h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "What each metric says" }, h("table", {}, h("caption", {}, "What each metric says"),
        h("thead", {}, h("tr", {}, ["metric", "verdict", "sound", "damaged", "complains beyond"].map((text, index) => h("th", { scope: "col", class: index > 1 ? "num" : "" }, text)))), body))));
    draw();
  }
}

function verdict(score) {
  if (score.notices) return h("span", { class: "chip bad" }, "notices");
  if (score.value === null) return h("span", { class: "chip warn", title: score.reason }, score.reason.startsWith("not") ? "cannot tell" : "void");
  return h("span", { class: "chip" }, "does not notice");
}

customElements.define("time-fusion", TimeFusion);
customElements.define("time-damage", TimeDamage);

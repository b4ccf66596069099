// <noise-steps>: one frame under more and more noise, and what the model believes it was.

import { h, unique } from "../static/dom.js";
import { chart } from "./chart.js";
import { Diagram } from "./diagram.js";
import { paint } from "./frames.js";
import { example, formatted, number, show } from "./numbers.js";

const NAME = "basics-noise";

class NoiseSteps extends Diagram {
  async build() {
    const made = await example(NAME);
    const id = unique("noise");
    const last = made.times.length - 1;
    const slider = h("input", { type: "range", id, min: 0, max: last, value: 8, oninput: () => draw() });
    const [noisy, believed, clean] = ["x at time t: what the model is shown", "what the model believes it was", "what it was"].map((label) => [label, h("canvas", { role: "img", ariaLabel: label })]);
    const [t, alpha, sigma, error] = ["times", "alpha", "sigma", "error"].map(() => h("data"));
    const curves = h("div");
    const draw = () => {
      const at = Number(slider.value);
      paint(noisy[1], made.noisy, at);
      paint(believed[1], made.believed, at);
      show(t, `${NAME}:times.${at}`, "d1");
      show(alpha, `${NAME}:alpha.${at}`, "d1");
      show(sigma, `${NAME}:sigma.${at}`, "d1");
      show(error, `${NAME}:error.${at}`, "d4");
      slider.setAttribute("aria-valuetext", `t ${formatted(made.times[at], "d1")}, error of the belief ${formatted(made.error[at], "d4")}`);
      curves.replaceChildren(chart({ label: "alpha falls and sigma rises with diffusion time", x: made.times, curves: [{ name: "α, share of the clip", kind: "one", values: made.alpha }, { name: "σ, share of noise", kind: "two", values: made.sigma }], at: made.times[at], axis: "diffusion time t" }));
    };
    paint(clean[1], made.clean, 0);
    this.append(h("div", { class: "diagram" },
      h("div", { class: "panes" }, [noisy, believed, clean].map(([label, canvas]) => h("figure", {}, canvas, h("figcaption", {}, label)))),
      h("div", { class: "field" }, h("label", { htmlFor: id }, "Diffusion time t"), slider),
      h("p", { class: "readout" }, "t = ", t, ", α = ", alpha, ", σ = ", sigma, "; mean squared error of the belief: ", error),
      curves,
      h("p", { class: "small muted" }, "The caption is “", number(`${NAME}:caption`, "s"), "”. One frame of sixteen is shown.")));
    draw();
  }
}

customElements.define("noise-steps", NoiseSteps);

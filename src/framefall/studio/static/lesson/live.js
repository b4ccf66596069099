// <live-clip model="worlds" prompt="a red ball falls" measures="flicker permanence" [tracks]>: a clip made now, where the studio runs. In the exported site it is not there.

import "../static/clip-player.js";
import { h, unique } from "../static/dom.js";
import { drawTracks } from "../static/paths.js";
import { Diagram } from "./diagram.js";
import { named } from "./time.js";

export const EXPORTED = document.querySelector('meta[name="framefall"][content="site"]') !== null;

async function ask(method, path, body, headers = {}) {
  const options = body ? { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) } : { method, headers };
  const reply = await fetch(`../api/${path}`, options);
  const said = await reply.json().catch(() => null);
  if (!reply.ok) throw new Error(said?.sentence ?? `the studio answered ${reply.status}`);
  return said;
}

class LiveClip extends Diagram {
  async build() {
    if (EXPORTED) return void (this.hidden = true);
    const model = this.getAttribute("model");
    const [prompt, seed] = [h("input", { type: "text", value: this.getAttribute("prompt"), maxLength: 300 }), h("input", { type: "number", min: 0, max: 9999, value: 1 })];
    for (const one of [prompt, seed]) one.id = unique("live");
    const [make, stop] = [h("button", { type: "submit", class: "primary" }, "Make it now"), h("button", { type: "button", hidden: true, onclick: () => this.stop() }, "Stop")];
    Object.assign(this, { model, prompt, seed, make, halt: stop, bar: h("progress", { max: 1, value: 0, hidden: true, ariaLabel: "How far the clip is" }), said: h("p", { class: "readout", role: "status" }), shown: h("div", { class: "beside" }) });
    this.append(h("form", { class: "diagram live", onsubmit: (event) => { event.preventDefault(); this.run(); } }, h("h3", {}, `Live: the model ${model}`),
      h("div", { class: "beside" }, h("div", { class: "field" }, h("label", { htmlFor: prompt.id }, "Prompt"), prompt), h("div", { class: "field" }, h("label", { htmlFor: seed.id }, "Seed"), seed)),
      h("div", { class: "row" }, make, stop), this.bar, this.said, this.shown));
  }

  async run() {
    this.busy(true);
    this.said.textContent = "Waiting for the model …";
    this.shown.replaceChildren();
    try {
      const request = { model: this.model, prompt: this.prompt.value, seed: Number(this.seed.value), quality: "best", report: true, tracks: this.hasAttribute("tracks") };
      const job = await ask("POST", "jobs", { kind: "generate", request }, { "Idempotency-Key": crypto.randomUUID() });
      this.job = job.id;
      const events = new EventSource(`../api/jobs/${encodeURIComponent(job.id)}/events`);
      events.addEventListener("progress", (event) => (this.bar.value = JSON.parse(event.data).done ?? 0));
      events.addEventListener("note", (event) => (this.said.textContent = JSON.parse(event.data).text ?? ""));
      await new Promise((done) => events.addEventListener("end", () => (events.close(), done())));
      await this.show(await ask("GET", `jobs/${encodeURIComponent(job.id)}`));
    } catch (error) {
      this.said.textContent = error.message;
    }
    this.busy(false);
  }

  async stop() {
    if (this.job) await ask("POST", `jobs/${encodeURIComponent(this.job)}/cancel`).catch((error) => (this.said.textContent = error.message));
  }

  busy(now) {
    this.make.disabled = now;
    this.bar.hidden = this.halt.hidden = !now;
    this.bar.value = 0;
  }

  async show(job) {
    const clip = job.result?.clips?.[0];
    if (!clip) return void (this.said.textContent = job.sentence || `The job is ${job.state}.`);
    this.said.textContent = clip.unknown || "Made now, on this machine.";
    const measures = this.getAttribute("measures").split(" ");
    const player = h("clip-player", { src: `../api/files/${encodeURIComponent(clip.video)}`, fps: clip.fps, frames: clip.frames, label: "the clip made now" });
    const tracks = clip.tracks && (await ask("GET", `files/${encodeURIComponent(clip.tracks)}`));
    if (tracks) player.draw = (context, frame, width) => drawTracks(context, tracks, (frame + 0.5) / clip.fps, width);
    this.shown.replaceChildren(player,
      h("table", {}, h("caption", {}, "Measured on it"), h("tbody", {}, measures.map((name) => h("tr", {}, h("th", { scope: "row" }, named(name)), h("td", { class: "num" }, clip.scores[name] === null || clip.scores[name] === undefined ? "–" : clip.scores[name].toFixed(4)))))));
  }
}

customElements.define("live-clip", LiveClip);

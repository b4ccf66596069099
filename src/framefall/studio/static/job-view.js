// <job-view>: a job while it runs. `watch(job)` follows its events: a bar a stage, the latest preview of each, notes,
// loss; a button that stops it.
//
// Event "ended" {detail: job} once it is done, failed or cancelled, with all that the server then says of it.

import * as api from "./api.js";
import { announce, digits, h, stageChip, stageName } from "./dom.js";
import "./line-chart.js";

export const STATES = { queued: "waiting", running: "running", done: "done", failed: "failed", cancelled: "stopped" };
const OVER = ["done", "failed", "cancelled"];
const chipOf = { done: "good", failed: "bad", cancelled: "warn", running: "busy" };

export const stateChip = (state) => h("span", { class: `chip ${chipOf[state] ?? ""}` }, STATES[state] ?? state);

export class JobView extends HTMLElement {
  #stop = null;
  #rows = new Map();

  disconnectedCallback() {
    this.#stop?.();
  }

  watch(job) {
    this.#stop?.();
    this.over = false;
    this.#rows.clear();
    this.state = h("span", {});
    this.rows = h("ul", { class: "stages" });
    this.strips = h("div");
    this.chart = h("line-chart", { label: "Loss", hidden: true });
    this.notes = h("ul", { class: "notes", hidden: true, tabIndex: 0, ariaLabel: "Notes" });
    this.button = h("button", { type: "button", class: "danger", onclick: () => this.#cancel(job.id) }, "Stop");
    this.making = h(
      "details",
      { open: true },
      h("summary", {}, "How it is made"),
      h("div", { class: "stack" }, this.rows, this.notes),
    );
    this.replaceChildren(h("div", { class: "row" }, this.state, this.button), this.chart, this.strips, this.making);
    this.#turn(job.state);
    if (OVER.includes(job.state)) {
      job.notes?.forEach((text) => this.#note(text));
      job.losses?.forEach(({ stage, step, loss, held_out: heldOut }) =>
        this.#loss(heldOut ? `${stage} held out` : stage, step, loss),
      );
      return this.#end(job.id);
    }
    this.#stop = api.follow(job.id, {
      state: ({ state }) => this.#turn(state),
      progress: (event) => this.#progress(event),
      preview: (event) => this.#preview(event),
      loss: ({ stage, step, loss, held_out: heldOut }) => this.#loss(heldOut ? `${stage} held out` : stage, step, loss),
      output: (file) => job.kind === "train" && file.kind === "picture" && this.#strip(file), // samples, as they come
      note: ({ text }) => this.#note(text),
      end: () => this.#end(job.id),
    });
    return undefined;
  }

  #turn(state) {
    this.state.replaceChildren(stateChip(state));
    this.button.hidden = OVER.includes(state);
    announce(`The job is ${STATES[state] ?? state}`);
  }

  // a stage's card: its name, what it believes in, how far it is
  #row(name) {
    if (!this.#rows.has(name)) {
      const row = {
        image: h("img", { hidden: true, alt: "" }),
        bar: h("progress", { max: 1, ariaLabel: stageName(name) }),
        text: h("span", { class: "num" }),
      };
      this.#rows.set(name, row);
      this.rows.append(h("li", { class: name }, stageChip(name), row.image, row.bar, row.text));
      announce(`${stageName(name)} has begun`);
    }
    return this.#rows.get(name);
  }

  #progress({ stage, step, steps, done, eta }) {
    const { bar, text } = this.#row(stage || "work");
    const share = steps ? step / steps : done;
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    const count = steps ? `${digits(step)} of ${digits(steps)}` : `${Math.round(100 * (done ?? 0))}%`;
    text.textContent = share < 1 && eta > 1 ? `${count}, ${duration(eta)} to go` : count;
  }

  #preview({ stage, step, url }) {
    if (this.over) return;
    const { image } = this.#row(stage || "preview");
    image.src = url;
    image.alt = `${stageName(stage || "preview")}, as it is after step ${step}`;
    image.hidden = false;
  }

  #strip({ url, name }) {
    this.strips.replaceChildren(
      h("figure", {}, h("img", { src: url, alt: `Samples: ${name}` }), h("figcaption", { class: "small muted" }, name)),
    );
  }

  #loss(name, step, loss) {
    this.chart.hidden = false;
    this.chart.add(name, step, loss);
  }

  #note(text) {
    this.notes.hidden = false;
    this.notes.append(h("li", {}, text));
    this.notes.scrollTop = this.notes.scrollHeight;
  }

  async #cancel(id) {
    this.button.disabled = this.over = true; // what it has shown goes with it
    await api.cancel(id).catch((error) => this.#note(error.message));
    this.button.disabled = false;
  }

  async #end(id) {
    const job = await api.job(id).catch((error) => ({ state: "failed", sentence: error.message, outputs: [] }));
    if (!this.isConnected) return;
    this.#turn(job.state);
    this.strips.replaceChildren(); // they are among the outputs now
    this.making.open = job.state === "failed" || job.kind === "train"; // the result is what is looked at now
    this.making.hidden = !this.rows.firstChild && !this.notes.firstChild;
    if (job.sentence)
      this.making.before(
        h(
          "p",
          { class: `note ${job.state === "failed" ? "bad" : ""}`, role: job.state === "failed" ? "alert" : "status" },
          job.sentence,
        ),
      );
    this.dispatchEvent(new CustomEvent("ended", { detail: job }));
  }
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

customElements.define("job-view", JobView);

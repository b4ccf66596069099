// <given-panel>: what is known of the clip: dropped images and videos, each with its role; a loop; later prompts.
// `uses` says what the model can.
//
// async use()       the part `use` of a request, uploads by their ids; raises a sentence for what is not finished.
// async show(use)   sets what a request says; a sentence says how many of its uploads are not there any more.

import "./drop-zone.js";
import * as api from "./api.js";
import { about, thumbnail } from "./drop-zone.js";
import { field, h, select } from "./dom.js";
import "./mask-painter.js";

// what an upload can be for, and which use of a model that takes
const ROLES = {
  image: { at: ["images", "is the picture at a second"], end: ["end", "is what the clip ends with"] },
  video: {
    after: ["video", "make what comes after"],
    before: ["video", "make what comes before"],
    both: ["video", "make what comes before and after"],
    strength: ["strength", "draw it again"],
    mask: ["mask", "make a part of it anew"],
    end: ["end", "is what the clip ends with"],
  },
};

export class GivenPanel extends HTMLElement {
  #uses = [];

  connectedCallback() {
    if (this.firstChild) return;
    this.items = h("div", { class: "stack" });
    this.later = h("div", { class: "stack" });
    this.loop = h("input", { type: "checkbox" });
    const zone = h("drop-zone", {
      label: "An image or a video",
      many: true,
      onupload: (event) => this.add(event.detail),
    });
    this.gone = h("p", { class: "note warn small", role: "status", hidden: true });
    this.append(
      zone,
      this.gone,
      this.items,
      this.later,
      h(
        "div",
        { class: "row" },
        h("label", { class: "check", "data-use": "loop" }, this.loop, "Loop: end where it begins"),
        h(
          "button",
          {
            type: "button",
            class: "plain",
            "data-use": "prompts_at",
            onclick: () => this.#prompt().querySelector("input").focus(),
          },
          "+ another prompt later",
        ),
      ),
    );
    this.classList.add("stack");
  }

  set uses(names) {
    this.#uses = names;
    for (const element of this.querySelectorAll("[data-use]")) element.hidden = !names.includes(element.dataset.use);
  }

  add(upload, role) {
    const roles = Object.fromEntries(
      Object.entries(ROLES[upload.kind])
        .filter(([, [use]]) => this.#uses.includes(use))
        .map(([name, [, text]]) => [name, text]),
    );
    const item = h("div", { class: "given", role: "group", ariaLabel: upload.name ?? "file" });
    const chosen = select(roles, { ariaLabel: `What ${upload.name ?? "it"} is for`, onchange: () => this.#turn(item) });
    item.upload = upload;
    item.append(
      thumbnail(upload),
      h(
        "div",
        { class: "stack" },
        h(
          "p",
          { class: "name", title: upload.name },
          upload.name,
          h("br"),
          h("span", { class: "muted" }, about(upload)),
        ),
        chosen,
        h("div", { class: "more" }),
      ),
      h(
        "button",
        {
          type: "button",
          class: "icon plain",
          ariaLabel: `Remove ${upload.name ?? "file"}`,
          onclick: () => {
            item.remove();
            this.querySelector("input").focus();
          },
        },
        "✕",
      ),
    );
    if (role) chosen.value = role;
    this.items.append(item);
    this.#turn(item);
    return item;
  }

  // gives whether it says anything
  async show(use) {
    const { images = [], video, extend, end, mask, strength = 1, loop = false, prompts_at: prompts = [] } = use ?? {};
    const kept = new Map((await api.uploads()).map((one) => [one.id, one]));
    const asked = [...images.map(({ upload }) => upload), video, end, mask].filter(Boolean);
    const gone = asked.filter((id) => !kept.has(id)).length;
    const put = (id, role) => (kept.has(id) ? this.add(kept.get(id), role) : null);
    this.items.replaceChildren();
    this.later.replaceChildren();
    for (const { upload, second } of images) set(put(upload, "at"), "[type=number]", second);
    if (video && mask) put(video, "mask")?.querySelector("mask-painter").load(kept.has(mask) ? mask : null);
    else if (video) set(put(video, strength < 1 ? "strength" : (extend ?? "after")), "[type=range]", strength);
    if (end) put(end, "end");
    this.loop.checked = loop;
    for (const { second, prompt } of prompts) {
      const row = this.#prompt();
      set(row, "[type=number]", second);
      set(row, "[type=text]", prompt ?? "");
    }
    this.gone.hidden = gone === 0;
    this.gone.textContent = `${gone} of the ${asked.length} files of this request ${gone === 1 ? "is" : "are"} not there any more: drop ${gone === 1 ? "it" : "them"} again, or go on without.`;
    return Boolean(asked.length || loop || prompts.length);
  }

  async use() {
    const use = {};
    for (const item of this.items.children) {
      const { id } = item.upload;
      const role = item.querySelector("select").value;
      if (role === "at")
        (use.images ??= []).push({ upload: id, second: Number(item.querySelector("[type=number]").value) || 0 });
      else if (role === "end") use.end = id;
      else {
        if (use.video)
          throw new Error("A clip goes on from one video: remove the other, or let it be what the clip ends with.");
        use.video = id;
        if (role === "strength") use.strength = Number(item.querySelector("[type=range]").value);
        else if (role === "mask") use.mask = await item.mask;
        else use.extend = role;
        if (role === "mask" && !use.mask) throw new Error("Paint over what is to be made anew first.");
      }
    }
    if (use.images && use.video)
      throw new Error("A clip is made around images or around a video, not both: remove one of them.");
    if (this.loop.checked) use.loop = true;
    const prompts = [...this.later.children]
      .map((row) => [...row.querySelectorAll("input")].map((input) => input.value))
      .filter(([, prompt]) => prompt);
    if (prompts.length) use.prompts_at = prompts.map(([second, prompt]) => ({ second: Number(second), prompt }));
    return use;
  }

  #turn(item) {
    const more = item.querySelector(".more");
    const role = item.querySelector("select").value;
    item.querySelector("mask-painter")?.remove();
    more.replaceChildren();
    if (role === "at") more.append(field("Second", h("input", { type: "number", min: 0, step: 0.1, value: 0 })));
    if (role === "strength")
      more.append(
        field(
          "How far away from it",
          h("input", { type: "range", min: 0.1, max: 0.95, step: 0.05, value: 0.6 }),
          "left: a little; right: a lot",
        ),
      );
    if (role === "mask") {
      const painter = h("mask-painter", { onmask: (event) => (item.mask = event.detail) });
      painter.upload = item.upload;
      item.append(painter);
    }
  }

  #prompt() {
    const row = h(
      "div",
      { class: "row" },
      field("From second", h("input", { type: "number", min: 0.1, step: 0.1, value: 2 })),
      field("Prompt", h("input", { type: "text" })),
      h(
        "button",
        {
          type: "button",
          class: "icon plain",
          ariaLabel: "Remove this prompt",
          onclick: () => {
            row.remove();
            this.loop.focus();
          },
        },
        "✕",
      ),
    );
    this.later.append(row);
    return row;
  }
}

const set = (element, selector, value) => {
  const input = element?.querySelector(selector);
  if (input) input.value = value;
};

customElements.define("given-panel", GivenPanel);

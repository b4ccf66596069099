// <clip-result>: the clips of a job. `show(job, rates)`: for each a player with its stages, side by side and
// difference, tracks, complaints, scores, download.

import * as api from "./api.js";
import "./clip-player.js";
import { choice, field, h, select, stageName } from "./dom.js";
import { drawTracks } from "./paths.js";
import { scoreTable } from "./score-table.js";

export class ClipResult extends HTMLElement {
  // rates: frames a second by stage, of the model that made them
  show({ outputs, result }, rates = {}) {
    const { clips, scores = [] } = result;
    const pages = outputs.filter(({ kind }) => kind === "page");
    this.replaceChildren(
      ...clips.map((clip) => shown(clip, scores, rates, clips.length)),
      ...pages.map(({ url, name }) =>
        h("p", {}, h("a", { href: url, target: "_blank", rel: "noopener" }, `Open the page ${name}`)),
      ),
    );
  }
}

function shown(clip, scores, rates, count) {
  const stages = Object.entries(clip.stages);
  const [last] = stages.at(-1) ?? [null];
  const player = h("clip-player", { src: api.file(clip.video), fps: clip.fps, frames: clip.frames, label: clip.name });
  player.marks = clip.marks.map(({ metric, first, last: end, text }) => ({
    from: first,
    to: end,
    label: metric.replaceAll("_", " "),
    text,
  }));
  const turn = (id, stage) => {
    const own = stage === last || !rates[stage];
    player.setAttribute("src", api.file(id));
    player.fps = own ? clip.fps : rates[stage];
    if (own) player.frames = clip.frames;
    else player.removeAttribute("frames"); // the file says it
  };
  let found = null; // the tracks, once somebody has asked for them
  const tracks =
    clip.tracks &&
    h("input", {
      type: "checkbox",
      onchange: async () => {
        if (tracks.checked) found ??= await api.said(clip.tracks);
        player.draw = tracks.checked
          ? (context, frame, width) => drawTracks(context, found, (frame + 0.5) / player.fps, width)
          : null;
      },
    });
  const beside = select(
    { "": "nothing", ...Object.fromEntries(stages.map(([stage, id]) => [id, stageName(stage)])) },
    {
      onchange: () => {
        if (!beside.value) return player.removeAttribute("against");
        player.setAttribute("against", api.file(beside.value));
        if (player.view === "one") player.view = "side";
        return undefined;
      },
    },
  );
  return h(
    "section",
    { class: "clip", ariaLabel: clip.name },
    h(
      "div",
      { class: "stack" },
      count > 1 && h("h2", {}, clip.name),
      clip.unknown && h("p", { class: "note warn" }, clip.unknown),
      player,
      h(
        "div",
        { class: "row ends" },
        stages.length > 1 &&
          choice("Stage", Object.fromEntries(stages.map(([stage]) => [stage, stageName(stage)])), last, (stage) =>
            turn(clip.stages[stage], stage),
          ),
        stages.length > 1 && field("Beside it", beside),
        tracks && h("label", { class: "check" }, tracks, "Draw tracks"),
      ),
      h(
        "p",
        { class: "muted small num" },
        `${clip.frames} frames of ${clip.width}×${clip.height} at ${Number(clip.fps.toFixed(2))} a second`,
        took(clip.seconds),
      ),
      h(
        "div",
        { class: "row" },
        h("a", { class: "button", href: api.file(clip.video), download: clip.name }, "Download"),
      ),
    ),
    scores.length ? scoreTable(scores, clip) : null,
  );
}

const took = (seconds) =>
  Object.keys(seconds).length
    ? `; ${Object.entries(seconds)
        .map(([stage, one]) => `${stageName(stage)} ${one.toFixed(1)} s`)
        .join(", ")}`
    : "";

customElements.define("clip-result", ClipResult);

// History: every job that this studio was given, the newest first. It is the server's, so it survives a restart.

import * as api from "../api.js";
import { announce, h, stageName } from "../dom.js";
import { about as inWords } from "../drop-zone.js";
import { stateChip } from "../job-view.js";

export const title = "History";
export const about =
  "Every job, the newest first. It stays when the studio is closed; what was waiting goes on when it is opened again.";

const EVERY = 2000; // ms between two looks
const PAGE = 25;
const MOST = 200; // that the server lists at a time
const OPEN = ["queued", "running"];

export async function show(body) {
  const list = h("ul", { class: "jobs" });
  const older = h(
    "button",
    {
      type: "button",
      hidden: true,
      onclick: () => {
        most += PAGE;
        refresh();
      },
    },
    "Older jobs",
  );
  const files = h("details", { hidden: true });
  let shown = "";
  let most = PAGE;
  body.replaceChildren(h("div", { class: "stack" }, list, h("div", { class: "row" }, older), files));
  const refresh = async () => {
    const { jobs, before } = await api.jobs(most);
    older.hidden = before === null || most >= MOST;
    const now = JSON.stringify(jobs.map(({ id, state, progress }) => [id, state, progress]));
    if (now === shown) return;
    shown = now;
    const focused = document.activeElement?.dataset?.key;
    list.replaceChildren(...jobs.map((job) => entry(job, refresh)));
    // the list is new, the reader's place is not
    if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    if (!jobs.length)
      list.replaceChildren(
        h("li", { class: "empty" }, "Nothing yet. ", h("a", { href: "#/generate" }, "Generate a clip")),
      );
  };
  await Promise.all([refresh(), kept(files)]);
  const timer = setInterval(() => refresh().catch(() => {}), EVERY);
  return () => clearInterval(timer);
}

// what was dropped: it stays until somebody deletes it, so that a request can be made again
async function kept(files) {
  const uploads = await api.uploads();
  const size = uploads.reduce((sum, { bytes }) => sum + bytes, 0);
  files.hidden = uploads.length === 0;
  files.replaceChildren(
    h("summary", {}, `${uploads.length} dropped file${uploads.length === 1 ? "" : "s"}, ${weight(size)}`),
    h(
      "ul",
      { class: "jobs" },
      uploads.toReversed().map((one) =>
        h(
          "li",
          { class: "card" },
          h(
            "div",
            {},
            h("h2", {}, one.name),
            h("p", { class: "muted" }, `${inWords(one)}, ${weight(one.bytes)}`),
          ),
          h(
            "button",
            {
              type: "button",
              class: "plain",
              ariaLabel: `Delete the file ${one.name}`,
              onclick: async () => {
                await api.forget(one.id).catch((error) => announce(error.message));
                await kept(files);
                (files.querySelector("button") ?? files.querySelector("summary")).focus();
              },
            },
            "Delete",
          ),
        ),
      ),
    ),
  );
}

const weight = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function entry(job, refresh) {
  const act = (text, kind, what) =>
    h(
      "button",
      {
        type: "button",
        class: kind,
        "data-key": `${text}-${job.id}`,
        ariaLabel: `${text}: ${named(job)}`,
        onclick: async () => {
          await what().then(
            () => announce(`${text}: done`),
            (error) => announce(error.message),
          );
          await refresh();
        },
      },
      text,
    );
  const page = { look: "train", estimate: "train" }[job.kind] ?? job.kind;
  return h(
    "li",
    { class: "card" },
    h(
      "div",
      {},
      h("h2", {}, h("a", { href: `#/${page}/${job.id}`, "data-key": `open-${job.id}` }, named(job))),
      h(
        "p",
        { class: "row" },
        stateChip(job.state),
        h("span", {}, job.kind),
        h("span", { class: "muted" }, when(job.created)),
        job.state === "running" && job.progress && h("span", { class: "num" }, said(job.progress)),
      ),
      job.sentence && h("p", { class: job.state === "failed" ? "bad" : "muted" }, job.sentence),
    ),
    h(
      "div",
      { class: "row" },
      OPEN.includes(job.state)
        ? act("Stop", "danger", () => api.cancel(job.id))
        : [act("Again", "", () => api.again(job.id)), act("Delete", "plain", () => api.remove(job.id))],
    ),
  );
}

function named({ kind, request }) {
  const prompt = request.prompt ?? request.a?.prompt;
  if (prompt) return prompt;
  if (kind === "measure") return `${request.uploads.length} clip${request.uploads.length === 1 ? "" : "s"} of yours`;
  return request.recipe
    ? `${kind === "look" ? "a folder, for" : "a folder, by"} the recipe ${request.recipe}`
    : "whatever the model likes";
}

function when(moment) {
  return new Date(moment * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

const said = ({ stage, done }) =>
  done === null ? stageName(stage) : `${stageName(stage)}: ${Math.round(100 * done)}%`;

// Tables of scores: of clips beside what real video has, and of two settings with their difference and its interval.
// The numbers are the library's.

import { digits, h, svg } from "./dom.js";

const BETTER = { lower: ["↓", "lower is better"], higher: ["↑", "higher is better"], one: ["→ 1", "one is best"] };
const outside = (value, real) => real && (value < real.low || value > real.high);

const head = (...names) =>
  h(
    "thead",
    {},
    h(
      "tr",
      {},
      names.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)),
    ),
  );
const name = ({ metric, better, about, unit: of }, withUnit = false) => {
  const [sign, words] = BETTER[better];
  return h(
    "th",
    { scope: "row", title: about },
    metric.replaceAll("_", " "),
    " ",
    h("span", { class: "muted", title: words, ariaHidden: "true" }, sign),
    h("span", { class: "visually-hidden" }, `, ${words}`),
    withUnit && h("div", { class: "muted small" }, of),
  );
};
const unit = (row) => h("td", { class: "muted" }, row.unit);
const wide = (label, table) => h("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: label }, table);

// Of one clip: `scores` are rows of all clips, of which `clip` has its own values and the reasons of what it cannot be
// asked.
export function scoreTable(scores, clip) {
  const rows = scores
    .map((row) => ({ ...row, mine: clip.scores[row.metric] }))
    .filter(({ mine }) => mine !== null && mine !== undefined);
  const reasons = Object.entries(clip.reasons);
  return h(
    "div",
    { class: "stack" },
    wide(
      `Scores of ${clip.name}`,
      h(
        "table",
        {},
        h("caption", {}, "Scores"),
        head(["metric"], ["value", "num"], ["real video", "num"], ["unit"]),
        h(
          "tbody",
          {},
          rows.map((row) =>
            h(
              "tr",
              {},
              name(row),
              h(
                "td",
                { class: "num" },
                digits(row.mine),
                outside(row.mine, row.real_video) &&
                  h(
                    "span",
                    { class: "warn", title: "outside of what real video has" },
                    " ●",
                    h("span", { class: "visually-hidden" }, " outside of real video"),
                  ),
              ),
              h("td", { class: "num muted" }, range(row.real_video)),
              unit(row),
            ),
          ),
        ),
      ),
    ),
    rows.some(({ mine, real_video: real }) => outside(mine, real)) &&
      h(
        "p",
        { class: "small muted", ariaHidden: "true" },
        h("span", { class: "warn" }, "●"),
        " outside of what real video has",
      ),
    reasons.length
      ? h(
          "details",
          { class: "small" },
          h("summary", {}, `${reasons.length} that this clip cannot be asked`),
          h(
            "ul",
            {},
            reasons.map(([metric, why]) => h("li", {}, `${metric.replaceAll("_", " ")}: ${why}`)),
          ),
        )
      : null,
  );
}

// Of all clips together, with intervals.
export const meansTable = (scores) =>
  wide(
    "Scores of all clips",
    h(
      "table",
      {},
      h("caption", {}, "All clips, 95% intervals"),
      head(["metric"], ["mean and interval", "num"], ["of", "num"], ["real video", "num"], ["unit"]),
      h(
        "tbody",
        {},
        scores
          .filter(({ n }) => n)
          .map((row) =>
            h(
              "tr",
              {},
              name(row),
              h("td", { class: "num" }, digits(row.value), h("br"), range(row)),
              h("td", { class: "num" }, row.n),
              h("td", { class: "num muted" }, range(row.real_video)),
              unit(row),
            ),
          ),
      ),
    ),
  );

// Of a comparison: what the server says of every metric, a - b over clips of one seed.
export const differenceTable = (metrics) =>
  wide(
    "Differences",
    h(
      "table",
      {},
      h("caption", {}, "A beside B, 95% intervals"),
      head(["metric"], ["A", "num"], ["B", "num"], ["A − B"], ["that is"]),
      h(
        "tbody",
        {},
        metrics
          .filter(({ a, b }) => a.n || b.n)
          .map((row) =>
            h(
              "tr",
              {},
              name(row, true),
              [row.a, row.b].map(({ value }) => h("td", { class: "num" }, digits(value))),
              h("td", {}, whisker(row.difference)),
              h("td", {}, row.says),
            ),
          ),
      ),
    ),
  );

const known = (one) => one !== null && one !== undefined;
const range = (interval) =>
  interval && known(interval.low) ? `${digits(interval.low)} .. ${digits(interval.high)}` : "";

function whisker({ value, low, high }) {
  if (![value, low, high].every(known)) return h("span", { class: "num" }, digits(value));
  const reach = Math.max(Math.abs(low), Math.abs(high), Math.abs(value)) || 1;
  const x = (one) => 72 + (66 * one) / reach;
  return h(
    "span",
    {},
    svg(
      "svg",
      { class: "whisker", viewBox: "0 0 144 16", "aria-hidden": "true" },
      svg("line", { class: "zero", x1: 72, x2: 72, y1: 0, y2: 16 }),
      svg("line", { class: "span", x1: x(low), x2: x(high), y1: 8, y2: 8 }),
      svg("circle", { cx: x(value), cy: 8, r: 3.5 }),
    ),
    h("span", { class: "num" }, `${digits(value)} (${range({ low, high })})`),
  );
}

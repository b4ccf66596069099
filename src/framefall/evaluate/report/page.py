"""One self-contained page about a set of clips: the table, plots, clips to look at, failures by law.

Nothing is fetched: style, plots (SVG) and videos (MP4 as data) are in the file.
"""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from framefall.evaluate.metrics.suite import ScoreRow


@dataclass(frozen=True)
class Figure:
    """A clip to look at: its own frames and, where tracks were found, the frames with the tracks drawn on them."""

    name: str
    why: str  # worst of flicker, median of gravity, ...
    video: bytes  # MP4
    tracked: bytes | None = None  # MP4
    text: str = ""  # its caption, what was seen


@dataclass(frozen=True)
class Report:
    """What a page says."""

    title: str
    rows: Sequence[ScoreRow]
    facts: Mapping[str, str]  # protocol, codec, clips, commit ...
    notes: Sequence[str] = ()  # gates that are shut, files that were skipped
    gates: Mapping[str, str] = field(default_factory=dict)  # by metric: why its number is void
    figures: Sequence[Figure] = ()
    failures: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)  # law: (clip, what happened)
    rankings: Sequence[str] = ()  # sentences that compare, or say why they do not


def page(report: Report) -> str:
    """The report as one HTML document."""
    parts = [
        f"<h1>{_text(report.title)}</h1>",
        f'<p class="facts">{" · ".join(f"{_text(k)} <b>{_text(v)}</b>" for k, v in report.facts.items())}</p>',
        *(f'<p class="note">{_text(note)}</p>' for note in report.notes),
        "<h2>Scores</h2>",
        _table(report),
        *(f"<p>{_text(sentence)}</p>" for sentence in report.rankings),
        "<h2>Every clip</h2>",
        f'<div class="plots">{"".join(_plot(row) for row in report.rows if row.n)}</div>',
    ]
    if report.figures:
        parts += ["<h2>Clips to look at</h2>", f'<div class="clips">{"".join(map(_figure, report.figures))}</div>']
    if any(report.failures.values()):
        parts += ["<h2>Failures by law</h2>", _failures(report.failures)]
    body = "\n".join(parts)
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_text(report.title)}</title>'
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def overlap(first: ScoreRow, second: ScoreRow, names: tuple[str, str]) -> str:
    """A sentence that ranks two sets of clips on one metric, or says that their intervals overlap."""
    if not first.n or not second.n:
        return f"{first.metric}: not measurable on both sides."
    if first.low <= second.high and second.low <= first.high:
        return f"{first.metric}: {names[0]} and {names[1]} are not ranked, their intervals overlap."
    ahead = _badness(first) < _badness(second)
    return f"{first.metric}: {names[0] if ahead else names[1]} is better than {names[1] if ahead else names[0]}."


def _badness(row: ScoreRow) -> float:
    if row.better == "one":
        return abs(math.log(max(row.value, 1e-9)))
    return row.value if row.better == "lower" else -row.value


def _table(report: Report) -> str:
    heads = ("metric", "value", "95% interval", "", "n", "coverage", "better", "unit", "floor", "ceiling", "gate")
    lines = [f"<tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"]
    for row in report.rows:
        gate = report.gates.get(row.metric, "")
        value = _number(row.value) if row.n else "not measurable"
        span = f"{_number(row.low)} .. {_number(row.high)}" if row.n else ""
        coverage = f"{100 * row.n / row.clips:.0f}%" if row.clips else ""
        cells = (
            f'<td class="name">{_text(row.metric)}</td>',
            f"<td><b>{value}</b></td><td>{span}</td><td>{_bar(row)}</td>",
            f"<td>{row.n} of {row.clips}</td><td>{coverage}</td>",
            f"<td>{row.better}</td><td>{_text(row.unit)}</td><td>{_number(row.floor)}</td><td>{_number(row.ceiling)}</td>",
            f'<td class="{"shut" if gate else ""}">{_text(gate) or "open"}</td>',
        )
        lines.append(f'<tr class="{"void" if gate else ""}">{"".join(cells)}</tr>')
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _bar(row: ScoreRow) -> str:
    """The interval as a line with a dot, between the smallest and largest of what is known."""
    marks = [v for v in (row.low, row.high, row.value, row.floor, row.ceiling) if math.isfinite(v)]
    if not row.n or max(marks) == min(marks):
        return ""
    low, span = min(marks), max(marks) - min(marks)

    def x(value: float) -> float:
        return 4 + 112 * (value - low) / span

    known = "".join(
        f'<line class="{name}" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="1" y2="15"/>'
        for name, v in (("floor", row.floor), ("ceiling", row.ceiling))
        if math.isfinite(v)
    )
    line = f'<line class="span" x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="8" y2="8"/>'
    return f'<svg class="bar" viewBox="0 0 120 16">{known}{line}<circle cx="{x(row.value):.1f}" cy="8" r="3.5"/></svg>'


def _plot(row: ScoreRow) -> str:
    """Every clip's value in order, with the mean's interval and the floor, as an SVG picture."""
    from matplotlib.figure import Figure as Canvas

    values = sorted(value for value in row.per_clip.values() if math.isfinite(value))
    canvas = Canvas(figsize=(3.2, 1.9), layout="constrained")
    axes = canvas.add_subplot()
    axes.plot(range(1, len(values) + 1), values, "o", markersize=3, color="#3b6ea5")
    axes.axhspan(row.low, row.high, color="#3b6ea5", alpha=0.2, linewidth=0)
    if math.isfinite(row.floor):
        axes.axhline(row.floor, color="#2a8f5a", linewidth=1)
    if math.isfinite(row.ceiling):
        axes.axhline(row.ceiling, color="#c8792b", linewidth=1, linestyle="--")
    axes.set_title(row.metric, fontsize=8)
    axes.tick_params(labelsize=6)
    axes.set_xticks([1, len(values)] if len(values) > 1 else [1])
    axes.spines[["top", "right"]].set_visible(False)
    target = io.StringIO()
    canvas.savefig(target, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return f"<figure>{target.getvalue()[target.getvalue().index('<svg') :]}</figure>"


def _figure(figure: Figure) -> str:
    videos = [_video(figure.video, figure.name), *([_video(figure.tracked, "tracks")] if figure.tracked else [])]
    said = f"<p>{_text(figure.text)}</p>" if figure.text else ""
    caption = f"<figcaption><b>{_text(figure.why)}</b> {_text(figure.name)}{said}</figcaption>"
    return f'<figure class="clip"><div>{"".join(videos)}</div>{caption}</figure>'


def _video(data: bytes, label: str) -> str:
    source = base64.b64encode(data).decode()
    options = "autoplay loop muted playsinline controls"
    return f'<video title="{_text(label)}" src="data:video/mp4;base64,{source}" {options}></video>'


def _failures(failures: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    blocks = []
    for law, clips in sorted(failures.items(), key=lambda item: (-len(item[1]), item[0])):
        if clips:
            items = "".join(f"<li><b>{_text(name)}</b> {_text(what)}</li>" for name, what in clips)
            blocks.append(f"<details><summary>{_text(law)}: {len(clips)}</summary><ul>{items}</ul></details>")
    return "".join(blocks)


def _number(value: float) -> str:
    return "" if not math.isfinite(value) else f"{value:.4g}" if abs(value) < 10 else f"{value:.2f}"


def _text(text: str) -> str:
    return html.escape(str(text))


_STYLE = """
:root { color-scheme: light dark; --line: #8884;
  --ink: light-dark(#1b1f24, #e8e8e8); --paper: light-dark(#fff, #16181b); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.facts { opacity: .8; } .note { border-left: 4px solid #c8792b; padding-left: .7rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; opacity: .7; } .name { font-weight: 600; }
.void { opacity: .55; } td.shut { color: #c8392b; white-space: normal; min-width: 14rem; }
svg.bar { width: 120px; height: 16px; } .bar .span { stroke: #3b6ea5; stroke-width: 3; } .bar circle { fill: #3b6ea5; }
.bar .floor { stroke: #2a8f5a; stroke-width: 1.5; } 
.bar .ceiling { stroke: #c8792b; stroke-width: 1.5; stroke-dasharray: 2 2; }
.plots, .clips { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; }
.plots figure { background: #fff; border-radius: 6px; padding: .2rem; } .plots svg { width: 240px; height: auto; }
.clip { max-width: 420px; } .clip > div { display: flex; gap: .4rem; } .clip video { width: 200px; border-radius: 6px; }
figcaption { font-size: .85rem; } figcaption p { margin: .1rem 0 0; opacity: .8; }
"""

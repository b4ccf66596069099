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
from framefall.evaluate.report.table import number, real_value


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
    ]
    if plots := "".join(_plot(row) for row in report.rows if row.n > 1):
        parts += ["<h2>Every clip</h2>", f'<div class="plots">{plots}</div>']
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


def _table(report: Report) -> str:
    """The rows; a column in which nothing stands is left out, and of one clip there is no interval."""
    cells = [_cells(row, report.gates.get(row.metric, "")) for row in report.rows]
    columns = [name for name in _COLUMNS if any(cell[name] for cell in cells)]
    lines = [f"<tr>{''.join(f'<th>{_text(name)}</th>' for name in columns)}</tr>"]
    for row, cell in zip(report.rows, cells, strict=True):
        shut = row.metric in report.gates
        inside = "".join(f'<td class="{_CLASS.get(name, "")}">{cell[name]}</td>' for name in columns)
        lines.append(f'<tr class="{"void" if shut else ""}">{inside}</tr>')
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


_COLUMNS = ("metric", "value", "95% interval", " ", "n", "coverage", "better", "unit", "real video", "gate")
_CLASS = {"metric": "name", "gate": "shut"}


def _cells(row: ScoreRow, gate: str) -> dict[str, str]:
    several = row.clips > 1
    measured = row.n > 1
    return {
        "metric": _text(row.metric),
        "value": f"<b>{number(row.value) if row.n else 'not measurable'}</b>",
        "95% interval": f"{number(row.low)} .. {number(row.high)}" if measured else "",
        " ": _bar(row) if measured else "",
        "n": f"{row.n} of {row.clips}" if several else "",
        "coverage": f"{100 * row.n / row.clips:.0f}%" if several else "",
        "better": row.better,
        "unit": _text(row.unit),
        "real video": real_value(row),
        "gate": _text(gate),
    }


def _bar(row: ScoreRow) -> str:
    """The interval as a line with a dot, between the smallest and largest of what is known."""
    marks = [v for v in (row.low, row.high, row.value, row.floor) if math.isfinite(v)]
    if not row.n or max(marks) == min(marks):
        return ""
    low, span = min(marks), max(marks) - min(marks)

    def x(value: float) -> float:
        return 4 + 112 * (value - low) / span

    known = ""
    if math.isfinite(row.floor):
        known = f'<line class="floor" x1="{x(row.floor):.1f}" x2="{x(row.floor):.1f}" y1="1" y2="15"/>'
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
.plots, .clips { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; }
.plots figure { background: #fff; border-radius: 6px; padding: .2rem; } .plots svg { width: 240px; height: auto; }
.clip { max-width: 420px; } .clip > div { display: flex; gap: .4rem; } .clip video { width: 200px; border-radius: 6px; }
figcaption { font-size: .85rem; } figcaption p { margin: .1rem 0 0; opacity: .8; }
"""

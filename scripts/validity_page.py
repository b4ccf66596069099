"""The attribution matrix as a page and a picture: docs/validity.md and docs/validity.png.

    framefall bench validity --count 16 --json > validity.json
    python scripts/validity_page.py validity.json docs

`make validity` does both.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot

from framefall.evaluate.certify.bands import BANDS, WHERE


def main() -> None:
    """Reads the benchmark's JSON; writes the page and the picture."""
    result = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    (folder / "validity.md").write_text("\n".join(_page(result)) + "\n")
    _picture(result["matrix"], folder / "validity.png")


def _page(result: dict) -> list[str]:  # type: ignore[type-arg]
    matrix, machine = result["matrix"], result["machine"]
    lines = [
        "# Which metric sees which damage",
        "",
        f"Written by `make validity` (commit {result['commit']}, {machine['cpu']}), {result['clips']} clips of each",
        f"scenario, 64 x 64, 61 frames at 24 a second. {result['cells']} cells,"
        f" {len(result['cells_out_of_band'])} out of their band.",
        "",
        "Each cell holds the AUROC of damaged against real clips and the share of damaged clips beyond a threshold",
        "that is calibrated on real clips and placebos (every other one; placebos are judged on those between). Bands",
        "are declared in `src/framefall/evaluate/certify/bands.py`: damage that a metric *must detect* needs an AUROC",
        "of 0.95 and 90%; a placebo must stay between 0.35 and 0.65 or under 5%. `(scene)`: the law is told the",
        "simulated scene; without the mark pixels are all it has.",
        "",
        "![The matrix](validity.png)",
        "",
        "## Must detect",
        "",
        "| damage | scenario | metric | AUROC | detection | n | |",
        "|---|---|---|---|---|---|---|",
    ]
    for damage, metric in BANDS:
        cell = matrix[damage][metric]
        lines.append(
            f"| {damage} | {WHERE[damage]} | {metric} | {_cell(cell)} | {cell['n']} |"
            f" {'' if cell['inside'] else '**out**'} |"
        )
    placebos = [name for name in matrix if " @ " in name]
    out = [(name, metric) for name in placebos for metric, cell in matrix[name].items() if not cell["inside"]]
    measured = sum(bool(cell["n"]) for name in placebos for cell in matrix[name].values())
    lines += ["", "## Placebos", "", f"{len(out)} of {measured} cells out of their band.", ""]
    if out:
        lines += ["| placebo | metric | AUROC | detection | n |", "|---|---|---|---|---|"]
        lines += [
            f"| {name} | {metric} | {_cell(matrix[name][metric])} | {matrix[name][metric]['n']} |"
            for name, metric in out
        ]
    likes = Counter(metric for damage in BANDS_OF for metric, cell in matrix.get(damage, {}).items() if _prefers(cell))
    lines += [
        "",
        "## Metrics that prefer a lie",
        "",
        "AUROC below 0.35: damaged clips score *better* than real ones. Such a metric stands only beside a gate.",
        "",
    ]
    lines += ["| metric | prefers |", "|---|---|"]
    for metric, _ in likes.most_common():
        which = [
            f"{damage} ({matrix[damage][metric]['auroc']:.2f})"
            for damage in BANDS_OF
            if _prefers(matrix.get(damage, {}).get(metric))
        ]
        lines.append(f"| {metric} | {', '.join(which)} |")
    lines += [
        "",
        "## The whole matrix",
        "",
        "● must detect, ○ must not react, in bold what is out of its band; empty: not measurable there.",
        "",
    ]
    return [*lines, result["markdown"].rstrip()]


BANDS_OF = tuple(WHERE)


def _prefers(cell: dict | None) -> bool:  # type: ignore[type-arg]
    return cell is not None and bool(cell["n"]) and cell["auroc"] is not None and cell["auroc"] < 0.35


def _cell(cell: dict) -> str:  # type: ignore[type-arg]
    return f"{cell['auroc']:.3f} | {cell['detection']:.0%}" if cell["n"] else "not measurable | "


def _picture(matrix: dict, path: Path) -> None:  # type: ignore[type-arg]
    damages = [name for name in matrix if " @ " not in name]
    metrics = list(dict.fromkeys(metric for name in damages for metric in matrix[name]))
    grid = np.array([[_auroc(matrix[name].get(metric)) for metric in metrics] for name in damages])
    figure, axes = pyplot.subplots(figsize=(13, 10), dpi=90)
    seen = axes.imshow(np.ma.masked_invalid(grid), cmap="RdBu_r", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(metrics)), metrics, rotation=90, fontsize=7)
    axes.set_yticks(range(len(damages)), damages, fontsize=7)
    for row, name in enumerate(damages):
        for column, metric in enumerate(metrics):
            if (name, metric) in BANDS:
                axes.add_patch(pyplot.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, lw=1.6))
    axes.set_title("AUROC of damaged against real clips; white 0.5, blue prefers the damage; framed: must detect")
    figure.colorbar(seen, fraction=0.02)
    figure.tight_layout()
    figure.savefig(path)


def _auroc(cell: dict | None) -> float:  # type: ignore[type-arg]
    return float("nan") if cell is None or cell["auroc"] is None or not cell["n"] else float(cell["auroc"])


if __name__ == "__main__":
    main()

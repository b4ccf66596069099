"""A picture of attention along time: which frames see which in each pattern, and what that costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from framefall import outputs
from framefall.layers.patterns import parse
from framefall.outputs import Output

SHOWN = (
    "window(3)",
    "dilated(3,4)",
    "anchors(2)",
    "window(2)+dilated(2,6)",
    "window(2)+anchors(2)",
    "causal+window(5)",
)
_FRAMES = 25
_COLOURS = {"full": "#b4432f", "blocks": "#c8952b", "sparse": "#2a6f97"}
_NAMES = {"full": "all frames", "blocks": "window, torch alone", "sparse": "window, kernel"}


def draw_attention(results: Mapping[str, Any], path: Path | Output) -> None:
    """Masks of the patterns above the cost curves of `attention_bench`, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    masks, curves = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=(1, 1.5))))
    for axes, text in zip(masks.subplots(1, len(SHOWN)), SHOWN, strict=True):
        axes.imshow(parse(text).mask(_FRAMES).numpy(), cmap="Blues", vmin=0, vmax=1.3, interpolation="nearest")
        axes.set_title(text, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel("frames seen", fontsize=8)
    panels = curves.subplots(1, 4, sharey=True)
    for axes, name in zip(
        panels, ("forward_float32", "forward_bfloat16", "training_float32", "training_bfloat16"), strict=True
    ):
        for way, colour in _COLOURS.items():
            costs = {int(count): value for count, value in results[name][way].items()}
            axes.loglog(
                list(costs), list(costs.values()), "o-", color=colour, markersize=3.5, label=_NAMES[way], base=2
            )
        axes.set_yscale("log")
        axes.set_xticks(list(costs), labels=list(map(str, costs)))
        axes.set_title(name.replace("_", ", "), fontsize=9)
        axes.set_xlabel("frames", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("microseconds a position (one core)", fontsize=8)
    panels[0].legend(fontsize=8, frameon=False)
    with outputs.opened(path).writing() as partial:
        figure.savefig(partial, format="png", dpi=110, metadata={"Software": None})

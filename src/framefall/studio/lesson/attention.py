"""3-D convolution and temporal attention: which frames a frame listens to, and what that costs."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from framefall import provenance
from framefall.bench.speed.attention import FRAMES as LENGTHS
from framefall.bench.speed.attention import HEAD_DIM, HEADS, WINDOW, attention_bench
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.layers.attention import SelfAttention
from framefall.layers.patterns import parse
from framefall.layers.spacetime import JointConv
from framefall.models.experts import Experts
from framefall.noise import Key, normal
from framefall.studio.lesson.basics import a_case
from framefall.studio.lesson.media import Media
from framefall.video import Video
from framefall.worlds.captions.sentences import describe

FRAMES = 16
PATTERNS = ("window(2)", "dilated(2,3)", "anchors(2)", "window(2)+anchors(2)", "causal+window(4)")
LAYERS = (1, 2, 4)  # of convolutions that span three frames
TIMES = (0.9, 0.7, 0.5)  # diffusion times at which the model is listened to
WORK = tuple(round(2 ** (2 + step / 2)) for step in range(17))  # frames, from 4 to 1024

Weights = Float[Tensor, "frames seen"]


def patterns(media: Media) -> dict[str, Any]:
    """Which frames each of 16 sees: by a stack of 3-D convolutions, by attention to all, and by sparse patterns."""
    sees = {f"conv3d x{layers}": convolved(layers) for layers in LAYERS}
    sees |= {"full": torch.ones(FRAMES, FRAMES, dtype=torch.bool)}
    sees |= {text: parse(text).mask(FRAMES) for text in PATTERNS}
    return {
        "frames": FRAMES,
        "kinds": [
            {
                "name": name,
                "sees": [row.nonzero()[:, 0].tolist() for row in table],
                "pairs": int(table.sum()),
            }
            for name, table in sees.items()
        ],
    }


def convolved(layers: int) -> Tensor:
    """Which frames reach each frame through so many 3x3x3 convolutions, found by differentiating them."""
    stack = nn.ModuleList(JointConv(1, 1) for _ in range(layers))
    for each in stack.parameters():
        nn.init.constant_(each, 0.1)
    clip = torch.ones(FRAMES, 1, 3, 3, requires_grad=True)
    made = clip
    for layer in stack:
        made = layer(made, FRAMES)
    rows = [torch.autograd.grad(frame.sum(), clip, retain_graph=True)[0].flatten(1).abs().sum(1) > 0 for frame in made]
    return torch.stack(rows)


def weights(media: Media) -> dict[str, Any]:
    """How much each frame of a clip listens to each other one in the shipped model: every block at some times."""
    case, stage = a_case("projectile", 2), deciding(load_cascade("worlds").stages[0])
    caption = describe(case.log.scene)
    eps = normal([Key(0, "lesson", "attention")], case.video.shape[1:])
    levels = []
    for t in TIMES:
        x_t = stage.process.add_noise(case.video, eps, torch.tensor([t]))
        blocks = listened(stage, x_t, t, caption)
        levels.append({"t": t, "blocks": [[row.tolist() for row in block] for block in blocks]})
    return {
        "model": "worlds",
        "caption": caption,
        "frames": case.frames,
        "heads": stage.backbone.blocks[0].attn.heads,  # type: ignore[index, union-attr]
        "tokens_a_frame": len(stage.backbone.blocks) and _places(stage),  # type: ignore[arg-type]
        "clip": media.strip("clip", case.video, case.protocol.fps),
        "noisy": media.strip("noisy", x_t, case.protocol.fps, quality=60),
        "levels": levels,
    }


def deciding(stage: Stage) -> Stage:
    """The stage with the one of its experts that decides what there is, at the most noise."""
    if not isinstance(stage.backbone, Experts):
        return stage
    noisy = stage.backbone.noisy
    return deciding(replace(stage, backbone=noisy, config=replace(stage.config, backbone=noisy.config)))


def listened(stage: Stage, x_t: Video, t: float, caption: str) -> list[Weights]:
    """For each block `[frames, frames + 1]`: what the tokens of a frame give to those of each frame, and to the words.

    The mean over heads and over the frame's tokens; each row sums to 1.
    """
    frames = x_t.shape[2]
    condition = stage.condition([caption], frames=frames, fps=stage.config.shape.fps)
    known = stage.codec.conditioning(stage.task.conditioning(None, frames))
    condition = stage.conditioned(condition, known, torch.zeros(1))
    found: list[Weights] = []

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, SelfAttention)
        found.append(_by_frame(attention_weights(layer, *given), frames, _places(stage)))

    blocks = [module for module in stage.backbone.modules() if isinstance(module, SelfAttention)]
    hooks = [block.register_forward_pre_hook(look) for block in blocks]
    try:
        with torch.no_grad():
            stage.x0(x_t, torch.tensor([t]), condition)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def attention_weights(
    layer: SelfAttention, x: Tensor, angles: Tensor, bias: Tensor | None = None
) -> Float[Tensor, "batch heads tokens tokens"]:
    """The weights that `SelfAttention` mixes values by, which it never has in memory itself."""
    query, key, _ = (part[:, 0].transpose(1, 2) for part in layer.project(x[:, None], angles[:, None]))
    scores = query.float() @ key.float().transpose(-1, -2) * query.shape[-1] ** -0.5
    return (scores if bias is None else scores + bias[:, None, None]).softmax(-1)


def _places(stage: Stage) -> int:
    """Tokens of a frame."""
    shape, patch = stage.config.shape, stage.config.backbone.patch  # type: ignore[union-attr]
    return shape.height // patch[1] * (shape.width // patch[2])


def _by_frame(mixed: Tensor, frames: int, places: int) -> Weights:
    """Tokens to frames: words come before the frames' tokens."""
    words = mixed.shape[-1] - frames * places
    rows = mixed[0].mean(0)[words:].unflatten(0, (frames, places)).mean(1)  # frames tokens
    seen = rows[:, words:].unflatten(1, (frames, places)).sum(2)
    return F.pad(seen, (0, 1)) + F.pad(rows[:, :words].sum(1)[:, None], (frames, 0))


def work(media: Media) -> dict[str, Any]:
    """Pairs of frames that are compared, and operations for them, against the number of frames; computed."""
    reach = WINDOW.reach + WINDOW.ahead + 1
    rows = []
    for frames in WORK:
        full, sparse = frames**2, int(WINDOW.mask(frames).sum())
        rows.append({"frames": frames, "full": full, "sparse": sparse, "ratio": full / sparse})
    return {
        "window": WINDOW.reach,
        "seen": reach,
        "flops_a_pair": 4 * HEAD_DIM * HEADS,  # two products, a multiplication and an addition each
        "rows": rows,
    }


def measured(media: Media) -> dict[str, Any]:
    """The same as it was timed on one machine (`framefall bench attention`), and where full attention crosses a window.

    The window twice: by the compiled kernel, and by torch's operators alone, which is where a crossing is to be seen.
    """
    found = attention_bench(seconds=0.25, rounds=5)
    curves = found["results"]["forward_float32"]
    ratios = found["ratios"]["forward_float32"]
    return {
        "command": "framefall bench attention",
        "machine": provenance.machine()["cpu"],
        "commit": provenance.commit(),
        "lengths": list(LENGTHS),
        "microseconds": {way: [curves[way][str(count)] for count in LENGTHS] for way in ("full", "sparse", "blocks")},
        "ratios": {name: ratios[name] for name in ("full_over_sparse_at_1024", "sparse_over_full_at_32")},
        "growth": {name: ratios[name] for name in ("full_1024_over_64", "sparse_1024_over_64")},
        "crossing": crossing(curves["full"], curves["blocks"]),
    }


def crossing(full: Mapping[str, float], sparse: Mapping[str, float]) -> float | None:
    """At how many frames two timed curves cross, straight between the lengths in a log-log plot; none: never."""
    lengths = sorted(int(count) for count in full)
    gaps = [math.log(full[str(count)] / sparse[str(count)]) for count in lengths]
    for (one, before), (two, after) in zip(
        zip(lengths, gaps, strict=True), zip(lengths[1:], gaps[1:], strict=True), strict=False
    ):
        if before <= 0 < after:
            return float(math.exp(math.log(one) + before / (before - after) * math.log(two / one)))
    return None

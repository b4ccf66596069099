"""Is super-resolution worth its cost? Real video made coarse, made fine again, against the plain method.

A cascade comes in as a callable. Both sides are rounded to 8 bits before they are scored, as a file would be,
and the gain is paired: the difference on each clip, then its mean and interval. `below` puts in the place of the real
small clip what the stage below makes of it: then both sides are given that, and are still held against the real one.
"""

import math
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.cascade.tasks import TemporalSR
from framefall.evaluate.metrics.fidelity import psnr, ssim
from framefall.evaluate.metrics.suite import NamedVideo, ScoreRow, score_row
from framefall.video import Video, from_pixels, resize, to_pixels

AllFrames = Float[Tensor, "batch channels all_frames height width"]
Upsample = Callable[[Video, float], Video]  # key frames and their frames a second in, all frames out
Upscale = Callable[[Video], Video]  # small frames in, large frames out
Below = Callable[[str, Video], Video]  # a clip's name and its small frames in, another such clip out


def real_input(name: str, low: Video) -> Video:
    """The small clip as it is."""
    return low


def compare_temporal(
    clips: Iterable[NamedVideo], upsample: Upsample, factor: int, seed: int = 0, below: Below = real_input
) -> list[ScoreRow]:
    """PSNR of the frames between every `factor`-th frame, against optical flow, a linear blend and the nearest frame.

    `upsample` gives the frames at the key frames' times and between them, from the first key frame on;
    frames after the last key frame are not looked at. A clip without two key frames is not measurable.
    """
    _check(factor)
    methods: dict[str, Upsample] = {
        "model": upsample,
        "optical_flow": lambda keyframes, _: flow_blend(keyframes, factor),
        "linear_blend": lambda keyframes, _: linear_blend(keyframes, factor),
        "nearest": lambda keyframes, _: nearest(keyframes, factor),
    }
    scores: dict[str, dict[str, float]] = {method: {} for method in methods}
    for name, video, fps in clips:
        keyframes = below(name, video[:, :, ::factor])
        between = [frame for frame in range((keyframes.shape[2] - 1) * factor) if frame % factor]
        for method, run in methods.items():
            scores[method][name] = math.nan
            if between:
                made = run(keyframes, fps / factor)
                _check_made(name, made, video, frames=between[-1] + 1)
                scores[method][name] = _psnr(_file(made[:, :, between]), _file(video[:, :, between]))
    return _rows("psnr", "dB", scores, seed)


def compare_spatial(
    clips: Iterable[NamedVideo], upscale: Upscale, factor: int, seed: int = 0, below: Below = real_input
) -> list[ScoreRow]:
    """PSNR and SSIM of frames made `factor` times smaller (area mean) and large again, against bicubic.

    Rows and columns beyond a multiple of `factor` are cut off first.
    """
    _check(factor)
    quality: dict[str, dict[str, dict[str, float]]] = {
        "psnr": {"model": {}, "bicubic": {}},
        "ssim": {"model": {}, "bicubic": {}},
    }
    for name, video, _ in clips:
        height, width = (side // factor * factor for side in video.shape[-2:])
        if not (height and width):
            raise ValueError(f"clip {name} must be at least {factor} pixels a side, got {list(video.shape[-2:])}")
        truth = video[..., :height, :width]
        low = below(name, resize(truth, height // factor, width // factor, "area"))
        made = {"model": upscale(low), "bicubic": resize(low, height, width, "bicubic")}
        for method, large in made.items():
            _check_made(name, large, truth, frames=truth.shape[2])
            quality["psnr"][method][name] = _psnr(_file(large), _file(truth))
            quality["ssim"][method][name] = float(ssim(_file(large), _file(truth))[0])
    return _rows("psnr", "dB", quality["psnr"], seed) + _rows("ssim", "of 1", quality["ssim"], seed)


def linear_blend(keyframes: Video, factor: int) -> AllFrames:
    """`factor - 1` mixed frames between each two key frames: exact where brightness changes evenly."""
    frame = torch.arange((keyframes.shape[2] - 1) * factor + 1)
    left = frame // factor
    right = (left + 1).clamp(max=keyframes.shape[2] - 1)
    part = (frame % factor / factor).to(keyframes)[:, None, None]
    return torch.lerp(keyframes[:, :, left], keyframes[:, :, right], part)


def flow_blend(keyframes: Video, factor: int) -> AllFrames:
    """`factor - 1` frames between each two key frames, both moved to their moment along optical flow and mixed.

    It is the prior that temporal super-resolution starts from: what its network adds is what it is better by.
    """
    if keyframes.shape[2] < 2:
        return keyframes
    prior = TemporalSR(factor=factor).conditioning(keyframes, (keyframes.shape[2] - 1) * factor).prior
    assert prior is not None
    return torch.cat((keyframes[:, :, :1], prior), dim=2)


def nearest(keyframes: Video, factor: int) -> AllFrames:
    """Each frame is the key frame nearest in time; the earlier one of two."""
    frame = torch.arange((keyframes.shape[2] - 1) * factor + 1)
    return keyframes[:, :, (2 * frame + factor - 1) // (2 * factor)]


def _rows(metric: str, unit: str, scores: dict[str, dict[str, float]], seed: int) -> list[ScoreRow]:
    """A row for each method, then a row for the gain of the model over each of the others."""
    model, *baselines = scores
    named = {metric: scores[model]} | {f"{metric}_{method}": scores[method] for method in baselines}
    for method in baselines:
        gain = {clip: value - scores[method][clip] for clip, value in scores[model].items()}
        named[f"{metric}_gain_over_{method}"] = gain
    return [score_row(name, per_clip, "higher", unit, seed=seed) for name, per_clip in named.items()]


def _psnr(video: Tensor, truth: Tensor) -> float:
    return float(psnr(video, truth)[0])


def _file(video: Tensor) -> Tensor:
    """What is left of a video once it is stored in 8 bits."""
    return from_pixels(to_pixels(video))


def _check(factor: int) -> None:
    if factor < 2:
        raise ValueError(f"factor must be 2 or more, got {factor}; try 4")


def _check_made(name: str, made: Tensor, truth: Tensor, frames: int) -> None:
    wanted = (*truth.shape[:2], *truth.shape[3:])
    if (*made.shape[:2], *made.shape[3:]) != wanted or made.shape[2] < frames:
        raise ValueError(
            f"clip {name}: the upsampled video must have {frames} or more frames of batch, channels, height, "
            f"width {list(wanted)}, got {list(made.shape)}; check the factor"
        )

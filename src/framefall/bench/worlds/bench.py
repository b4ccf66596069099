"""The world benchmark of a cascade: every split, every reference, and what the shipped model must reach."""

from pathlib import Path

from framefall import outputs
from framefall.bench.worlds.captions import finished, spoken
from framefall.bench.worlds.continuation import Found, scored
from framefall.bench.worlds.copies import copies
from framefall.bench.worlds.sheets import SHEETS, drawn
from framefall.bench.worlds.stages import expected, super_resolution
from framefall.bench.worlds.table import beside, checks, table
from framefall.cascade.request import Quality
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.evaluate.worldbench.benchmark import SPLITS, Protocol, cases, references
from framefall.outputs import Output
from framefall.progress import Events, operation
from framefall.weights import DEFAULT
from framefall.worlds.violations.registry import VIOLATIONS
from framefall.worlds.world import version_trained_on

# of an object that vanishes or changes, of what is hidden, and of how things move: where no promise is made
FEW_KINDS = ("vanish", "colour_switch", "reverse_behind", "gravity_half")


@operation
def worlds_bench(
    model: str | None = None,
    clips: int = 12,
    seed: int = 0,
    quality: Quality = "fast",
    version: int | None = None,
    sheet: Path | Output | None = None,
) -> Events[Found]:
    """A model, the default one if none is said, on the test splits of the worlds, cut to what its base stage makes.

    Each of `id`, `ood_near`, `ood_far`, `comb` and `horizon` has `physics_score`, `strict_pass`, `permanence`,
    `relative_velocity_error` (and `velocity_error_of` each scenario), `gravity_within_10_percent`, `reappearance`,
    `flicker_over_real` and `stutter_over_real` of clips that go on from three frames; `violation_of_expectation_error`
    of its denoiser; `caption_exact` of clips of captions alone, which `text` has more of. Means with 95 % intervals and
    their `n`. `references` have the same of the renderer and of what knows less than it.

    `id` alone has `whole` (finished clips over the renderer's: sharpness of edges, flicker, stutter), `copies` and
    `super_resolution` (each stage against the plain way). `checks` holds the quantities that the shipped model must
    reach against the least that it must and against what is aimed at; `fails` are those below. `table` and `beside`
    are the same to read. The worlds are of the version that the model was trained on, if none is said.

    With `sheet`, a folder of contact sheets and moving pictures of 64 clips of each scenario is written there.

    Of the shipped model it takes about a CPU minute for each of `clips` (of a scenario), and 7 more.
    """
    sheet = outputs.folder(sheet, SHEETS) if isinstance(sheet, Path) else sheet
    cascade = load_cascade(model or DEFAULT)
    if version is None:
        version = version_trained_on(cascade.config.trained_on)
    base = cascade.stages[0]
    shape = base.config.shape
    protocol = Protocol(clips=clips, seed=seed, version=version, frames=shape.frames, fps=shape.fps, size=shape.height)
    simple, results = references(protocol), Found()
    for split in SPLITS:
        here = yield from scored(cascade, protocol, split, simple, quality)
        text, made = yield from spoken(cascade, protocol, split, simple, quality)
        kinds = tuple(VIOLATIONS) if split == "id" else FEW_KINDS
        here |= yield from expected(base, protocol, split, kinds, protocol.count(split) // 2)
        here |= {"text": text, "caption_exact": text["caption_exact"]}
        if split == "id":
            here["copies"] = copies(made, list(cases(protocol, split)), protocol)
            here["whole"] = yield from finished(cascade, protocol, simple, quality)
            here["super_resolution"] = yield from super_resolution(cascade, protocol, quality)
        results[split.replace("-", "_")] = here
    if sheet is not None:
        yield from drawn(cascade, protocol, quality, sheet)
    found = checks(results)
    return {
        "results": {"model": model or DEFAULT, "quality": quality},
        "protocol": protocol,
        **results,
        "checks": found,
        "fails": [check["quantity"] for check in found if check["reaches"] == "NO"],
        "table": table(found),
        "beside": beside(results),
    }

"""`framefall.distill` on a toy cascade of three stages, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.folder import Folder
from framefall.progress import Done, Started
from framefall.recipes.registry import RECIPES
from framefall.recipes.systems import imagen_video
from framefall.runs.training.distill import Distilled, distill, recipe_for, rounds, source_of
from framefall.train.loop import TrainingStep, initial
from framefall.train.recipe import Distillation
from framefall.weights import DEFAULT
from framefall.worlds.world import open_world

QUICK = ("save_every=2", "distillation.steps=4", "optim.adam_lr=0.03", "optim.warmup_steps=1")


@pytest.fixture(scope="module")
def fast(trained: Path, folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Distilled]:
    """The toy, distilled for a few steps."""
    output = tmp_path_factory.mktemp("fast") / "fast"
    return output, distill(trained, output, folder, steps=3, settings=QUICK)


def test_what_is_distilled_is_a_whole_model_that_says_what_it_came_from(
    trained: Path, fast: tuple[Path, Distilled]
) -> None:
    output, found = fast
    publish.verify(output)
    made, before = load_cascade(output), load_cascade(trained)
    assert list(made.config.stages) == list(before.config.stages) and made.config.name == "fast"
    assert made.config.distilled_from.startswith("toy (base by flow_map, weights ")
    assert made.config.distilled_from in (output / "README.md").read_text()
    assert made.config.trained_on == before.config.trained_on and before.config.distilled_from == ""
    for name in ("temporal_sr", "spatial_sr"):  # the others are what they were, to the bit
        old, new = (one.stage(name).backbone.state_dict() for one in (before, made))
        assert all(torch.equal(old[key], new[key]) for key in old)
    base = made.stage("base").config
    assert base.backbone.flow_map and (base.fast.steps, base.best.steps) == (4, 16)
    assert (found.steps, found.stage, found.method) == (3, "base", "flow_map")
    assert set(found.distances) == {1, 2, 4, 8} and "4 steps " in found.said()


def test_it_generates_with_the_guidance_it_was_taught_and_refuses_another(fast: tuple[Path, Distilled]) -> None:
    made = load_cascade(fast[0])
    plain, strong = (made.sample(Request("a ball", until="base", guidance=scale)) for scale in (1.0, 4.0))
    assert plain.shape == (1, 3, 8, 16, 16) and not torch.equal(plain, strong)
    with pytest.raises(ValueError, match=r"guidance scale of this distilled base must be within 1 to 4, .* got 6;"):
        made.sample(Request("a ball", guidance=6.0))


def test_a_step_of_it_is_one_call(fast: tuple[Path, Distilled], monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = load_cascade(fast[0]), []
    network = type(made.stage("base").backbone)
    forward = network.forward

    def count(self, x_t, t, condition):  # type: ignore[no-untyped-def]
        calls.append((t, condition.until, condition.guidance_scale))
        return forward(self, x_t, t, condition)

    monkeypatch.setattr(network, "forward", count)
    made.sample(Request("a ball", until="base", guidance=3.0))
    assert len(calls) == 4 and all(scale.tolist() == [3.0] for _, _, scale in calls)
    ends = [float(until) for _, until, _ in calls]
    assert ends[:-1] == pytest.approx([float(t) for t, _, _ in calls[1:]]) and ends[-1] == 0.0


@pytest.mark.slow  # `train/test_distillation.py` goes on with one
def test_a_distillation_that_was_stopped_goes_on_to_the_same_bits(
    trained: Path, folder: Folder, fast: tuple[Path, Distilled], tmp_path: Path
) -> None:
    events = distill.events(trained, tmp_path / "fast", folder, steps=3, settings=QUICK)
    assert next(events) == Started("distill")
    for event in events:
        if isinstance(event, TrainingStep) and event.step == 2:
            events.close()
    assert not (tmp_path / "fast").exists()
    with pytest.raises(ValueError, match="holds an earlier run; pass --resume"):
        distill(trained, tmp_path / "fast", folder, steps=3, settings=QUICK)
    with pytest.raises(ValueError, match=r"belongs to another run: .*power"):
        distill(trained, tmp_path / "fast", folder, steps=3, resume=True, settings=(*QUICK, "distillation.power=0.25"))
    *_, done = distill.events(trained, tmp_path / "fast", folder, steps=3, resume=True, settings=QUICK)
    assert isinstance(done, Done) and done.result.steps == 3
    assert (tmp_path / "fast" / "base.safetensors").read_bytes() == (fast[0] / "base.safetensors").read_bytes()


@pytest.mark.slow
def test_progressive_rounds_halve_the_steps_and_each_learns_of_the_one_before(
    trained: Path, folder: Folder, tmp_path: Path
) -> None:
    settings = ("distillation.steps=2", "distillation.rounds=2", "save_every=1")
    found = distill(
        trained, tmp_path / "m", folder, method="progressive", stage="spatial_sr", steps=1, settings=settings
    )
    runs = tmp_path / "m.training" / "spatial_sr"
    assert sorted(one.name for one in runs.iterdir()) == ["2-steps", "4-steps"]
    made = load_cascade(tmp_path / "m").stage("spatial_sr").config
    assert made.fast.steps == made.best.steps == 2 and set(found.distances) == {2}
    again = distill(
        trained,
        tmp_path / "m",
        folder,
        method="progressive",
        stage="spatial_sr",
        steps=1,
        settings=settings,
        resume=True,
    )
    assert again.distances == found.distances  # nothing is left to do, and nothing changes


def test_imagen_video_is_distilled_into_the_steps_that_its_recipe_prints() -> None:
    recipe = imagen_video()
    for name, part in recipe.stages.items():
        settings = Distillation(method="progressive", sampling=part.stage.best, steps=8, rounds=4)
        counts = [one.distillation.steps for _, one in rounds(replace(part, distillation=settings))]
        assert counts == [64, 32, 16, 8] and part.stage.fast.steps == counts[-1]  # half of the 128 it is sampled with
        assert name in recipe.stages


def test_the_recipe_is_that_of_the_network_at_lower_rates(trained: Path) -> None:
    cascade = load_cascade(trained)
    found, micro = recipe_for(cascade, "base"), RECIPES["micro"]()
    part, own = found.stages["base"], micro.stages["base"]
    assert found.data == micro.data and (part.batch, part.flip) == (own.batch, own.flip)
    assert 0 < part.optim.adam_lr < own.optim.adam_lr and 0 < part.optim.muon_lr < own.optim.muon_lr
    assert part.distillation is not None and part.distillation.sampling == own.stage.best
    changed = recipe_for(cascade, "base", settings=("batch=8", "data.looks=1", "distillation.ramp_steps=7"))
    assert changed.stages["base"].batch == 8 and changed.data.looks == 1
    assert changed.stages["base"].distillation.ramp_steps == 7  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("trained_on", "source"),
    [
        (["worlds:all:60k@2, simulated by this package"], "all:60k@2"),
        (["worlds:fall/train/300000"], "fall:300000"),
        (["worlds:fall/train/6000@2", "worlds:occluder/train/6000@2"], "fall,occluder:6000@2"),
        (["worlds:fall,ramp:60k@2, simulated by this package", "worlds:all:60k@2"], "all:60k@2"),
        (["worlds:fall,ramp:60k@2", "worlds:ramp,light:60k@2"], "fall,ramp,light:60k@2"),
    ],
)
def test_a_world_that_a_model_was_trained_on_is_found_again(trained_on: list[str], source: str) -> None:
    assert source_of(_saying(trained_on)) == source


@pytest.mark.parametrize("stage", ["base", "temporal_sr", "spatial_sr"])
def test_each_stage_of_the_default_model_is_distilled_on_its_own_world(stage: str) -> None:
    cascade = load_cascade(DEFAULT)
    found = open_world(source_of(cascade, stage))  # which refuses what is no world
    assert cascade.card is not None and set(cascade.card.stages[stage].scenes) == set(found.scenarios)


@pytest.mark.parametrize("trained_on", [[], ["0001.mp4"], ["worlds:fall/train/6000", "0001.mp4"]])
def test_another_source_must_be_given(trained_on: list[str]) -> None:
    with pytest.raises(ValueError, match=r"a source of clips must be given, toy was trained on .*; --source CLIPS"):
        source_of(_saying(trained_on))


def test_what_cannot_be_distilled_is_refused_in_one_sentence(trained: Path, folder: Folder, tmp_path: Path) -> None:
    output = tmp_path / "m"
    for changes, sentence in (
        (
            {"stage": "spatial_sr"},
            r"flow_map needs a transformer or a U-Net, .* kind='convnet'; take --method",
        ),
        ({"stage": "temporal_sr"}, r"flow_map needs a transformer or a U-Net, .* this stage has kind='interpolator'"),
        ({"stage": "third"}, "a stage must be one of base, temporal_sr, spatial_sr; got 'third'"),
        ({"method": "magic"}, "method must be one of flow_map, progressive; got 'magic'"),
        ({"steps": 0}, "steps and minutes must be above 0"),
        ({"settings": ("distillation.steps=12",)}, "steps of a flow map must be a power of two above 1, got 12"),
        ({"settings": ("bach=2",)}, "setting 'stages.base.bach' is unknown"),
    ):
        with pytest.raises(ValueError, match=sentence):
            distill(trained, output, folder, **{"steps": 1, **changes})
    with pytest.raises(ValueError, match=r"was trained on 0001\.mp4; 0002\.mp4; --source CLIPS"):
        distill(trained, output, steps=1)
    with pytest.raises(ValueError, match="is the model that is to be distilled; choose another name"):
        distill(trained, trained, folder, steps=1)
    assert not output.exists()


def _saying(trained_on: list[str]) -> Cascade:
    part = RECIPES["micro"]().stages["base"]
    config = CascadeConfig(name="toy", stages={"base": part.stage}, trained_on=trained_on)
    return Cascade(config=config, stages=(initial("base", part, 0, torch.device("cpu")),))

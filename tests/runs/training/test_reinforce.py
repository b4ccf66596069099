"""`framefall.reinforce` on a toy cascade: a whole model comes out, by a reward of one's own or by the judge."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.folder import Folder
from framefall.progress import Done
from framefall.runs.training.distill import distill
from framefall.runs.training.reinforce import Reinforced, Run, like, reinforce, run_for, shown
from framefall.train.reinforcement import Reinforcement, Round
from framefall.video import Video, from_pixels
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import frame_times
from framefall.worlds.world import World

QUICK = tuple(
    f"reinforcement.{one}" for one in ("prompts=1", "drafts=2", "batch=2", "truths=1", "passes=1", "sampling.steps=1")
)


def bright(video: Video, prompt: str) -> float:
    """A reward of one's own."""
    return float(video.mean())


@pytest.fixture(scope="module")
def better(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reinforced]:
    """The toy after two rounds."""
    output = tmp_path_factory.mktemp("better") / "better"
    return output, reinforce(trained, output, "fall:8", reward=bright, rounds=2, settings=QUICK)


def test_what_is_reinforced_is_a_whole_model_whose_other_stages_are_as_they_were(
    trained: Path, better: tuple[Path, Reinforced]
) -> None:
    output, found = better
    publish.verify(output)
    made, before = load_cascade(output), load_cascade(trained)
    assert (found.rounds, found.stage, len(found.rewards)) == (2, "base", 2) and str(output) in found.said()
    assert made.config.name == "better" and made.config.trained_on == before.config.trained_on
    for stage in before.stages:
        old, new = (one.stage(stage.name).backbone.state_dict() for one in (before, made))
        alike = all(torch.equal(old[name], new[name]) for name in old)
        assert alike == (stage.name != "base")
    assert made.sample(Request("a ball", until="base")).isfinite().all()
    assert (output.with_name("better.training") / "base" / "log.jsonl").read_text().count('"reward"') == 2


def test_a_run_goes_on_and_a_finished_model_is_not_begun_again(trained: Path, better: tuple[Path, Reinforced]) -> None:
    output, _ = better
    with pytest.raises(ValueError, match=r"holds an earlier run; pass --resume to go on with it"):
        reinforce(trained, output, "fall:8", reward=bright, rounds=3, settings=QUICK)
    events = list(reinforce.events(trained, output, "fall:8", reward=bright, rounds=3, settings=QUICK, resume=True))
    assert [one.step for one in events if isinstance(one, Round)] == [3]
    assert isinstance(events[-1], Done) and events[-1].result.rounds == 3
    again = reinforce(trained, output, "fall:8", reward=bright, rounds=3, settings=QUICK, resume=True)
    assert (again.rounds, again.rewards) == (3, [])  # nothing was left to do, and what was done is not forgotten


def test_the_judge_gives_most_to_the_scene_that_was_asked_for() -> None:
    log = World(("fall",), "id", version=2).log(3)
    video = from_pixels(render([log], [frame_times(16, 6.0)], View(64, round(64 * log.scene.width))))
    caption, run = World(("fall",), "id", version=2).caption(3), Run(reinforcement=Reinforcement())
    right = shown(video, caption, fps=6.0, version=2, run=run)
    other = shown(video, "a purple ball and a green ball collide", fps=6.0, version=2, run=run)
    nothing = shown(torch.zeros_like(video), caption, fps=6.0, version=2, run=run)
    assert right > other >= nothing and right > 1.0


def test_the_clip_that_goes_on_as_it_did_is_the_likest() -> None:
    logs = [World(("projectile",), "id", version=2).log(index) for index in (1, 2)]
    truth, other = (
        from_pixels(render([log], [frame_times(16, 6.0)], View(32, round(32 * log.scene.width)))) for log in logs
    )
    late = torch.cat((truth[:, :, :3], truth[:, :, 2:-1]), dim=2)  # a frame behind
    gone = torch.cat((truth[:, :, :3], truth[:, :, :1].expand(-1, -1, 13, -1, -1)), dim=2)  # flies no more
    found = like(torch.cat((truth, late, gone, other)), truth, fps=6.0, given=3, worth=2.0)
    assert found[0] > 2.0 + found[1] - 0.5 > found[1] > max(found[2:])
    assert found[0] == pytest.approx(6.0)  # every thing in its place, and 50 dB, which is as good as equal


def test_half_of_the_drafts_go_on_where_a_base_takes_frames_and_nobody_else_judges(trained: Path) -> None:
    shipped = load_cascade("worlds")
    assert run_for(shipped).reinforcement.going_on == 0.5
    assert run_for(shipped, judged=False).reinforcement.going_on == 0.0
    assert run_for(load_cascade(trained)).reinforcement.going_on == 0.0


def test_a_clip_without_the_screen_that_was_asked_for_is_worth_less() -> None:
    log = World(("occluder",), "id", version=2).log(3)
    view, run = View(64, round(64 * log.scene.width)), Run(reinforcement=Reinforcement())
    bare = replace(log, scene=replace(log.scene, fixtures=()))  # nothing hides what passes
    caption = World(("occluder",), "id", version=2).caption(3)
    right, empty = (
        shown(from_pixels(render([one], [frame_times(16, 6.0)], view)), caption, fps=6.0, version=2, run=run)
        for one in (log, bare)
    )
    assert right > empty > 0


def test_a_distilled_model_learns_of_the_few_steps_that_it_was_made_for(
    trained: Path, folder: Folder, tmp_path: Path
) -> None:
    fast = tmp_path / "fast"
    distill(trained, fast, folder, steps=1, settings=("distillation.steps=2",))
    sampling = run_for(load_cascade(fast)).reinforcement.sampling
    assert sampling.guidance.scale == load_cascade(fast).stages[0].config.fast.guidance.scale > 1.0  # one call a step
    better = tmp_path / "better"
    reinforce(fast, better, "fall:8", reward=bright, rounds=1, settings=(*QUICK, "reinforcement.sampling.steps=2"))
    old, new = (load_cascade(one).stages[0].backbone.state_dict() for one in (fast, better))
    assert not all(torch.equal(old[name], new[name]) for name in old)
    assert load_cascade(better).sample(Request("a ball", until="base")).isfinite().all()


def test_a_clip_that_flickers_is_worth_less() -> None:
    log = World(("fall",), "id", version=2).log(3)
    video = from_pixels(render([log], [frame_times(16, 6.0)], View(64, round(64 * log.scene.width))))
    caption, run = World(("fall",), "id", version=2).caption(3), Run(reinforcement=Reinforcement())
    light = torch.tensor([0.9, 1.0]).repeat(8).view(1, 1, 16, 1, 1)  # every other frame is darker
    steady, flickering, forgiven = (
        shown(one, caption, fps=6.0, version=2, run=settings)
        for one, settings in ((video, run), (video * light, run), (video * light, replace(run, flicker=0.0)))
    )
    assert flickering < steady - 0.1
    assert forgiven > flickering  # the control: a judge that does not look


def test_what_cannot_be_improved_is_refused(trained: Path, folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is the model that is to be improved; choose another name"):
        reinforce(trained, trained, folder)
    with pytest.raises(ValueError, match=r"reinforcement.drafts: must be at least 2, got 1"):
        run_for(load_cascade(trained), ["reinforcement.drafts=1"])
    with pytest.raises(ValueError, match=r"clips must have captions, which are asked for"):
        reinforce(trained, tmp_path / "silent", folder, settings=QUICK)

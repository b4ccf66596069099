"""Scores of clips: alone, beside real ones, against rivals, and when sets are not alike."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from framefall.data.media.decode import decode
from framefall.data.media.writer import write
from framefall.evaluate.metrics.suite import METRICS
from framefall.evaluate.sets.registry import SET_METRICS
from framefall.progress import Done, Note, Stepped
from framefall.runs.evaluation.evaluate import Assessment, assess


@pytest.fixture(scope="module")
def beside_itself(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Assessment, list]:
    """Two clips, each its own reference, against two others; with a file that is no video among them."""
    root = tmp_path_factory.mktemp("sets")
    clips = sorted(generated.glob("*.mp4"))
    for name, part in (("ours", clips[:2]), ("theirs", clips[2:])):
        (root / name).mkdir()
        for path in part:
            shutil.copy(path, root / name)
    (root / "ours" / "broken.mp4").write_bytes(b"no video")
    events = list(assess.events(root / "ours", root / "ours", root / "theirs"))
    return events[-1].result, events


def test_each_clip_is_compared_with_the_one_of_its_name(beside_itself: tuple[Assessment, list]) -> None:
    found, _ = beside_itself
    rows = {row.metric: row for row in found.rows}
    assert rows.keys() == METRICS.keys()
    assert rows["psnr"].value == 100.0 and rows["psnr"].n == 2  # each clip is its own reference
    assert rows["flicker"].floor == rows["flicker"].value
    assert found.ground is None and len(found.clips) == len(found.files) == 2


def test_what_is_skipped_is_said_and_steps_are_counted(beside_itself: tuple[Assessment, list]) -> None:
    found, events = beside_itself
    notes = [event.text for event in events if isinstance(event, Note)]
    assert "skipped broken.mp4" in " ".join(notes) and [name for name, _ in found.skipped].count("broken.mp4") == 2
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [step.done for step in steps] == list(range(1, 7)) and steps[-1].total == 6
    assert isinstance(events[-1], Done)


def test_frames_that_come_in_pairs_are_said_in_words_and_values(tmp_path: Path) -> None:
    """The control: the same frames one by one."""
    place = np.minimum(np.arange(24)[:, None] // np.array([1, 2]) * np.array([1, 2]), 23)
    for name, shown in zip(("even", "pairs"), place.T, strict=True):
        frames = np.full((24, 32, 48, 3), 60, np.uint8)
        for index, left in enumerate(4 + shown):
            frames[index, 10:22, left : left + 12] = (200, 80, 40)
        write(tmp_path / f"{name}.mkv", [frames], 12.0)
    found = assess(tmp_path)
    values = found.values()
    assert values["period"] == {"pairs.mkv": 2} and "repeats every 2 frames in 1 of 2 clips" in str(found)
    assert values["metrics"]["stutter"]["per_clip"] == {"even.mkv": 1.0, "pairs.mkv": 10.0}


def test_few_clips_have_no_set_distance_and_overlapping_sets_no_rank(beside_itself: tuple[Assessment, list]) -> None:
    found, _ = beside_itself
    assert {one.name for one in found.distances} == SET_METRICS.keys()
    assert all(math.isnan(one.value) and "16 measurable clips" in one.reason for one in found.distances)
    assert "longest_still: ours and theirs are not ranked, their intervals overlap." in found.ranking


def test_values_are_what_json_has_and_text_says_it_to_people(beside_itself: tuple[Assessment, list]) -> None:
    found, _ = beside_itself
    values = found.values(clips="mine")
    assert next(iter(values)) == "clips" and values["n"] == 2 and values["metrics"].keys() == METRICS.keys()
    assert values["distances"]["motion_distance"]["value"] is None and values["ranking"] == found.ranking
    text = str(found)
    assert text.count("not measurable: ") == 1 and "95% interval" in text and found.ranking[0] in text


def test_sets_that_differ_are_brought_to_common_ground_and_that_is_said(generated: Path, tmp_path: Path) -> None:
    source = min(generated.glob("*.mp4"))
    half = np.stack([frame.pixels[::2, ::2] for frame in decode(source, fps=12.0)])
    write(tmp_path / "half" / source.name, [np.ascontiguousarray(half)], 12.0)
    (tmp_path / "whole").mkdir()
    shutil.copy(source, tmp_path / "whole")
    events = list(assess.events(tmp_path / "half", tmp_path / "whole"))
    found = events[-1].result
    assert found.ground is not None and found.ground.fps == 12.0 and found.ground.height == 16
    (note,) = (event.text for event in events if isinstance(event, Note))
    assert note.startswith("not alike: half (") and "all are measured as" in note
    psnr = next(row for row in found.rows if row.metric == "psnr")
    assert 20 < psnr.value < 100  # the same moments, one of them made small by dropping pixels


def test_clips_without_a_namesake_are_compared_as_sets_and_that_is_said(generated: Path, tmp_path: Path) -> None:
    first, second, *_ = sorted(generated.glob("*.mp4"))
    (tmp_path / "real").mkdir()
    shutil.copy(second, tmp_path / "real")
    events = list(assess.events(first, tmp_path / "real"))
    assert ["compared as sets" in event.text for event in events if isinstance(event, Note)] == [True]
    rows = {row.metric: row for row in events[-1].result.rows}
    assert rows["psnr"].n == 0 and math.isfinite(rows["longest_still"].floor)


def test_clips_without_common_moments_are_not_judged_by_when_their_frames_come(tmp_path: Path) -> None:
    columns = np.arange(64)
    for name, fps in (("ours", 12.0), ("theirs", 15.0)):
        places = 8 + 20 * np.arange(int(fps)) / fps
        bar = np.clip(255 - 40 * np.abs(columns - places[:, None]), 0, 255).astype(np.uint8)
        write(tmp_path / name / "a.mkv", [np.broadcast_to(bar[:, None, :, None], (int(fps), 48, 64, 3))], fps)
    found = assess(tmp_path / "ours", tmp_path / "theirs")
    (clip,) = found.clips
    for name in ("psnr", "ssim", "tof", "unevenness", "stutter", "cadence", "repeated_frames"):
        assert math.isnan(clip.scores[name]) and "15 frames a second have no moments in common" in clip.reasons[name]
    assert 0.8 < clip.scores["dynamic_ratio"] < 1.25
    halved = assess(tmp_path / "theirs", tmp_path / "theirs")  # the control: of one rate nothing is void
    assert halved.clips[0].scores["psnr"] == 100.0

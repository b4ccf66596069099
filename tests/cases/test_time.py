"""Users' cases of time: frames are compared, measured and kept by when they are shown, never by their number."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cases.conftest import refused
from cases.drawing import picture
from framefall.data.folder import Folder, FolderConfig, open_folder
from framefall.data.media.decode import decode, probe
from framefall.evaluate.metrics.fidelity import psnr
from framefall.evaluate.metrics.motion import dynamic_degree
from framefall.flow import look
from framefall.runs.evaluation.clips import clip_set, common_ground, read
from framefall.video import Video, from_pixels

Case = Callable[[str], Path]


def by_number(path: Path) -> tuple[Video, float]:
    """The control: frames as they come, at the usual rate."""
    frames = np.stack([frame.pixels for frame in decode(path)])
    return from_pixels(torch.from_numpy(frames)).permute(3, 0, 1, 2)[None], probe(path).fps


def test_reference_at_another_rate(case: Case, framefall: Callable) -> None:
    out = case("reference-at-another-rate")
    said = framefall("evaluate", out / "clips", "--reference", out / "reference", "--json")
    if not refused(said):
        assert said.code == 0 and json.loads(said.out)["metrics"]["psnr"]["value"] < 35
        assert "24 a second" in said.err and "8 a second" in said.err
    one, other = (by_number(out / name / "a.mp4")[0] for name in ("clips", "reference"))
    assert float(psnr(one, other)[0]) > 45  # the control: a clip that is three times as fast is the same


def test_vfr_phone_clip(case: Case) -> None:
    out = case("vfr-phone-clip")
    (phone, fps), (steady, _) = (read(out / name / "a.mp4") for name in ("phone", "steady"))
    true = dynamic_degree(look(steady, 20.0))
    assert fps == pytest.approx(20.0) and 0.8 < dynamic_degree(look(phone, fps)) / true < 1.25
    assert not 0.8 < dynamic_degree(look(*by_number(out / "phone" / "a.mp4"))) / true < 1.25  # the control


def test_a_reference_of_variable_rate_is_aligned_in_time(case: Case) -> None:
    out = case("vfr-phone-clip")
    sets = [clip_set(out / name, lambda name, reason: pytest.fail(reason)) for name in ("phone", "steady")]
    ground = common_ground(*sets)
    one, other = (read(found.files["a.mp4"], ground)[0] for found in sets)
    count = min(one.shape[2], other.shape[2])
    assert float(psnr(one[:, :, :count], other[:, :, :count])[0]) > 35
    naive = by_number(out / "phone" / "a.mp4")[0]
    assert float(psnr(naive[:, :, :count], other[:, :, :count])[0]) < 25  # the control


def ingested(folder: Path, cache: Path, **settings: object) -> tuple[Folder, list[int]]:
    """The folder's one shot, and the numbers of its frames in the file."""
    opened = open_folder(folder, FolderConfig(size=48, cache=str(cache), **settings))  # type: ignore[arg-type]
    (shot,) = opened.shots
    return opened, list(opened.entries[shot.source].sources)


@pytest.mark.parametrize("fps", [24.0, 12.0, 20.0, 6.0, 60.0])
def test_clip_of_30_frames_a_second(case: Case, tmp_path: Path, fps: float) -> None:
    clips = case("clip-of-30-frames-a-second") / "clips"
    opened, frames = ingested(clips, tmp_path, fps=fps)
    assert len({*np.diff(frames)}) == 1 and opened.shots[0].fps == pytest.approx(30 / (frames[1] - frames[0]))
    assert abs(np.log(opened.shots[0].fps / fps)) <= np.log(2) + 1e-6
    if fps == 24:  # what is in the pictures, and the control: every fifth frame left out
        for resample, even in (("auto", True), ("nearest", False)):
            steps = np.diff(places(ingested(clips, tmp_path, resample=resample)[0]))
            assert (steps.std() / steps.mean() < 0.15) == even


def places(opened: Folder) -> list[float]:
    """Where the red square of the cases is in each frame after the first, in pixels, to a tenth."""
    found = [0.0]
    (shot,) = opened.shots
    for pixels in opened.read(shot, range(2, shot.frames)).transpose(1, 2, 3, 0).astype(float):
        around = found[-1] + np.arange(0.5, 3.0, 0.1)
        wrong = [np.abs(picture(place, pixels.shape[1], pixels.shape[0]) - pixels).mean() for place in around]
        found.append(float(around[np.argmin(wrong)]))
    return found[1:]


def test_a_clip_of_variable_rate_is_ingested_at_its_real_times(case: Case, tmp_path: Path) -> None:
    opened, frames = ingested(case("vfr-phone-clip") / "phone", tmp_path)
    times = np.array([*(1000 * n // 60 for n in range(60)), *(1000 + 50 * n for n in range(40))])  # milliseconds
    steps = np.diff(times[frames])
    assert len(frames) >= 59 and opened.shots[0].fps == pytest.approx(20.0) and steps.std() / steps.mean() < 0.02
    assert "its frames do not come evenly" in str(opened.report)
    naive = FolderConfig(size=48, cache=str(tmp_path), resample="nearest")  # the control: torn into pieces
    assert len(open_folder(tmp_path / "vfr-phone-clip" / "phone", naive).shots) > 5

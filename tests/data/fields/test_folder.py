"""A folder of fields gives clips like any folder: by scale, without gaps, in an order that nothing else moves."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from framefall.data import loader
from framefall.data.fields.field import Axis, Channel, Clock, Field, numbered
from framefall.data.fields.folder import FieldFolder, is_fields, open_fields, summary
from framefall.data.fields.formats import write
from framefall.data.folder import FolderConfig
from framefall.data.window import Window, fitted

FIELD = Field(
    channels=[Channel(name="u", units="m/s"), Channel(name="T", units="K")],
    rows=numbered(12, "y"),
    columns=Axis(name="x", units="km", values=[float(one) for one in range(16)]),
    clock=Clock(units="h", step=2.0),
)
WINDOW = Window(frames=4, fps=24.0, height=12, width=16, flip=False)


def values(seed: int = 0, frames: int = 9) -> np.ndarray:
    generator = np.random.default_rng(seed)
    found = generator.normal([[[[3.0]]], [[[280.0]]]], [[[[0.5]]], [[[9.0]]]], (2, frames, 12, 16)).astype(np.float32)
    found[1, :, :3, :3] = np.nan
    return found


def source(folder: Path, count: int = 4) -> Path:
    for number in range(count):
        write(folder / f"{number}.npy", [values(number)], FIELD, 2.0 * np.arange(9))
    return folder


def take(folder: FieldFolder, **how: int) -> list[loader.Clip]:
    batches = loader.batches(folder, WINDOW, batch=2, seed=1, **how)
    return [clip for batch in islice(batches, 6) for clip in batch]


def test_clips_are_on_one_scale_and_say_what_is_missing(tmp_path: Path) -> None:
    folder = open_fields(source(tmp_path), FolderConfig())
    assert [round(one.centre) for one in folder.described.channels] == [3, 280]
    for clip in take(folder):
        assert clip.pixels.shape == (2, 4, 12, 16) and clip.pixels.dtype == np.float32
        assert clip.valid is not None and not clip.valid[1, :, :3, :3].any() and clip.valid.mean() > 0.9
        assert (clip.pixels[~clip.valid] == 0).all() and 0.3 < clip.pixels[clip.valid].std() < 0.7
        name, _, start = clip.key.partition("#0+")
        physical = folder.described.physical(clip.pixels)
        own = values(int(name[0]))[:, int(start) : int(start) + 4]
        np.testing.assert_allclose(physical[clip.valid], own[clip.valid], rtol=1e-5)


def test_the_order_is_resumed_exactly_and_depends_on_the_numbers(tmp_path: Path) -> None:
    folder = open_fields(source(tmp_path), FolderConfig(holdout=0.25))
    train, validation = folder.split("train"), folder.split("validation")
    assert len(train.shots) == 3 and len(validation.shots) == 1
    keys = [clip.key for clip in take(train)]
    later = [clip.key for clip in take(train, start=3, workers=2)]
    assert later[:6] == keys[6:] and len(set(keys)) > 4
    other = values(0)
    other[0, 0, 0, 0] += 1e-3
    write(tmp_path / "0.npy", [other], FIELD, 2.0 * np.arange(9))
    assert open_fields(tmp_path, FolderConfig(holdout=0.25)).fingerprint != folder.fingerprint
    assert folder.seen_as(replace(FIELD)).fingerprint != folder.fingerprint  # another scale is other clips
    with pytest.raises(ValueError, match="the source must have the channels of the model"):
        folder.seen_as(replace(FIELD, channels=FIELD.channels[:1]))


def test_what_does_not_go_together_is_left_out_and_said(tmp_path: Path) -> None:
    source(tmp_path, 2)
    odd = replace(FIELD, channels=[replace(FIELD.channels[0], units="knots"), FIELD.channels[1]])
    write(tmp_path / "a.npy", [values()], odd, 2.0 * np.arange(9))
    slow = replace(FIELD, clock=Clock(units="h", step=4.0))
    write(tmp_path / "b.npy", [values()], slow, 4.0 * np.arange(9))
    write(tmp_path / "c.npy", [values()], FIELD, np.array([0, 2, 3.2, 6, 8, 30, 32, 34, 36.0]))
    (tmp_path / "d.npy").write_bytes(b"nothing")
    folder = open_fields(tmp_path, FolderConfig())
    assert folder.report.ingested == ("0.npy", "1.npy", "c.npy")
    assert {one.path: one.reason[:26] for one in folder.report.skipped} == {
        "a.npy": "a.npy must have the channe",
        "b.npy": "its frames lie 4 h apart, ",
        "d.npy": "it is no array of numbers ",
    }
    text = summary("it", folder, None)
    assert "3 recordings of u (m/s), T (K), float32, " in text and "every 2 h" in text
    assert "c.npy: its times are uneven, and frames are interpolated to every 2" in text
    assert "c.npy: gaps in its times part it into 2 takes" in text
    assert "values are missing" in text and "left out d.npy" in text
    assert [shot.frames for shot in folder.shots] == [9, 9, 5, 4]


def test_which_sources_are_fields(tmp_path: Path) -> None:
    assert not is_fields(tmp_path) and not is_fields(tmp_path / "nothing") and not is_fields("projectile")
    source(tmp_path / "a", 1) if (tmp_path / "a").mkdir() is None else None
    assert is_fields(tmp_path) and is_fields(tmp_path / "a" / "0.npy")
    (tmp_path / "film.mp4").touch()
    assert not is_fields(tmp_path)  # a folder of videos, with an array among them
    with pytest.raises(ValueError, match="must hold at least one field"):
        (tmp_path / "b").mkdir()
        open_fields(tmp_path / "b", FolderConfig())


def test_a_smaller_frame_is_the_mean_of_what_is_there() -> None:
    own = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    own[0, 0, 0] = np.nan
    own[0, 2:, 2:] = np.nan
    own[0, 3, 3] = 15
    made, there = fitted(own, (2, 2))
    assert there is not None and there[0, ..., 0].tolist() == [[True, True], [True, False]]
    np.testing.assert_allclose(made[0, ..., 0], [[(1 + 4 + 5) / 3, 4.5], [10.5, 0.0]], rtol=1e-6)
    assert np.nan_to_num(own)[0, :2, :2].mean() == 2.5  # the naive mean takes a gap for a zero
    whole, nothing = fitted(np.ones((2, 4, 4, 5), np.float32), (2, 3))
    assert nothing is None and whole.shape == (2, 2, 3, 5)

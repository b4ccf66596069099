import math
import os
import pickle
import shutil
from fractions import Fraction

import numpy as np
import pytest
from encodes import clock, encode, grey, number_of, textured
from PIL import Image

from framefall.data.folder import FolderConfig, collect, ingest, open_folder


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def opened(source, **settings):
    return open_folder(source, FolderConfig(cache=str(source.parent / "cache"), **settings))


def test_pixels_come_back_in_the_layout_of_a_clip(source):
    encode(source / "a.mp4", clock(20))
    folder = opened(source)
    (shot,) = folder.shots
    assert (shot.key, shot.source, shot.frames, shot.height, shot.width, shot.fps) == (
        "a.mp4#0",
        "a.mp4",
        20,
        32,
        48,
        24,
    )
    pixels = folder.read(shot, [3, 17, 3])
    assert pixels.shape == (3, 3, 32, 48) and pixels.dtype == np.uint8
    assert [number_of(pixels[:, i].transpose(1, 2, 0)) for i in range(3)] == [3, 17, 3]
    with pytest.raises(ValueError, match="must be 0 to 19"):
        folder.read(shot, [20])


@pytest.mark.parametrize("rate", [24, 25, 30, Fraction(30000, 1001), Fraction(24000, 1001), 12, 10, 15, 60])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("resample", ["auto", "nearest"])
def test_no_frame_is_ever_shown_twice(source, rate, suffix, resample):
    encode(source / f"a{suffix}", clock(40), rate)
    folder = opened(source, scene_cuts=False, resample=resample)
    (shot,) = folder.shots
    pixels = folder.read(shot, range(shot.frames))
    numbers = [number_of(frame) for frame in pixels.transpose(1, 2, 3, 0)]
    assert numbers == sorted(set(numbers))
    if resample == "nearest":
        assert 24 / shot.fps == pytest.approx(round(24 / shot.fps)) and shot.fps <= 1.05 * rate
    else:
        every = rate / shot.fps  # a whole fraction of the file's own rate, none is nearer to 24, and no step is longer
        assert every == pytest.approx(round(every), rel=1e-3) and len({*np.diff(numbers)}) == 1
        assert all(abs(math.log(shot.fps / 24)) <= abs(math.log(rate / other / 24)) + 1e-3 for other in range(1, 9))
    assert np.polyfit(numbers, np.arange(shot.frames), 1)[0] == pytest.approx(shot.fps / float(rate), rel=0.06)


def test_numbers_follow_the_frames_that_are_kept(source):
    encode(source / "a.mp4", clock(24), 48)
    (source / "a.json").write_text(str({"numbers": [[float(i)] for i in range(24)]}).replace("'", '"'))
    encode(source / "b.mp4", clock(10))
    (source / "b.json").write_text('{"numbers": [[1], [2]]}')
    encode(source / "c.mp4", clock(9))
    (source / "c.json").write_text('{"numbers": [1, 2, 3]}')
    folder = opened(source)
    a, b, c = folder.shots
    assert a.numbers.tolist() == [[float(i)] for i in range(0, 24, 2)] and a.fps == 24
    assert b.numbers is None and c.numbers is None
    assert "b.mp4: its 2 rows of numbers are left out: it has 10 frames" in folder.report.notes
    assert "c.mp4: its 3 numbers are left out: most files have 1" in folder.report.notes


@pytest.mark.parametrize("holdout", [0.0, 0.1, 0.25, 0.5])
def test_a_file_and_its_copies_stand_on_one_side(source, holdout):
    for index in range(12):
        encode(source / f"{index}.mp4", grey([10 * index] * 4, 16, 16))
    for index in range(4):
        shutil.copy(source / f"{index}.mp4", source / f"copy{index}.mp4")
    folder = opened(source, holdout=holdout)
    train, validation = folder.split("train"), folder.split("validation")
    assert len(train.shots) + len(validation.shots) == len(folder.split("all").shots) == 16
    held = {shot.source.removeprefix("copy") for shot in validation.shots}
    assert len(held) == int(12 * holdout + 0.5)
    assert not held & {shot.source.removeprefix("copy") for shot in train.shots}
    assert {shot.source for shot in opened(source, holdout=holdout).split("validation").shots} == {
        shot.source for shot in validation.shots
    }
    os.rename(source / "0.mp4", source / "renamed.mp4")  # a new name moves nothing
    sizes = len(opened(source, holdout=holdout).split("validation").shots)
    assert sizes == len(validation.shots)


def test_a_bad_file_is_named_and_stops_nothing(source):
    encode(source / "good.mp4", clock(10))
    Image.fromarray(textured(1)[0]).save(source / "photo.png")
    (source / "empty.mp4").touch()
    (source / "noise.webm").write_bytes(bytes(range(256)) * 8)
    os.symlink(source / "nowhere.mp4", source / "gone.mp4")
    (source / "photo.json").write_text("{")
    report = opened(source).report
    assert report.ingested == ("good.mp4", "photo.png")
    assert [skipped.path for skipped in report.skipped] == ["empty.mp4", "gone.mp4", "noise.webm"]
    assert [skipped.reason.split(",")[0] for skipped in report.skipped][:2] == [
        "it is empty (0 bytes)",
        "it is a link to nothing",
    ]
    assert "photo.json is left out" in report.notes[0]
    assert "2 files are used, 3 are skipped" in str(report) and "skipped empty.mp4: it is empty" in str(report)


def test_nothing_usable_is_one_sentence_with_the_reasons(source):
    (source / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"at least one file that can be used, got none \(empty.mp4: it is empty"):
        opened(source)
    (source / "empty.mp4").unlink()
    with pytest.raises(ValueError, match="no video and no image in it"):
        opened(source)


def test_progress_is_a_loop_over_outcomes_in_sorted_order(source):
    for name in "dbca":
        encode(source / f"{name}.mp4", grey([ord(name)] * 3))
    config = FolderConfig(cache=str(source.parent / "cache"))
    outcomes = []
    for outcome in ingest(source, config):
        assert outcome.total == 4
        outcomes.append(outcome)
    assert [outcome.source for outcome in outcomes] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    assert len(collect(source, outcomes, config).shots) == 4
    stopped = ingest(source, config)
    next(stopped)
    stopped.close()


def test_a_folder_travels_to_workers_without_its_pixels(source):
    encode(source / "a.mp4", textured(30))
    folder = opened(source)
    sent = pickle.dumps(folder)
    assert len(sent) < 4000
    there = pickle.loads(sent)
    assert np.array_equal(there.read(there.shots[0], [5]), folder.read(folder.shots[0], [5]))


def test_a_name_that_is_not_utf8_is_ingested_and_printable(source):
    encode(source / "a.mp4", clock(5))
    os.rename(os.fsencode(source / "a.mp4"), os.fsencode(source) + b"/caf\xe9.mp4")
    folder = opened(source)
    assert folder.shots[0].source == "caf\\xe9.mp4"
    str(folder.report).encode("utf-8")

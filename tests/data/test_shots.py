import shutil

import numpy as np
import pytest
from encodes import encode, grey, sample

from framefall.data.folder import FolderConfig, open_folder
from framefall.data.shots import CutFinder


def test_cuts_of_a_real_film_are_found(source):
    shutil.copy(sample("bikes.mp4"), source / "bikes.mp4")
    shutil.copy(sample("carphone_pristine.mp4"), source / "carphone.mp4")
    folder = opened(source, size=64, fps=25.0, resample="nearest")
    starts = [shot.start for shot in folder.shots if shot.source == "bikes.mp4"]
    assert starts[0] == 0 and np.abs(np.array(starts[1:]) - [30, 76, 137, 187, 242]).max() <= 1
    assert [shot.frames for shot in folder.shots if shot.source == "carphone.mp4"] == [100]  # one take
    assert (
        len(opened(source, size=64, fps=25.0, min_seconds=1.0, resample="nearest").shots) == 6
    )  # the last take has 8 frames


def test_cuts_are_looked_for_where_that_is_wanted(source):
    encode(source / "a.mp4", grey([60] * 20 + [190] * 20, 48, 64))
    assert [shot.frames for shot in opened(source).shots] == [20, 20]
    assert [shot.frames for shot in opened(source, scene_cuts=False).shots] == [40]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def opened(source, **settings):
    return open_folder(source, FolderConfig(cache=str(source.parent / "cache"), **settings))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_cut_is_where_the_picture_is_another(channels):
    grain = np.random.default_rng(0).integers(0, 9, (40, 48, 64, 1), dtype=np.uint8)
    film = np.repeat(grain + np.repeat([60, 190], 20).astype(np.uint8)[:, None, None, None], channels, axis=3)
    finder, still = CutFinder(24.0), CutFinder(24.0)
    for frame in film:
        finder.look(frame)
        still.look(film[0])
    assert finder.cuts() == [20] and still.cuts() == [] == CutFinder(24.0).cuts()

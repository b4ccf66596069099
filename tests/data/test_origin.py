import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from encodes import clock, encode, number_of
from PIL import Image

from framefall.data.folder import FolderConfig, open_folder
from framefall.data.media.decode import DecodeError
from framefall.data.origin import Plan, Settings, content_hash, walk


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def opened(source, **settings):
    return open_folder(source, FolderConfig(cache=str(source.parent / "cache"), **settings))


def test_looking_at_a_source_says_what_keeping_it_would_say(source: Path) -> None:
    path = encode(source / "a.mp4", clock(20))
    plan = Plan.of(path, Settings())
    said = walk(plan, None)
    assert said["shape"] == [20, 32, 48, 3] and said["starts"] == [0] and said["sources"] == [*range(20)]
    frames = [frame.pixels for frame, _ in plan.frames()]
    assert plan.nbytes == sum(frame.nbytes for frame in frames) and len(set(said["checksums"])) == 20
    assert all(np.array_equal(one, two.pixels) for one, (two, _) in zip(frames, plan.frames(), strict=True))
    with pytest.raises(DecodeError, match="it is not there"):
        Plan.of(source / "b.mp4", Settings())


def test_a_jump_in_time_ends_a_shot(source):
    stamps = [*range(0, 40, 4), *range(140, 180, 4)]  # a second is missing
    encode(source / "a.mkv", clock(20), 25, stamps=stamps, base=Fraction(1, 100))
    folder = opened(source, scene_cuts=False)
    assert len(folder.shots) == 2
    numbers = [number_of(f) for s in folder.shots for f in folder.read(s, range(s.frames)).transpose(1, 2, 3, 0)]
    assert numbers == sorted(set(numbers))


def test_a_folder_of_frames_is_hashed_in_order_with_its_rate(source):
    for index, image in enumerate(clock(3)):
        Image.fromarray(image).save(source / f"{index}.png")
    hashes = {content_hash(source)}
    (source / "fps.txt").write_text("12")
    hashes.add(content_hash(source))
    os.rename(source / "0.png", source / "9.png")
    hashes.add(content_hash(source))
    assert len(hashes) == 3

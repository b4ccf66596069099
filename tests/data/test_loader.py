from collections import Counter
from itertools import islice

import numpy as np
import pytest
from encodes import clock, encode, number_of, textured
from PIL import Image

from examples import examples
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.loader import batches, streams, validation
from framefall.data.window import Window, usable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("loader")
    (root / "source").mkdir()
    for index, count in enumerate((8, 20, 33, 9, 12, 3)):
        encode(root / "source" / f"clip{index}.mp4", clock(count, 32, 48 + 2 * index))
    (root / "source" / "clip1.json").write_text(str({"numbers": [[float(i)] for i in range(20)]}).replace("'", '"'))
    for index in range(5):
        Image.fromarray(textured(1, seed=index)[0]).save(root / "source" / f"photo{index}.png")
    return open_folder(root / "source", FolderConfig(cache=str(root / "cache"), scene_cuts=False))


WINDOW = Window(frames=4, strides=(2, 1), height=16, width=16, image_share=0.25)


def take(folder, window=WINDOW, steps=6, **settings):
    return list(islice(batches(folder, window, **{"batch": 4, "seed": 1, **settings}), steps))


def shot_of(clip):
    return clip.key.rpartition("+")[0]


def same(clip, other):
    return (clip.key, clip.fps) == (other.key, other.fps) and np.array_equal(clip.pixels, other.pixels)


def equal(one, other):
    return len(one) == len(other) and all(
        len(a) == len(b) and all(map(same, a, b)) for a, b in zip(one, other, strict=True)
    )


def test_a_clip_is_what_the_window_says(folder):
    for clips in take(folder, steps=8):
        kinds = {clip.frames for clip in clips}
        assert kinds in ({4}, {1})
        for clip in clips:
            assert clip.pixels.shape == (3, clip.frames, 16, 16) and clip.pixels.dtype == np.uint8
            assert clip.pixels.flags.c_contiguous
            if clip.frames == 4:
                numbers = [number_of(frame) for frame in clip.pixels.transpose(1, 2, 3, 0)]
                (stride,) = set(np.diff(numbers).tolist())
                assert stride in (1, 2) and clip.fps == 24 / stride
                if shot_of(clip) == "clip1.mp4#0":
                    assert clip.numbers[:, 0].tolist() == numbers
                else:
                    assert clip.numbers is None


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("workers", [0, 2])
def test_order_does_not_depend_on_ranks_or_workers(folder, world_size, workers):
    whole = take(folder)
    parts = [take(folder, rank=rank, world_size=world_size, workers=workers) for rank in range(world_size)]
    merged = [
        [parts[place % world_size][step][place // world_size] for place in range(4)] for step in range(len(whole))
    ]
    assert equal(merged, whole)


def test_any_number_of_ranks_and_workers_reads_one_order_from_anywhere(folder):
    draw = np.random.default_rng(0)
    for _ in range(examples(4, 100)):
        world_size, each, workers, start = (
            int(draw.integers(low, high)) for low, high in ((1, 9), (1, 4), (0, 4), (0, 30))
        )
        batch = world_size * each
        whole = take(folder, steps=3, batch=batch, start=start)
        parts = [
            take(folder, steps=3, batch=batch, start=start, rank=rank, world_size=world_size, workers=workers)
            for rank in range(world_size)
        ]
        assert equal(
            [[parts[at % world_size][step][at // world_size] for at in range(batch)] for step in range(3)], whole
        )
        # the control: ranks that do not know of each other read the same clips again and again
        if world_size > 1:
            alone = [take(folder, steps=3, batch=each, start=start)] * world_size
            merged = [[alone[at % world_size][step][at // world_size] for at in range(batch)] for step in range(3)]
            assert not equal(merged, whole)


@pytest.mark.parametrize("start", range(24))
def test_a_stream_resumed_anywhere_goes_on_as_if_never_stopped(folder, start):
    window = Window(frames=4, height=8, width=8, image_share=0.3)
    assert equal(take(folder, window, 2, start=start, workers=start % 3), take(folder, window, start + 2)[start:])


def test_another_seed_and_another_epoch_are_another_order(folder):
    videos, _ = streams(folder, WINDOW, 1)
    length = len(videos.entries)
    first, second = ([videos.clip(e * length + i) for i in range(length)] for e in (0, 1))
    assert [c.key for c in first] != [c.key for c in second]
    assert not equal(take(folder), take(folder, seed=2))


def test_each_sample_comes_once_an_epoch_and_long_shots_several_times(folder):
    window = Window(frames=4, height=8, width=8)
    videos, images = streams(folder, window, 3)
    expected = Counter({f"clip{i}.mp4#0": -(-n // 4) for i, n in enumerate((8, 20, 33, 9, 12))})
    for epoch in range(10):
        length = len(videos.entries)
        assert Counter(shot_of(videos.clip(epoch * length + i)) for i in range(length)) == expected
        assert Counter(shot_of(images.clip(epoch * 5 + i)) for i in range(5)) == {
            f"photo{i}.png#0": 1 for i in range(5)
        }


def test_every_frame_of_a_long_shot_is_seen(folder):
    videos, _ = streams(folder, Window(frames=4, height=8, width=8), 3)
    seen = set()
    for position in range(30 * len(videos.entries)):
        clip = videos.clip(position)
        if shot_of(clip) == "clip2.mp4#0":
            seen |= {number_of(frame) for frame in clip.pixels.transpose(1, 2, 3, 0)}
    assert seen == set(range(33))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0])
def test_images_have_their_share_of_the_steps(folder, share):
    window = Window(frames=4, height=8, width=8, image_share=share)
    kinds = [clips[0].frames == 1 for clips in take(folder, window, 40)]
    assert sum(kinds) == int(40 * share)
    assert np.cumsum(kinds).tolist() == [int((step + 1) * share) for step in range(40)]


def test_a_folder_of_images_gives_only_images(tmp_path):
    for index in range(3):
        Image.fromarray(textured(1, seed=index)[0]).save(tmp_path / f"view_{'abc'[index]}.png")
    images = open_folder(tmp_path, FolderConfig(cache=str(tmp_path / ".cache")))
    assert {clip.frames for clips in take(images, Window(frames=16, height=8, width=8)) for clip in clips} == {1}


def test_a_window_of_one_frame_takes_videos_and_images_alike(folder):
    keys = {clip.key for clips in take(folder, Window(frames=1, height=8, width=8), 60) for clip in clips}
    assert {key.partition("#")[0] for key in keys} >= {"clip5.mp4", "photo0.png"}


def test_half_of_the_clips_are_mirrored(tmp_path):
    ramp = np.repeat(np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, axis=0), 3, axis=2)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    images = open_folder(tmp_path, FolderConfig(cache=str(tmp_path / ".cache")))
    for flip, low, high in ((True, 60, 140), (False, 0, 0)):
        clips = [c for b in take(images, Window(frames=1, height=8, width=8, flip=flip), 50) for c in b]
        assert low <= sum(bool(clip.pixels[0, 0, 0, 0] > clip.pixels[0, 0, 0, -1]) for clip in clips) <= high


def test_what_cannot_be_cut_is_refused_in_a_sentence(folder):
    with pytest.raises(ValueError, match="40 frames needs a shot of at least 40 frames, the longest has 33"):
        batches(folder, Window(frames=40, height=8, width=8), batch=4, seed=0)
    with pytest.raises(ValueError, match=r"crops need shots of at least 512x512 pixels.*the largest is"):
        batches(folder, Window(frames=4, height=512, width=512, view="crop"), batch=4, seed=0)
    with pytest.raises(ValueError, match="multiple of the 4 ranks"):
        batches(folder, WINDOW, batch=6, seed=0, world_size=4)
    window = Window(frames=10, strides=(2, 1), height=8, width=8)
    assert {shot.source for shot in usable(folder.shots, window)} == {"clip1.mp4", "clip2.mp4", "clip4.mp4"}


def test_validation_clips_are_fixed_and_spread(folder):
    window = Window(frames=4, height=8, width=8)
    eight, sixteen = validation(folder, window, 8, 5), validation(folder, window, 16, 5)
    assert all(map(same, eight, sixteen)) and all(map(same, eight, validation(folder, window, 8, 5)))
    everything = validation(folder, window, 1000, 5)
    starts = sorted(number_of(c.pixels[:, 0].transpose(1, 2, 0)) for c in everything if shot_of(c) == "clip2.mp4#0")
    assert len(starts) == 9 and np.ptp(np.diff(starts)) <= 1  # even distances, each part once


def test_a_window_of_a_rate_takes_the_nearest_stride_that_fits(folder):
    for fps, rates in ((24.0, {24.0}), (12.0, {12.0}), (6.0, {6.0, 8.0, 12.0})):
        window = Window(frames=4, fps=fps, height=8, width=8)
        found = {shot_of(c): c.fps for clips in take(folder, window, 20) for c in clips}
        assert set(found.values()) <= rates and found["clip2.mp4#0"] == fps
        assert set(found) == {f"clip{i}.mp4#0" for i in range(5)}


def test_abandoned_workers_end(folder):
    import threading

    before = threading.active_count()
    stream = batches(folder, WINDOW, batch=4, seed=0, workers=3)
    next(stream)
    stream.close()
    assert threading.active_count() == before

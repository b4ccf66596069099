from collections import Counter
from itertools import islice

import numpy as np
import pytest
from encodes import clock, encode, textured
from PIL import Image

from framefall.data.buckets import ASPECTS, Bucket, fitting, ladder, turn
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.loader import Buckets, batches, streams, validation
from framefall.data.window import Window

SQUARE, LONG = Bucket(frames=4, height=16, width=16), Bucket(frames=8, height=16, width=16)
WIDE, TALL = Bucket(frames=4, height=8, width=16), Bucket(frames=4, height=16, width=8)
WINDOW = Window(frames=4, height=16, width=16, image_share=0.25, buckets=(SQUARE, LONG, WIDE, TALL))
SHOTS = {"square": (20, 32, 32), "wide": (33, 24, 48), "tall": (9, 48, 24), "short": (5, 32, 32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("buckets")
    (root / "source").mkdir()
    for name, (frames, height, width) in SHOTS.items():
        encode(root / "source" / f"{name}.mp4", clock(frames, height, width))
    for name, (height, width) in {"photo": (32, 32), "panorama": (24, 48)}.items():
        Image.fromarray(textured(1, height, width)[0]).save(root / "source" / f"{name}.png")
    return open_folder(root / "source", FolderConfig(cache=str(root / "cache"), scene_cuts=False, size=24))


def take(folder, window=WINDOW, steps=12, **settings):
    return list(islice(batches(folder, window, **{"batch": 4, "seed": 1, **settings}), steps))


def equal(one, other):
    assert len(one) == len(other)
    return all(
        (a.key, a.fps) == (b.key, b.fps) and np.array_equal(a.pixels, b.pixels)
        for clips, others in zip(one, other, strict=True)
        for a, b in zip(clips, others, strict=True)
    )


def source_of(clip):
    return clip.key.partition(".")[0]


# which bucket


@pytest.mark.parametrize(("height", "width", "expected"), [
    (100, 100, [SQUARE, LONG]), (1080, 1920, [WIDE]),
    (100, 300, [WIDE]), (640, 360, [TALL]), (480, 540, [SQUARE, LONG]),
])  # fmt: skip
def test_a_picture_goes_where_its_aspect_ratio_is_nearest(height, width, expected):
    assert fitting((SQUARE, LONG, WIDE, TALL), height, width) == expected


@pytest.mark.parametrize("shape", [(16, 64, 64), (16, 72, 128), (61, 256, 256), (1, 64, 64)])
def test_a_ladder_holds_the_aspect_ratios_at_about_equal_cost(shape):
    found = ladder(*shape)
    assert found[0] == Bucket(frames=shape[0], height=shape[1], width=shape[2]) and len(set(found)) == len(found)
    for bucket in found[1:]:
        assert bucket.frames * bucket.height * bucket.width == pytest.approx(np.prod(shape), rel=0.15)
        assert bucket.height % 8 == bucket.width % 8 == 0
    for aspect in ASPECTS:
        height = 720 if aspect >= 1 else 1280
        lengths = {bucket.frames for bucket in fitting(found, height, round(height * aspect))}
        assert lengths == {bucket.frames for bucket in found}  # every length is there in every aspect ratio


@pytest.mark.parametrize("bad", [{"frames": 0}, {"height": 0}, {"width": -8}])
def test_a_bucket_without_pixels_is_refused(bad):
    with pytest.raises(ValueError, match="must be at least 1"):
        Bucket(**{"frames": 4, "height": 8, "width": 8, **bad})


def test_buckets_take_turns_as_their_entries_do():
    counts, seen = (5, 1, 14), Counter()
    for number in range(60):
        which, own = turn(counts, 3, number)
        assert own == seen[which]  # each goes on where it was
        seen[which] += 1
        if number % 20 == 19:  # after each cycle the shares are exact
            assert [seen[which] for which in range(3)] == [count * (number + 1) // 20 for count in counts]
    first, second = ([turn(counts, seed, number)[0] for number in range(20)] for seed in (3, 4))
    assert first != second
    assert first != [turn(counts, 3, number)[0] for number in range(20, 40)]


# batches


def test_every_batch_is_of_one_bucket_and_every_shot_in_its_own(folder):
    shapes: dict[str, set] = {}
    for clips in take(folder, steps=80):
        assert len({clip.pixels.shape for clip in clips}) == 1
        for clip in clips:
            shapes.setdefault(source_of(clip), set()).add(clip.pixels.shape[1:])
    assert shapes == {
        "square": {(4, 16, 16), (8, 16, 16)},
        "short": {(4, 16, 16)},  # too short for the long one
        "wide": {(4, 8, 16)},
        "tall": {(4, 16, 8)},
        "photo": {(1, 16, 16)},
        "panorama": {(1, 8, 16)},
    }


def test_what_is_too_short_for_the_window_fills_a_shorter_bucket(folder):
    window = Window(frames=12, height=16, width=16, flip=False)
    with_short = Window(
        frames=12, height=16, width=16, flip=False, buckets=(Bucket(frames=12, height=16, width=16), SQUARE)
    )
    without, some = ({source_of(c) for b in take(folder, one, 40) for c in b} for one in (window, with_short))
    assert some - without == {"short", "tall"}


@pytest.mark.parametrize("start", range(0, 40, 3))
def test_a_stream_resumed_anywhere_goes_on_as_if_never_stopped(folder, start):
    assert equal(take(folder, steps=2, start=start, workers=start % 2), take(folder, steps=start + 2)[start:])


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("workers", [0, 2])
def test_order_does_not_depend_on_ranks_or_workers(folder, world_size, workers):
    whole = take(folder)
    parts = [take(folder, rank=rank, world_size=world_size, workers=workers) for rank in range(world_size)]
    merged = [[parts[at % world_size][step][at // world_size] for at in range(4)] for step in range(len(whole))]
    assert equal(merged, whole)
    assert not all(
        a.key == b.key for x, y in zip(take(folder, seed=2), whole, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_every_entry_comes_equally_often(folder):
    videos, _ = streams(folder, WINDOW, 1)
    assert isinstance(videos, Buckets)
    entries = sum(len(stream.entries) for stream in videos.streams)
    window = Window(frames=4, height=16, width=16, buckets=WINDOW.buckets)
    seen = Counter((source_of(c), c.frames) for clips in take(folder, window, 3 * entries, batch=2) for c in clips)
    expected = Counter()
    for stream in videos.streams:
        for shot, *_ in stream.entries:
            expected[shot.source.partition(".")[0], stream.frames] += 3 * 2
    assert seen == expected


def test_without_buckets_nothing_changes(folder):
    plain = Window(frames=4, height=16, width=16, image_share=0.25)
    alone = Window(frames=4, height=16, width=16, image_share=0.25, buckets=(SQUARE,))
    videos, images = streams(folder, plain, 1)
    assert not isinstance(videos, Buckets) and not isinstance(images, Buckets)
    assert equal(take(folder, plain), take(folder, alone))  # one bucket of the window's own shape is the window
    assert not all(
        a.pixels.shape == b.pixels.shape
        for x, y in zip(take(folder), take(folder, plain), strict=True)
        for a, b in zip(x, y, strict=True)
    )


def test_no_shot_is_blown_up_while_a_bucket_has_no_more_pixels_than_it(folder):
    large = Bucket(frames=4, height=32, width=32)  # the cached short side is 24
    for buckets, expected in (((LONG, large), {8}), ((large,), {4})):
        videos, _ = streams(folder, Window(frames=4, height=16, width=16, buckets=buckets), 1)
        held = {(stream.frames, shot.source) for stream in videos.streams for shot, *_ in stream.entries}
        assert {frames for frames, source in held if source == "square.mp4"} == expected


def test_validation_clips_are_of_the_window_s_own_shape(folder):
    plain = Window(frames=4, height=16, width=16)
    with_buckets = Window(frames=4, height=16, width=16, buckets=WINDOW.buckets)
    assert equal([validation(folder, with_buckets, 5, 0)], [validation(folder, plain, 5, 0)])


def test_validation_clips_are_of_the_fullest_bucket_where_no_shot_fills_the_window(folder):
    plain = Window(frames=99, height=16, width=16)
    with_buckets = Window(frames=99, height=16, width=16, buckets=(WIDE, TALL))
    found = validation(folder, with_buckets, 50, 0)
    assert {clip.pixels.shape[1:] for clip in found} == {(4, 8, 16)}  # the wide video and the square ones, not the tall
    assert equal([validation(folder, with_buckets, 3, 0)], [found[:3]])
    with pytest.raises(ValueError, match="a window of 99 frames needs a shot of at least 99 frames"):
        validation(folder, plain, 5, 0)


def test_a_folder_that_fills_no_bucket_is_refused(folder):
    window = Window(frames=4, height=16, width=16, buckets=(Bucket(frames=99, height=16, width=16),))
    with pytest.raises(
        ValueError, match="a window of 99 frames needs a shot of at least 99 frames, the longest has 33"
    ):
        batches(folder, window, batch=4, seed=0)

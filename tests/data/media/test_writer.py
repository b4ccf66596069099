import dataclasses
import itertools
import json
import signal
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from encodes import clock, number_of, sample
from PIL import Image

from examples import examples
from framefall.data.media.decode import decode, probe
from framefall.data.media.writer import EVEN, MP4, RATES, WRITERS, VideoWriter, video_output, write


@pytest.fixture(scope="module")
def film():
    """Real frames: uint8 [10, 64, 86, 3]."""
    frames = decode(sample("carphone_pristine.mp4"), short_side=64)
    return np.stack([frame.pixels for _, frame in zip(range(10), frames, strict=False)])


def windows(video, size=7):
    return (video[start : start + size] for start in range(0, len(video), size))


def read(path, channels=3):
    if path.suffix == ".npy":
        return np.load(path)
    return np.stack([frame.pixels for frame in decode(path, channels=channels)])


def psnr(one, other):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((one.astype(float) - other) ** 2)))


# 4:2:0 colour costs the lossy ones their last decibels; a GIF has 256 colours a frame
LOWEST = {".mp4": 34, ".webm": 34, ".mkv": 90, ".gif": 28, ".npy": 90, "": 90}


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_comes_back(tmp_path, film, suffix):
    path = tmp_path / f"out{suffix}"
    assert write(path, windows(film), 23.0) == 10
    back = read(path)
    assert back.shape == film.shape and psnr(back, film) > LOWEST[suffix]
    assert psnr(back[1:], film[:-1]) < psnr(back, film) - 3  # frames in another order are seen
    if suffix != ".npy":
        assert probe(path).fps == pytest.approx(
            23, rel=0.03 if suffix == ".gif" else 1e-3
        )  # GIF: hundredths of a second
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no partial name is left


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("size", [(31, 45), (16, 16), (5, 1), *examples([], [(32, 45), (2, 2), (1, 1)])])
def test_any_size_can_be_written_and_is_one_pixel_off_at_most(tmp_path, suffix, size):
    video = np.stack(clock(5, *size, step=20))
    with VideoWriter(tmp_path / f"a{suffix}", 24.0) as writer:
        writer.add(video)
    back = read(tmp_path / f"a{suffix}")
    expected = tuple(side + side % 2 for side in size) if suffix in EVEN else size
    assert back.shape[1:3] == writer.size == expected and bool(writer.note) == (expected != size)
    assert [number_of(frame, 20) for frame in back[:, : size[0], : size[1]]] == list(range(5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(33, 45), (32, 44)])
def test_an_mp4_is_of_the_kind_that_every_player_reads(tmp_path, size, channels):
    video = np.stack(clock(5, *size, step=20))[..., :channels]
    with VideoWriter(tmp_path / "a.mp4", 30000 / 1001) as writer:
        writer.add(video)
    assert ("45x33" in writer.note and "46x34" in writer.note) == (size == (33, 45))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.pix_fmt, context.profile) == ("yuv420p", "High") and stream.average_rate.denominator == 1001
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
    kinds = (tmp_path / "a.mp4").read_bytes()
    assert kinds.index(b"moov") < kinds.index(b"mdat")  # it begins to play before all of it has come
    back = read(tmp_path / "a.mp4", channels)[:, : size[0], : size[1]]
    assert np.abs(back.astype(int) - video).mean() < 2


def test_python_is_warned_of_another_size_too(tmp_path):
    with pytest.warns(UserWarning, match="a.mp4 is 46x34 instead of 45x33"):
        write(tmp_path / "a.mp4", [np.stack(clock(2, 33, 45))], 24.0)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_fine_colours_come_back_where_they_were(tmp_path, suffix):
    y, x, c = np.ogrid[:48, :64, :3]
    video = np.repeat((127 + 100 * np.sin(0.5 * x + 0.3 * y + c)).astype(np.uint8)[None], 3, 0)
    write(tmp_path / f"a{suffix}", [video], 24.0)
    assert psnr(read(tmp_path / f"a{suffix}"), video) > 33  # said to be at H.264's usual place they give 26


@pytest.mark.parametrize(("suffix", "rate"), [(".gif", 60.0), (".mp4", 2000.0), (".webm", 0.001)])
def test_a_rate_that_a_file_cannot_tell_is_refused_before_anything_is_made(tmp_path, suffix, rate):
    with pytest.raises(ValueError, match=rf"{suffix} shows 0.01 to {RATES[suffix][1]:g} frames a second, got {rate:g}"):
        VideoWriter(tmp_path / f"a{suffix}", rate)
    write(tmp_path / "a.npy", [np.zeros((2, 8, 8, 3), np.uint8)], rate)


@pytest.mark.parametrize("suffix", RATES)
@pytest.mark.parametrize("rate", [0.5, 29.97, 48.0])
def test_rates_come_back(tmp_path, suffix, rate):
    write(tmp_path / f"a{suffix}", [np.stack(clock(30, 16, 16))], rate)
    assert probe(tmp_path / f"a{suffix}").fps == pytest.approx(rate, rel=0.05 if suffix == ".gif" else 2e-3)


@pytest.mark.parametrize("size", examples([(48, 64)], [(48, 64), (32, 32), (64, 96)]))
def test_the_same_frames_are_the_same_mp4_wherever_memory_lies(tmp_path, size):
    y, x, f = np.ogrid[: size[0], : size[1], :48]
    video = np.stack(
        [60 + 40 * (x // 8 % 2) + 0 * y + 0 * f, 60 + 40 * (y // 8 % 2) + 0 * x + 0 * f, 90 + 0 * (x + y + f)], -1
    )
    square = (abs(x - f % (size[1] - 8) - 4) < 5) & (abs(y - size[0] // 2) < 5)
    video = np.where(square[..., None], (220, 80, 40), video).astype(np.uint8).transpose(2, 0, 1, 3)

    def files(encoder, count):
        found, junk = set(), []
        for index in range(count):
            junk = [*junk[-4:], bytearray(1_000_003 * (index % 3) + 10_007 * index)]
            sink = encoder(video_output(tmp_path / "a.mp4"), Fraction(24), {})
            next(sink)
            with pytest.raises(StopIteration):
                for frame in itertools.chain(video, [None]):
                    sink.send(frame)
            found.add((tmp_path / "a.mp4").read_bytes())
            if len(found) > 1:
                break
        return found

    assert len(files(MP4.open, 12)) == 1
    if size == (48, 64):  # the control: the encoder's macroblock tree, which is on by default
        naive = dataclasses.replace(MP4, options={**MP4.options, "mbtree": "1"})
        if len(files(naive.open, examples(12, 40))) == 1:
            pytest.skip("this machine's encoder does not look where memory lies")


@pytest.mark.parametrize("suffix", WRITERS)
def test_one_channel_is_written_as_grey(tmp_path, film, suffix):
    grey = film[..., 1:2]
    write(tmp_path / f"a{suffix}", windows(grey), 24.0)
    assert psnr(read(tmp_path / f"a{suffix}", channels=1), grey) > LOWEST[suffix]


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_same_frames_are_the_same_bytes(tmp_path, film, suffix):
    for name, size in (("one", 7), ("two", 10)):
        write(tmp_path / name / f"a{suffix}", windows(film, size), 24.0, {"comment": "seed 7"})
    for file in sorted(p for p in (tmp_path / "one").rglob("*") if p.is_file()):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("suffix", WRITERS)
def test_an_exception_on_the_way_leaves_nothing(tmp_path, film, suffix):
    def broken():
        yield film[:5]
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        write(tmp_path / f"a{suffix}", broken(), 24.0)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / f"a{suffix}", [film], 24.0)
    with pytest.raises(RuntimeError):
        write(tmp_path / f"a{suffix}", broken(), 24.0)
    assert len(read(tmp_path / f"a{suffix}")) == 10  # the older file stands


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_video_is_published_when_its_block_ends_well_and_not_before(tmp_path, film, suffix):
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, 24.0) as writer:
        for window in windows(film):
            writer.add(window)
            assert not path.exists()
    assert writer.frames == 10 and [p.name for p in tmp_path.iterdir()] == [path.name]
    write(tmp_path / f"b{suffix}", windows(film), 24.0)  # the same in one call
    assert np.array_equal(read(path), read(tmp_path / f"b{suffix}"))


@pytest.mark.parametrize("error", [RuntimeError, GeneratorExit])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_block_that_is_left_by_an_exception_leaves_nothing(tmp_path, film, suffix, error):
    with pytest.raises(error), VideoWriter(tmp_path / f"a{suffix}", 24.0) as writer:
        for _ in range(5):  # encoders look some frames ahead before they write any
            writer.add(film)
        assert [p for p in tmp_path.iterdir() if ".partial-" in p.name]  # it was under way
        raise error
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(error), VideoWriter(tmp_path / f"a{suffix}", 24.0):
        raise error  # before any frame
    assert list(tmp_path.iterdir()) == []


def test_a_writer_refuses_at_once_and_a_refused_window_leaves_nothing(tmp_path, film):
    for path, fps, sentence in (
        ("a.mpeg", 24.0, "must end in one of"),
        ("a.mp4", 0.0, "fps must be above 0 and finite"),
    ):
        with pytest.raises(ValueError, match=sentence):
            VideoWriter(tmp_path / path, fps)
    for fps in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"fps must be .*, got {fps}"):
            VideoWriter(tmp_path / "a.mp4", fps)
    with pytest.raises(ValueError, match="one frame size"), VideoWriter(tmp_path / "a.mkv", 24.0) as writer:
        writer.add(film)
        writer.add(film[:, :32])
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_nothing_under_the_final_name(tmp_path, film):
    code = """
import sys, time, numpy as np
from framefall.data.media.writer import video_output, write
def slow():
    for index in range(100):
        print(index, flush=True)
        yield np.full((2, 32, 32, 3), index, np.uint8)
        time.sleep(0.01)
write(sys.argv[1], slow(), 24.0)
"""
    for stop in (1, 10, 30):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "a.mp4")], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= stop:
                child.send_signal(signal.SIGKILL)
                break
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL
        assert not (tmp_path / "a.mp4").exists()
    with open(tmp_path / "naive.mp4", "wb") as naive:  # control: a file under its own name is there, and broken
        naive.write(b"\x00\x00\x00\x18ftypisom")
    with pytest.raises(ValueError, match="cannot be read"):
        list(decode(tmp_path / "naive.mp4"))


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv"])
def test_metadata_is_read_back_from_the_container(tmp_path, film, suffix):
    tags = {"comment": "made by Framefall, AI-generated", "prompt": "a ball; 'quoted' = ü", "framefall_seed": "7"}
    write(tmp_path / f"a{suffix}", [film], 24.0, tags)
    with av.open(str(tmp_path / f"a{suffix}")) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert {key: found.get(key) for key in tags} == tags


def test_metadata_of_a_gif_and_of_a_folder(tmp_path, film):
    tags = {"prompt": "x" * 600, "seed": "7"}
    write(tmp_path / "a.gif", [film], 24.0, tags)
    write(tmp_path / "frames", [film], 24.0, tags)
    with Image.open(tmp_path / "a.gif") as image:
        for frame in range(10):
            image.seek(frame)
    assert json.dumps(tags).encode()[:200] in (tmp_path / "a.gif").read_bytes()
    assert json.loads((tmp_path / "frames" / "metadata.json").read_text()) == tags
    assert len(read(tmp_path / "a.gif")) == len(read(tmp_path / "frames")) == 10


def test_colours_are_tagged_and_right_in_another_reader(tmp_path):
    patch = np.zeros((2, 32, 48, 3), np.uint8)
    patch[..., :16, :], patch[..., 16:32, :], patch[..., 32:, :] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    write(tmp_path / "a.mp4", [patch], 24.0)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        luma = next(container.decode(video=0)).to_ndarray()[16, 8]
    assert luma == pytest.approx(16 + 219 * (0.2126 * 200 + 0.7152 * 40 + 0.0722 * 40) / 255, abs=2)  # BT.709, limited
    assert np.abs(read(tmp_path / "a.mp4")[0, 16, 8::16].astype(int) - patch[0, 16, 8::16]).max() <= 4


def test_frames_reach_the_encoder_as_they_come(tmp_path):
    sizes = []

    def growing():
        for seed in range(40):
            sizes.append(sum(p.stat().st_size for p in tmp_path.iterdir()))
            yield np.random.default_rng(seed).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)

    write(tmp_path / "a.npy", growing(), 24.0)
    assert sizes[20] > 15 * 4 * 64 * 64 * 3
    sizes.clear()
    write(tmp_path / "a.mkv", growing(), 24.0)
    assert sizes[-1] > sizes[10] > 0


def test_what_cannot_be_written_is_refused_in_a_sentence(tmp_path, film):
    with pytest.raises(ValueError, match=r"must end in one of .mp4, .webm, .mkv, .gif, .npy, no suffix"):
        write(tmp_path / "a.mpeg", [film], 24.0)
    with pytest.raises(ValueError, match="holds 1 or 3 channels, got 4"):
        write(tmp_path / "a.mp4", [np.zeros((2, 8, 8, 4), np.uint8)], 24.0)
    with pytest.raises(ValueError, match="at least one frame"):
        write(tmp_path / "a.mp4", [], 24.0)
    with pytest.raises(ValueError, match="must be uint8"):
        write(tmp_path / "a.mp4", [film.astype(np.float32)], 24.0)
    with pytest.raises(ValueError, match="one frame size"):
        write(tmp_path / "a.mp4", [film, film[:, :32]], 24.0)
    assert list(tmp_path.iterdir()) == []
    assert write(tmp_path / "a.npy", [np.zeros((2, 8, 8, 5), np.uint8)], 24.0) == 2

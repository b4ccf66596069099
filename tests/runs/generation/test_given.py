"""Files and arrays brought onto a cascade's frames, and clips made from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.data.media import decode as decoder
from framefall.data.media.writer import write
from framefall.progress import Note
from framefall.runs.generation.generate import generate
from framefall.runs.generation.given import Given, knowing

UNTOLD = "toy cannot be told what is known: it is kept (replacement), and what is made may not fit to it"


def drifting(frames: int, height: int = 32, width: int = 32) -> np.ndarray:
    """A bright square that moves a pixel a frame."""
    pixels = np.full((frames, height, width, 3), 40, np.uint8)
    for frame in range(frames):
        pixels[frame, 4:12, frame : frame + 8] = (200, 120, 30)
    return pixels


def brought(cascade: Cascade, given: Given, **asked: Any) -> tuple[Request, list[str]]:
    """The request, and what was said."""
    run, said = knowing(Request(**asked), given, cascade), []
    while True:
        try:
            event = next(run)
        except StopIteration as end:
            return end.value, said
        assert isinstance(event, Note)
        said.append(event.text)


@pytest.mark.parametrize("extend", [None, "before", "after", "both"])
def test_a_video_of_the_models_size_and_rate_stays_to_the_bit(cascade: Cascade, tmp_path: Path, extend: Any) -> None:
    video = drifting(6)
    generate(Request(frames=20), tmp_path / "a.npy", cascade, given=Given(video=video, extend=extend))
    made = np.load(tmp_path / "a.npy")
    start = next(at for at in range(len(made) - 5) if np.array_equal(made[at : at + 6], video))
    assert start == {None: 0, "after": 0, "before": 14, "both": 6}[extend] and len(made) == 20
    control = generate(Request(frames=20), tmp_path / "b.npy", cascade) and np.load(tmp_path / "b.npy")
    assert not any(np.array_equal(control[at : at + 6], video) for at in range(15))


def test_two_videos_images_a_mask_and_a_loop_stay_where_they_belong(cascade: Cascade, tmp_path: Path) -> None:
    video, out = drifting(5), tmp_path / "a.npy"
    generate(Request(), out, cascade, given=Given(video=video, end=video[::-1]))
    assert np.array_equal(np.load(out)[:5], video) and np.array_equal(np.load(out)[-5:], video[::-1])
    generate(Request(), tmp_path / "b.npy", cascade, given=Given(images=((video[:1], 0.0), (video[4:], 0.5))))
    assert np.array_equal(np.load(tmp_path / "b.npy")[[0, 6]], video[[0, 4]])
    mask = np.zeros((1, 32, 32, 3), np.uint8)
    mask[:, 16:] = 255
    generate(Request(), tmp_path / "c.npy", cascade, given=Given(video=drifting(15), mask=mask))
    painted = np.load(tmp_path / "c.npy")
    assert np.array_equal(painted[:, :16], drifting(15)[:, :16]) and not np.array_equal(
        painted[:, 16:], drifting(15)[:, 16:]
    )
    generate(Request(loop=True), tmp_path / "d.npy", cascade, given=Given(video=video))
    looped = np.load(tmp_path / "d.npy")
    assert np.array_equal(looped[:5], video) and len(looped) % 2 == 0


def test_a_file_of_another_size_shape_and_rate_is_fitted_and_that_is_said(cascade: Cascade, tmp_path: Path) -> None:
    write(tmp_path / "wide.mkv", [drifting(10, 48, 80)], 30.0)
    request, said = brought(cascade, Given(video=tmp_path / "wide.mkv"))
    assert request.known[0].video.shape[-2:] == (32, 32) and request.known[0].fps == 12.0
    assert said == [
        UNTOLD,
        "wide.mkv is shown at 12 frames a second, not its 30",
        "wide.mkv, 80x48, is made 32x32 and cut to the model's shape",
    ]
    exact, nothing = brought(cascade, Given(video=drifting(4)))
    assert nothing == [UNTOLD] and exact.frames == 4 + 15
    _, said = brought(cascade, Given(images=((drifting(1), 0.42),)))
    assert said == [UNTOLD, "the image for 0.42 s is put at 0.50 s, where the base has a frame"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"end": "a.mp4"}, "end needs a video that it is about, got none; give one with --video"),
        ({"mask": "a.png"}, "mask needs a video"),
        ({"extend": "after"}, "extend needs a video"),
        ({"video": "a.mp4", "extend": "after", "end": "b.mp4"}, "used in one way at a time, got end and extend"),
        ({"video": "a.mp4", "images": (("a.png", 0.0),)}, "give images or a video, not both"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        Given(**values)
    assert "\n" not in str(refused.value)


def test_what_is_no_picture_is_refused_before_anything_is_written(cascade: Cascade, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"nothing of the kind")
    for media in (tmp_path / "no.mp4", tmp_path / "absent.mp4", drifting(3)[..., :1]):
        with pytest.raises(ValueError, match=r"cannot be read|must be uint8"):
            generate(Request(), tmp_path / "out.npy", cascade, given=Given(video=media))
    assert not (tmp_path / "out.npy").exists()


def test_a_file_tells_nobody_where_somebodys_disk_has_what_was_given(tmp_path: Path) -> None:
    write(tmp_path / "start.mkv", [drifting(4)], 12.0)
    given = Given(video=tmp_path / "start.mkv", images=())
    record = given.record()
    assert record["video"]["file"] == "start.mkv" and str(tmp_path) not in str(record)
    assert Given.from_record(record, tmp_path).video == tmp_path / "start.mkv"
    with pytest.raises(ValueError, match=r"start\.mkv must be there as it was when it was given"):
        Given.from_record(record, tmp_path / "elsewhere")


def test_a_large_file_is_read_no_larger_than_it_is_used(cascade: Cascade, tmp_path: Path, monkeypatch: Any) -> None:
    write(tmp_path / "large.mkv", [drifting(4, 96, 128)], 12.0)
    asked = []
    decode = decoder.decode
    monkeypatch.setattr(decoder, "decode", lambda *one, **how: asked.append(how["short_side"]) or decode(*one, **how))
    request, said = brought(cascade, Given(video=tmp_path / "large.mkv"))
    assert asked == [32] and request.known[0].video.shape[-2:] == (32, 32)
    assert said[-1] == "large.mkv, 128x96, is made 32x32 and cut to the model's shape"

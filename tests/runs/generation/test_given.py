"""Files and arrays brought onto a cascade's frames, and clips made from them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from framefall.cascade.cascade import Cascade
from framefall.cascade.conditioning import structure_map
from framefall.cascade.known import placed
from framefall.cascade.request import Request
from framefall.cascade.tasks import Base
from framefall.data.media import decode as decoder
from framefall.data.media.writer import write
from framefall.data.structure import edges
from framefall.models.content import CONTENT_DIM
from framefall.models.registry import build
from framefall.progress import Note
from framefall.runs.generation.generate import generate
from framefall.runs.generation.given import Given, knowing
from framefall.video import from_pixels

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
        ({"structure_blur": 2}, "structure_kind and structure_blur are about a structure, got none"),
        ({"structure_kind": "mask"}, "structure_kind and structure_blur are about a structure, got none"),
        ({"structure": "a.mp4", "structure_blur": 8}, "structure_blur must be at most 7, got 8"),
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


@pytest.fixture(scope="module")
def told(cascade: Cascade) -> Cascade:
    """The toy with a base that is told edges and content; its weights are not zero."""
    base, *others = cascade.stages
    network = replace(base.config.backbone, structure_channels=2, content_dim=CONTENT_DIM)
    config = replace(base.config, task=Base(structure="edges"), backbone=network)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = build(network).eval()
        for parameter in backbone.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    stages = (replace(base, config=config, backbone=backbone), *others)
    about = replace(cascade.config, stages={stage.name: stage.config for stage in stages})
    return Cascade(config=about, stages=stages)


def test_a_structure_says_where_things_are_at_every_moment_of_the_base(told: Cascade) -> None:
    request, said = brought(told, Given(structure=drifting(15, 16, 16)))
    (piece,) = request.structure
    assert request.frames == 15 and piece.fps == 12.0 and not said and not request.known
    exact = structure_map(from_pixels(drifting(15, 16, 16).transpose(3, 0, 1, 2)[None]), "edges")
    assert torch.equal(piece.video[:, :, :15], exact) and bool((piece.weights == 1).all())
    base = placed(request.structure, range(8), 6.0, (16, 16), 1, torch.device("cpu"))
    assert base is not None and torch.equal(base.video, exact[:, :, ::2]) and bool((base.weights == 1).all())
    rough, _ = brought(told, Given(structure=drifting(15, 16, 16), structure_blur=3))
    assert rough.structure[0].weights.unique().tolist() == [0.625]
    assert float(rough.structure[0].video.std()) < 0.8 * float(piece.video.std())
    own = np.repeat((edges(drifting(15, 16, 16)) * 255).astype(np.uint8)[..., None], 3, axis=3)
    given, _ = brought(told, Given(structure=own, structure_kind="edges"))
    torch.testing.assert_close(given.structure[0].video, piece.video)
    longer, said = brought(told, Given(structure=drifting(10, 16, 16)), seconds=2.0)
    assert longer.seconds == 2.0 and said == ["the structure ends after 0.833333 s: what comes later is not told any"]


def test_structure_and_content_decide_what_is_made_and_the_same_makes_the_same(told: Cascade, tmp_path: Path) -> None:
    write(tmp_path / "where.mkv", [drifting(9, 16, 16)], 12.0)
    Image.fromarray(drifting(1)[0]).save(tmp_path / "what.png")

    def made(name: str, guidance: dict[str, float] | None = None, **given: Any) -> np.ndarray:
        generate(Request(guidance=guidance, frames=9), tmp_path / f"{name}.npy", told, given=Given(**given))
        return np.load(tmp_path / f"{name}.npy")

    both = {"structure": tmp_path / "where.mkv", "content": tmp_path / "what.png"}
    clips = [
        made("plain"),
        made("where", structure=both["structure"]),
        made("what", content=both["content"]),
        made("both", **both),
        made("strong", {"structure_scale": 2.0, "interval": (0.0, 1.0)}, **both),
        made("much", {"content_scale": 2.0, "interval": (0.0, 1.0)}, **both),
    ]
    assert all(not np.array_equal(one, other) for at, one in enumerate(clips) for other in clips[:at])
    assert np.array_equal(made("again", {"structure_scale": 1.0, "content_scale": 1.0}, **both), clips[3])
    record = Given(**both, structure_blur=2).record()
    assert str(tmp_path) not in str(record)
    assert Given.from_record(record, tmp_path).structure_blur == 2
    assert np.array_equal(made("back", **{n: getattr(Given.from_record(record, tmp_path), n) for n in both}), clips[3])


def test_a_long_clip_is_told_its_structure_window_by_window_whatever_the_number_of_clips(told: Cascade) -> None:
    request, _ = brought(told, Given(structure=drifting(22, 16, 16)), until="base")
    one = told.sample(replace(request, until="base"))
    assert one.shape[2] == 22
    untold = told.sample(replace(request, until="base", structure=()))
    differs = (one != untold).flatten(3).any(dim=3)[0].any(dim=0)
    assert bool(differs.all())
    two = told.sample(replace(request, until="base", count=2))
    torch.testing.assert_close(two[:1], one, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["structure", "content"])
def test_a_model_that_is_not_told_it_refuses_it_in_one_sentence(cascade: Cascade, name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=f"toy cannot be told {name}; take a model that was trained with it"
    ) as refused:
        generate(Request(), tmp_path / "a.npy", cascade, given=Given(**{name: drifting(4)}))
    assert "\n" not in str(refused.value) and not (tmp_path / "a.npy").exists()


def test_guidance_by_what_is_not_given_and_a_structure_of_another_kind_are_refused(told: Cascade) -> None:
    for name in ("structure", "content"):
        with pytest.raises(ValueError, match=f"{name}_scale needs a {name}; give one, or leave it out; got 2"):
            told.sample(Request(guidance={f"{name}_scale": 2.0}))
    with pytest.raises(ValueError, match="toy is told edges, and a structure of mask is given"):
        brought(told, Given(structure=drifting(4), structure_kind="mask"))

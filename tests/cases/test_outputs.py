"""What a user has under a name stays theirs, whichever command is told to write there."""

import json
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from cases.conftest import Case, refused
from framefall.data.media.writer import video_output

Run = Callable[..., object]


def snapshot(folder: Path) -> dict[str, object]:
    """All that is in a folder, by name: kind, inode, content."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        found[path.relative_to(folder).as_posix()] = (stat.S_IFMT(status.st_mode), status.st_ino, content)
    return found


@pytest.fixture
def make(framefall: Run, trained: Path) -> Run:
    """A short clip of the toy model's base."""

    def run(*options: object) -> object:
        return framefall("generate", "x", "--model", trained, "--until", "base", *options)

    return run


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """`kept(folder)`: at the end of the test, the folder is to the byte as it is now."""
    before: dict[Path, dict[str, object]] = {}

    def keep(folder: Path) -> None:
        before[folder] = snapshot(folder)

    yield keep
    for folder, found in before.items():
        assert snapshot(folder) == found


@pytest.mark.parametrize(
    ("name", "output", "options"),
    [
        ("output-is-users-frames", "holiday", ()),
        ("output-is-users-frames", "holiday", ("--overwrite",)),
        ("output-is-users-frames", ".", ("--overwrite",)),
        ("output-is-users-video", "holiday.mp4", ()),
        ("output-is-users-video", "holiday.mp4/new.mp4", ("--overwrite",)),
        ("output-is-a-fifo", "pipe.mp4", ()),
        ("output-is-a-fifo", "pipe.mp4", ("--overwrite",)),
        ("report-beside-users-files", "rabbit.mp4", ("--report",)),
        ("report-beside-users-files", "rabbit.png", ()),
        ("train-onto-users-frames", "frames", ()),
        ("train-onto-users-frames", "frames.mp4", ("--save-stages", "clips/a red square.mp4")),
    ],
)
def test_what_a_user_has_is_refused_before_any_work(
    case: Case, make: Run, kept: Callable[[Path], None], name: str, output: str, options: tuple[str, ...]
) -> None:
    folder = case(name)
    kept(folder)
    given = [folder / one if one.startswith("clips/") else one for one in options]
    said = make("-o", folder / output, *given)
    assert refused(said), said
    assert "framefall: " in said.err.splitlines()[0], "nothing is said before: no work was begun"


def test_the_flag_replaces_a_users_file_and_says_so(case: Case, make: Run) -> None:
    folder = case("output-is-users-video")
    said = make("-o", folder / "holiday.mp4")
    assert refused(said) and "--overwrite" in said.err and "overwrite=True" in said.err
    before = (folder / "holiday.mp4").read_bytes()
    said = make("-o", folder / "holiday.mp4", "--overwrite")
    assert said.code == 0, said.err
    assert (folder / "holiday.mp4").read_bytes() != before
    assert make("-o", folder / "holiday.mp4").code == 0  # ours by now


def test_a_command_can_be_given_twice_with_all_that_it_writes(make: Run, tmp_path: Path) -> None:
    for seed in (1, 2):
        said = make("-o", tmp_path / "a.gif", "--seed", seed, "--report", "--save-stages", tmp_path / "stages")
        assert said.code == 0, said.err
    (tmp_path / "stages" / "a-base.gif").write_bytes(b"mine")
    before = snapshot(tmp_path)
    said = make("-o", tmp_path / "a.gif", "--save-stages", tmp_path / "stages")
    assert refused(said) and "a-base.gif" in said.err and snapshot(tmp_path) == before


@pytest.mark.parametrize("output", ["a.gif", "frames", "stages/b.gif"])
def test_what_a_killed_command_left_goes_with_the_next(make: Run, tmp_path: Path, output: str) -> None:
    child = os.fork()
    if child == 0:
        with video_output(tmp_path / output).writing() as partial:
            partial.touch()
            os._exit(0)
    os.waitpid(child, 0)
    assert [one for one in tmp_path.rglob(".*")], "it was killed while it wrote"
    said = make("-o", tmp_path / "c.gif", *(("--save-stages", tmp_path / "stages") if "/" in output else ()))
    assert said.code == 0 and not list(tmp_path.rglob(".*")), said.err


@pytest.mark.parametrize("taken", ["a-001.gif", "a-001.json", "a-000.png"])
def test_every_one_of_several_clips_and_reports_is_looked_at_first(make: Run, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    before = snapshot(tmp_path)
    said = make("-o", tmp_path / "a.gif", "--count", 2, "--report")
    assert refused(said) and taken in said.err and snapshot(tmp_path) == before


def test_a_link_is_followed(case: Case, make: Run) -> None:
    folder = case("output-is-a-link")
    said = make("-o", folder / "new.mp4")
    assert said.code == 0, said.err
    assert (folder / "new.mp4").is_symlink() and (folder / "disk" / "new.mp4").is_file()
    assert not (folder / "disk" / "new.mp4").is_symlink()


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("way", ["itself", "spelled", "symlink", "hard link", "frames", "inside", "around"])
def test_a_source_is_never_replaced(
    case: Case, framefall: Run, trained: Path, way: str, options: tuple[str, ...], kept: Callable[[Path], None]
) -> None:
    folder = case("output-is-its-own-source")
    source = output = folder / "source.mp4"
    if way == "spelled":
        output = folder / ".." / folder.name / "source.mp4"
    elif way == "symlink":
        (output := folder / "link.mp4").symlink_to("source.mp4")
    elif way == "hard link":
        os.link(source, output := folder / "hard.mp4")
    elif way in ("frames", "inside", "around"):
        from framefall.data.media.decode import decode
        from framefall.data.media.writer import write

        source = folder / "frames"
        write(source, [frame.pixels[None] for frame in decode(folder / "source.mp4")], 12.0)
        output = {"frames": source, "inside": source / "new.mp4", "around": source}[way]
        source = source / "000001.png" if way == "around" else source
    kept(folder)
    said = framefall("upscale", source, "-o", output, "--space", 2, "--time", 1, "--model", trained, *options)
    assert refused(said), said


def test_a_source_of_generate_is_never_replaced(case: Case, make: Run, kept: Callable[[Path], None]) -> None:
    folder = case("report-beside-users-files")
    shutil.copy(folder / "rabbit.png", folder / "first.png")
    said = make("-o", folder / "made.mp4")
    assert said.code == 0, said.err
    (folder / "rabbit.json").unlink()
    kept(folder)
    for options in (
        ("--image", folder / "rabbit.png", "-o", folder / "rabbit.mp4", "--report", "--overwrite"),
        ("--image", folder / "first.png", "-o", folder / "first.png", "--overwrite"),
        ("--video", folder / "made.mp4", "-o", folder / "made.mp4", "--overwrite"),
        ("--like", folder / "made.mp4", "-o", folder / "made.mp4", "--overwrite"),
        ("--image", f"{folder / 'made.mp4'}@1", "-o", folder / "made.mp4", "--overwrite"),
    ):
        said = make(*options)
        assert refused(said) and "is never replaced" in said.err, (options, said)


def test_a_model_is_no_place_for_clips(make: Run, trained: Path, tmp_path: Path, framefall: Run) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    before = snapshot(model)
    for output in (model, model / "a.mp4"):
        assert refused(framefall("generate", "x", "--model", model, "--until", "base", "-o", output, "--overwrite"))
    assert snapshot(model) == before and framefall("verify", model).code == 0


def test_nothing_is_written_into_what_was_made_as_a_whole(
    make: Run, trained: Path, tmp_path: Path, framefall: Run
) -> None:
    """Neither a clip nor a model nor shards into a model or into frames: with a file more they check no longer."""
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    assert make("-o", tmp_path / "frames").code == 0
    before = snapshot(tmp_path)
    for folder in (model, tmp_path / "frames"):
        for said in (
            make("-o", folder / "a.gif", "--overwrite"),
            make("-o", folder / "deep" / "frames"),
            make("-o", tmp_path / "a.gif", "--save-stages", folder / "stages"),
            framefall("distill", model, "-o", folder / "fast", "--source", "fall", "--steps", 1),
            framefall("train", "fall", "-o", folder / "m", "--recipe", "micro", "--stage", "base", "--steps", 1),
            framefall("prepare", "fall:4", "-o", folder / "shards", "--recipe", "micro"),
            framefall("lesson", "-o", folder / "lesson"),
            framefall("evaluate", tmp_path / "frames", "--report", folder / "report"),
        ):
            assert refused(said) and "which Framefall made as a whole" in said.err, said
    assert snapshot(tmp_path) == before and framefall("verify", model).code == 0
    (model / "manifest.json").write_text("{}")  # a manifest of somebody else's: the folder is any folder
    assert make("-o", model / "a.gif").code == 0


@pytest.mark.parametrize("stages", ["frames", "frames/stages"])
def test_stages_are_no_part_of_the_frames_that_they_lead_to(make: Run, tmp_path: Path, stages: str) -> None:
    said = make("-o", tmp_path / "frames", "--save-stages", tmp_path / stages)
    assert refused(said) and "both are to be written" in said.err and not list(tmp_path.iterdir()), said


@pytest.mark.parametrize("name", [".mp4", ".GIF", ".png"])
def test_a_suffix_alone_is_no_name(make: Run, tmp_path: Path, name: str) -> None:
    said = make("-o", tmp_path / name)
    assert refused(said) and "more than its suffix" in said.err and not list(tmp_path.iterdir()), said


def test_a_device_and_a_socket_stay(make: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s.mp4"))
    (tmp_path / "d.mp4").symlink_to("/dev/null")
    for output in ("/dev/null", tmp_path / "d.mp4", tmp_path / "s.mp4"):
        said = make("-o", output, "--overwrite")
        assert refused(said), said
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and stat.S_ISSOCK((tmp_path / "s.mp4").stat().st_mode)


def test_a_picture_is_upscaled_to_a_picture(case: Case, framefall: Run, trained: Path) -> None:
    folder = case("one-png-upscaled")
    how = ("--space", 2, "--time", 1, "--model", trained)
    for _ in range(2):
        said = framefall("upscale", folder / "photo.png", "-o", folder / "big.png", *how)
        assert said.code == 0, said.err
        with Image.open(folder / "big.png") as image:
            assert image.size == (64, 48) and image.format == "PNG"
    said = framefall("upscale", folder / "big.png", "-o", folder / "big.png", *how)
    assert refused(said)


def test_a_video_is_no_picture(case: Case, framefall: Run, make: Run, trained: Path) -> None:
    folder = case("output-is-its-own-source")
    said = framefall(
        "upscale", folder / "source.mp4", "-o", folder / "big.png", "--space", 2, "--time", 1, "--model", trained
    )
    assert refused(said) and "is one picture, and the video has more frames" in said.err
    said = make("-o", folder / "big.png")
    assert refused(said) and "is one picture" in said.err and not (folder / "big.png").exists()


@pytest.mark.parametrize("output", ["frames", "clips/new", "clips", "link", "pipe", "frames/notes.txt"])
def test_training_onto_what_is_the_users_is_refused_before_the_first_step(
    case: Case, framefall: Run, output: str, kept: Callable[[Path], None]
) -> None:
    folder = case("train-onto-users-frames")
    (folder / "link").symlink_to("frames")
    os.mkfifo(folder / "pipe")
    kept(folder)
    model = folder / output
    said = framefall("train", folder / "clips", "-o", model, "--recipe", "micro", "--stage", "base", "--steps", 1)
    assert refused(said), said


def test_prepared_clips_lie_outside_of_their_source(case: Case, framefall: Run, kept: Callable[[Path], None]) -> None:
    folder = case("train-onto-users-frames")
    kept(folder)
    for output in (folder / "clips", folder / "clips" / "shards", folder / "frames", folder):
        said = framefall("prepare", folder / "clips", "-o", output, "--recipe", "micro", "--stage", "base")
        assert refused(said), said


def test_what_a_world_writes_is_looked_at_before_the_first_clip(framefall: Run, tmp_path: Path) -> None:
    world = ("worlds", "fall", "-o", tmp_path, "--count", 2, "--size", 16, "--frames", 3, "--masks")
    for _ in range(2):  # untouched, its own files are written anew
        said = framefall(*world)
        assert said.code == 0, said.err
    for taken in ("fall-train-000001.json", "fall-train-000001.npz", "fall-train-000001.mp4"):
        kept = (tmp_path / taken).read_bytes()
        (tmp_path / taken).write_bytes(b"mine")
        before = snapshot(tmp_path)
        said = framefall(*world)
        assert refused(said) and taken in said.err and snapshot(tmp_path) == before
        (tmp_path / taken).write_bytes(kept)


def test_a_scene_is_not_replaced_by_its_own_log(framefall: Run, tmp_path: Path) -> None:
    assert framefall("worlds", "fall", "-o", tmp_path / "w", "--size", 16, "--frames", 3).code == 0
    (log,) = (tmp_path / "w").glob("*.json")
    scene = json.loads(log.read_text())["log"]["scene"] | {"key": "mine"}
    (tmp_path / "mine.json").write_text(json.dumps(scene))
    before = (tmp_path / "mine.json").read_bytes()
    said = framefall("worlds", tmp_path / "mine.json", "-o", tmp_path, "--size", 16, "--frames", 3, "--overwrite")
    assert refused(said) and (tmp_path / "mine.json").read_bytes() == before


def test_the_scores_and_the_page_of_an_evaluation_replace_nothing(
    case: Case, framefall: Run, kept: Callable[[Path], None]
) -> None:
    folder = case("output-is-its-own-source")
    (folder / "scores.json").write_text("{}")
    kept(folder)
    said = framefall("evaluate", folder / "source.mp4", "--report", folder)
    assert refused(said) and "scores.json" in said.err
    said = framefall("evaluate", folder / "source.mp4", "--report", folder / "source.mp4", "--overwrite")
    assert refused(said)


def test_a_benchmarks_picture_replaces_nothing(case: Case, framefall: Run, kept: Callable[[Path], None]) -> None:
    folder = case("report-beside-users-files")
    kept(folder)
    said = framefall("bench", "attention", "--picture", folder / "rabbit.png")
    assert refused(said) and "rabbit.png" in said.err

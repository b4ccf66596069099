"""What is read is what the user has: the rows of the table of cases that a folder of clips is the input of.

The control of each is in the same test: the input with what makes it odd taken away, or the reader that was there
before, must give something else than what is right.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from cases.conftest import Case
from cases.drawing import clip, frames, pictures, write
from framefall.data.folder import Folder, FolderConfig, open_folder
from framefall.data.media import isolated, streams
from framefall.data.media import pictures as images
from framefall.progress import Note
from framefall.runs.sources import open_source


@pytest.fixture
def opened(case: Case, tmp_path: Path) -> Callable[[str], Folder]:
    """The clips of a case, as they are taken."""

    def run(name: str, **settings: float) -> Folder:
        there = tmp_path / name if (tmp_path / name).exists() else case(name)
        return open_folder(there / "clips", FolderConfig(cache=str(tmp_path / "cache"), **settings))  # type: ignore[arg-type]

    return run


Opened = Callable[..., Folder]


def shown(folder: Folder) -> list[tuple[int, int, int]]:
    """Frames, height and width of each shot."""
    return [(shot.frames, shot.height, shot.width) for shot in folder.shots]


def test_thumbnails_of_a_file_manager_are_no_part_of_a_video(opened: Opened, tmp_path: Path) -> None:
    assert shown(opened("frames-with-thumbs-db")) == [(24, 48, 64)]
    folder = tmp_path / "frames-with-thumbs-db" / "clips" / "a red square"
    for number in reversed(range(1, 25)):  # the control: pictures that are no sequence
        (folder / f"{number:04d}.png").rename(folder / f"{number * number:04d}.png")
    assert len(opened("frames-with-thumbs-db").shots) == 24


def test_masks_beside_frames_are_left_out_and_that_is_said(opened: Opened, tmp_path: Path) -> None:
    folder = opened("frames-with-masks-subfolder")
    (shot,) = folder.shots
    assert shown(folder) == [(24, 48, 64)] and folder.read(shot, [0])[:, 0, 20, 4].tolist() == [220, 80, 40]
    assert "a red square/masks: its 24 pictures are computed from those beside it" in str(folder.report)
    clips = tmp_path / "frames-with-masks-subfolder" / "clips"
    (clips / "a red square" / "masks").rename(clips / "a red square" / "white squares")  # the control
    assert len(opened("frames-with-masks-subfolder").shots) == 2


def test_a_gap_in_the_numbers_ends_a_shot_and_is_said(opened: Opened, tmp_path: Path) -> None:
    folder = opened("frames-with-a-gap")
    assert [shot.frames for shot in folder.shots] == [12, 14]
    assert "a gap (12 is followed by 31)" in str(folder.report)
    frames = tmp_path / "frames-with-a-gap" / "clips" / "a red square"
    for number in range(31, 45):  # the control: the same frames without a gap
        (frames / f"{number:04d}.png").rename(frames / f"{number - 18:04d}.png")
    assert [shot.frames for shot in opened("frames-with-a-gap", scene_cuts=False).shots] == [26]


def test_a_table_in_a_folder_of_clips_is_read(opened: Opened, tmp_path: Path) -> None:
    assert [shot.caption for shot in opened("captions-csv-in-subfolder").shots] == ["a lantern swings", "a kite rises"]
    (tmp_path / "captions-csv-in-subfolder" / "clips" / "day one" / "captions.csv").unlink()
    assert [shot.caption for shot in opened("captions-csv-in-subfolder").shots] == [None, None]


@pytest.mark.parametrize(
    "name",
    [
        "sidecar-json-text-key",
        "sidecar-json-prompt-key",
        "sidecar-txt-in-capitals",
        "sidecar-dot-caption",
        "sidecar-double-suffix",
    ],
)
def test_a_caption_is_read_in_every_customary_form(opened: Opened, tmp_path: Path, name: str) -> None:
    (shot,) = opened(name).shots
    assert shot.caption == "a lantern swings"
    (sidecar,) = (tmp_path / name / "clips").glob("0001.*[!4]")
    assert shot.where == sidecar.name
    sidecar.rename(sidecar.with_name("0002" + sidecar.name[4:]))  # the control: that of another clip
    assert opened(name).shots[0].caption is None


def test_columns_that_describe_the_files_are_no_numbers(opened: Opened, tmp_path: Path) -> None:
    folder = opened("table-with-width-and-height")
    assert [shot.numbers.tolist() for shot in folder.shots if shot.numbers is not None] == [[1.5], [2.5]]
    assert {shot.caption for shot in folder.shots} == {"a lantern swings"}
    assert "conditioning numbers are read from speed" in str(folder.report)
    assert "num_frames, height, width, fps describe the files" in str(folder.report)
    table = tmp_path / "table-with-width-and-height" / "clips" / "captions.csv"
    table.write_text(
        table.read_text().replace(",height,", ",lift,")
    )  # the control: a name that says nothing of the file
    assert opened("table-with-width-and-height").shots[0].numbers.tolist() == [48.0, 1.5]  # type: ignore[union-attr]


def test_a_gif_is_as_long_as_browsers_show_it(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    (shot,) = opened("gif-delay-10ms").shots
    assert shot.frames / shot.fps == pytest.approx(2.4, abs=0.3)
    monkeypatch.setattr(isolated, "AVAILABLE", False)  # decoded in this process, which can be made wrong
    monkeypatch.setattr(images, "TINY", 0.0)
    (shot,) = opened("gif-delay-10ms", size=32).shots  # another size, so that it is decoded again
    assert shot.frames / shot.fps < 0.5


def test_the_track_that_a_file_says_is_its_clip_is_taken(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = opened("mkv-preview-track-first")
    ((frames, height, width),) = shown(folder)
    assert frames >= 40 and (height, width) == (48, 64)
    assert "of its 2 video tracks (16x12, 64x48) number 2 is taken" in str(folder.report)
    monkeypatch.setattr(isolated, "AVAILABLE", False)  # decoded in this process, which can be made wrong
    monkeypatch.setattr(streams, "_worth", lambda stream: 0)  # the first of all
    assert shown(opened("mkv-preview-track-first", size=32))[0][1:] == (12, 16)


def test_a_long_clip_is_cut_and_that_is_said(opened: Opened) -> None:
    folder = opened("clip-of-31-minutes")
    (shot,) = folder.shots
    assert 1700 <= shot.frames / shot.fps <= 1800
    assert "only the first 1800 of its 1860 seconds are used (--set data.max_seconds=...)" in str(folder.report)
    assert opened("clip-of-31-minutes", max_seconds=100.0).shots[0].frames == 100
    short = opened("frames-with-thumbs-db", max_seconds=1.0)  # the control: of a second nothing is cut
    assert shown(short) == [(24, 48, 64)] and "max_seconds" not in str(short.report)
    assert shown(opened("frames-with-thumbs-db", max_seconds=0.5)) == [(12, 48, 64)]


def test_a_row_whose_file_has_half_of_an_emoji_is_told_of_in_whole_characters(opened: Opened, tmp_path: Path) -> None:
    opened("sidecar-json-broken-surrogate")
    table = tmp_path / "sidecar-json-broken-surrogate" / "clips" / "metadata.jsonl"
    table.write_text('{"file_name": "a\\ud83d.mp4", "text": "a kite"}\n')
    report = str(opened("sidecar-json-broken-surrogate").report)
    assert "name no file that is used here, a�.mp4 for one" in report
    report.encode()


def test_half_of_an_emoji_is_replaced_and_its_file_named(opened: Opened, tmp_path: Path) -> None:
    folder = opened("sidecar-json-broken-surrogate")
    assert folder.shots[0].caption == "a lantern � swings"
    assert "0001.json: half of a character" in str(folder.report)
    folder.shots[0].caption.encode()
    sidecar = tmp_path / "sidecar-json-broken-surrogate" / "clips" / "0001.json"
    sidecar.write_text('{"caption": "a lantern \\ud83d\\udd25 swings"}')
    folder = opened("sidecar-json-broken-surrogate")
    assert folder.shots[0].caption == "a lantern 🔥 swings" and "half of a character" not in str(folder.report)


def test_every_file_is_used_or_named(opened: Opened, tmp_path: Path) -> None:
    report = opened("unknown-suffixes").report
    used = {"a sound clip.mp4", "other mpg.mpg", "other flv.flv", "other ts.ts", "other 3gp.3gp"}
    assert set(report.ingested) == used
    assert [one.path for one in report.skipped] == ["other heic.heic"] and "HEIF" in report.skipped[0].reason
    clips = tmp_path / "unknown-suffixes" / "clips"
    (clips / "other mpg.mpg").rename(clips / "other.unheard")
    write(clips / "notes.unheard", "nothing to see")  # the control: no media, and so not named
    report = opened("unknown-suffixes").report
    assert set(report.ingested) == used - {"other mpg.mpg"}
    assert [one.path for one in report.skipped] == ["other heic.heic", "other.unheard"]


def test_frames_and_videos_in_one_folder_are_all_used(opened: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "mixed" / "clips"
    clip(folder / "film.mp4", pictures(24))
    for prefix in "ab":
        frames(folder, pictures(12, step=3.0), prefix + "_{:04d}.png")
    taken = opened("mixed")
    assert {shot.source: shot.frames for shot in taken.shots} == {"a_%04d.png": 12, "b_%04d.png": 12, "film.mp4": 24}


def test_which_of_a_folder_and_a_world_is_taken_is_said(
    case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(case("folder-named-like-a-world"))
    config = FolderConfig(cache=str(tmp_path / "cache"))
    said = [event.text for event in open_source.events("fall", config) if isinstance(event, Note)]
    assert said[0].startswith("fall is taken as the folder of that name, and not as a simulated world")
    said = [event.text for event in open_source.events("occluder:6", config) if isinstance(event, Note)]
    assert said == ["occluder:6 is taken as a simulated world: no folder of that name is here"]
    Path("fall").rename("leaves")  # the control: about a name that no world has there is nothing to say
    assert "world" not in "".join(e.text for e in open_source.events("leaves", config) if isinstance(e, Note))

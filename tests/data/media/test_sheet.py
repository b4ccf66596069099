from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from framefall.data.media.sheet import GAP, INK, NARROWEST, PAPER, Row, clip_row, contact_sheet, evenly, strips

SIDE = 80


def numbered(count: int, height: int = 48, width: int = SIDE) -> np.ndarray:
    """Frames that tell each other apart: frame n has brightness 50 + 2 n in red."""
    video = np.zeros((count, height, width, 3), np.uint8)
    video[..., 0] = (50 + 2 * np.arange(count))[:, None, None]
    return video


def shown(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def frames_on(sheet: np.ndarray, width: int = SIDE) -> list[list[int]]:
    """Which of the numbered frames stand on a sheet, row by row."""
    rows, before = [], None
    for line in sheet:
        reds = [
            (int(line[left, 0]) - 50) // 2
            for left in range(0, len(line) - width + 1, width + GAP)
            if line[left, 0] >= 50 and line[left, 1] == 0 and (line[left : left + width] == line[left]).all()
        ]
        if reds and reds != before:
            rows.append(reds)
        before = reds
    return rows


def written(sheet: np.ndarray, text: str, size: int = 10) -> bool:
    """Whether a text stands somewhere on a sheet, letter for letter."""
    font = ImageFont.load_default(size)
    box = font.getbbox(text, anchor="ls")
    image = Image.new("RGB", (round(box[2] - box[0]) + 2, round(box[3] - box[1]) + 2), PAPER)
    ImageDraw.Draw(image).text((1 - box[0], 1 - box[1]), text, INK, font, anchor="ls")
    word = np.asarray(image).astype(int)[..., 0]
    red = sheet[..., 0].astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(red, word.shape)
    return bool((np.abs(windows - word).max(axis=(2, 3)) <= 8).any())


@pytest.mark.parametrize(("frames", "count"), [(60, 16), (250, 16), (15, 8), (16, 16), (3, 8), (1, 8), (17, 16)])
def test_evenly_spaced_frames_are_of_the_whole_clip(frames: int, count: int) -> None:
    numbers = evenly(frames, count)
    assert numbers[0] == 0 and numbers[-1] == frames - 1 and len(numbers) == min(frames, count)
    steps = set(np.diff(numbers).tolist())
    assert not steps or max(steps) - min(steps) <= 1 <= min(steps)  # none twice, none far from the next


def test_every_nth_frame_would_have_left_the_end_out() -> None:
    assert list(range(60))[:: 60 // 15][-1] == 56 != evenly(60, 16)[-1]


@pytest.mark.parametrize(
    ("frames", "rows"), [(60, [8, 8]), (16, [8, 8]), (15, [8]), (8, [8]), (5, [5]), (1, [1])], ids=str
)
def test_a_contact_sheet_has_no_empty_tile_and_reads_from_the_first_frame_to_the_last(
    frames: int, rows: list[int], tmp_path: Path
) -> None:
    contact_sheet(numbered(frames), tmp_path / "sheet.png", fps=24.0)
    found = frames_on(shown(tmp_path / "sheet.png"))
    assert [len(row) for row in found] == rows
    assert [number for row in found for number in row] == evenly(frames, sum(rows))


def test_each_frame_has_its_time_under_it(tmp_path: Path) -> None:
    contact_sheet(numbered(25), tmp_path / "sheet.png", fps=12.0, columns=4, rows=1)
    sheet = shown(tmp_path / "sheet.png")
    for column, time in enumerate(("0.00 s", "0.67 s", "1.33 s", "2.00 s")):
        tile = sheet[:, column * (SIDE + GAP) : column * (SIDE + GAP) + SIDE]
        assert written(tile[48:], time) and not written(tile[48:], "0.50 s")


def test_a_row_says_what_it_is_and_a_heading_what_rows_have_in_common(tmp_path: Path) -> None:
    rows = [clip_row("real", numbered(4), 4.0, 4, heading="a ball falls"), clip_row("made", numbered(4), 4.0, 4)]
    strips(rows, tmp_path / "strips.png")
    sheet = shown(tmp_path / "strips.png")
    real, made = written(sheet[: 14 + 48], "real"), written(sheet[14 + 48 :], "made")
    assert real and made and written(sheet[:14], "a ball falls") and not written(sheet, "fast")


def test_rows_of_one_clip_share_the_line_of_times_and_others_do_not(tmp_path: Path) -> None:
    one, other = clip_row("one", numbered(4), 4.0, 4), clip_row("two", numbered(4), 8.0, 4)
    for name, rows in {"same": [one, one], "different": [one, other]}.items():
        strips(rows, tmp_path / f"{name}.png")
    same, different = shown(tmp_path / "same.png"), shown(tmp_path / "different.png")
    assert same.shape[0] == 2 * 48 + GAP + 14 and different.shape[0] == same.shape[0] + 14
    assert written(same, "0.75 s") and written(different, "0.75 s") and written(different, "0.38 s")
    assert not written(same, "0.38 s")


def test_small_frames_are_enlarged_by_whole_pixels_and_stand_under_large_ones(tmp_path: Path) -> None:
    strips([Row("", numbered(3, 16, 16))], tmp_path / "small.png")
    assert frames_on(shown(tmp_path / "small.png"), NARROWEST) == [[0, 1, 2]]
    strips([Row("", numbered(3)), Row("", numbered(3, 24, SIDE // 2))], tmp_path / "both.png")
    assert frames_on(shown(tmp_path / "both.png")) == [[0, 1, 2]] * 2


@pytest.mark.parametrize(("channels", "kept"), [(1, [7, 7, 7]), (2, [7, 7, 7]), (3, [7, 8, 9]), (5, [7, 8, 9])])
def test_any_number_of_channels_can_be_looked_at(channels: int, kept: list[int], tmp_path: Path) -> None:
    video = np.broadcast_to(np.arange(7, 7 + channels, dtype=np.uint8), (1, 64, 64, channels)).copy()
    strips([Row("", video)], tmp_path / "a.png")
    assert shown(tmp_path / "a.png")[0, 0].tolist() == kept


def test_a_long_heading_is_cut_to_the_sheet(tmp_path: Path) -> None:
    words = "a large yellow ball flies to the left in an arc and comes back again"
    strips([Row("", numbered(1), heading=words)], tmp_path / "a.png")
    sheet = shown(tmp_path / "a.png")
    assert sheet.shape[1] == SIDE and written(sheet[:14], "a large") and (sheet[:14, -2:] == PAPER).all()


def test_what_cannot_be_laid_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must have at least one row of at least one frame, got none"):
        strips([], tmp_path / "none.png")
    with pytest.raises(ValueError, match="must have at least one row of at least one frame, got none"):
        contact_sheet(numbered(0), tmp_path / "none.png", fps=24.0)
    with pytest.raises(ValueError, match="must have a time for each frame, got 1 for 2"):
        strips([Row("a", numbered(2), (0.0,))], tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []

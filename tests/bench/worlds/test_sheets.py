"""Sheets: as many clips as were asked for, each at its place, with what was asked for beside them."""

from PIL import Image

from framefall.bench.worlds import sheets
from framefall.publish import verify


def test_each_scenario_has_a_sheet_and_a_moving_picture_of_as_many_clips_as_captions(measured) -> None:
    assert sorted(verify(measured.sheets)) == ["captions.txt", "projectile.png", "projectile.webp"]
    title, *captions = (measured.sheets / "captions.txt").read_text().splitlines()
    assert title == "projectile" and [line.split()[0] for line in captions] == ["0", "1", "2", "3", "4"]
    assert len({line.split(maxsplit=1)[1] for line in captions}) > 1
    with Image.open(measured.sheets / "projectile.webp") as moving:
        assert moving.n_frames == 8 and moving.size == (8 * sheets.SIDE, sheets.SIDE)
        side, frame = sheets.SIDE, moving.convert("RGB")
        places = [frame.crop((at * side, 0, (at + 1) * side, side)).getextrema() for at in range(8)]
    brightest = [max(high for _, high in channels) for channels in places]
    assert (
        min(brightest[:5]) > 60 and max(brightest[5:]) < 40
    )  # five clips, and three places left black (but for the coding)
    with Image.open(measured.sheets / "projectile.png") as sheet:
        assert sheet.height >= 2 * sheets.SIDE and sheet.width >= 4 * 8 * sheets.SIDE  # two rows of up to four clips

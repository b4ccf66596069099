import numpy as np
import pytest
from encodes import sample
from PIL import Image

from framefall.data.decode import decode
from framefall.data.sheet import contact_sheet, strips


@pytest.fixture(scope="module")
def film():
    """Real frames: uint8 [24, 64, 86, 3]."""
    frames = decode(sample("carphone_pristine.mp4"), short_side=64)
    return np.stack([frame.pixels for _, frame in zip(range(24), frames, strict=False)])


def test_a_contact_sheet_shows_every_frame_in_its_place(tmp_path, film):
    contact_sheet(film[:10], tmp_path / "sheet.png", columns=4)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    height, width = film.shape[1:3]
    assert sheet.shape == (3 * height + 4, 4 * width + 6, 3)
    for index in range(10):
        top, left = index // 4 * (height + 2), index % 4 * (width + 2)
        assert np.array_equal(sheet[top : top + height, left : left + width], film[index])
    strips([("real", film[:3]), ("made", film[:5, ::2, ::2, :1])], tmp_path / "strips.png")
    rows = np.asarray(Image.open(tmp_path / "strips.png"))
    assert rows.shape[0] == height + 2 + height // 2
    assert (rows[:height, : rows.shape[1] - 3 * (width + 2)] > 100).any()  # the label
    with pytest.raises(ValueError, match="at least one row"):
        strips([], tmp_path / "none.png")

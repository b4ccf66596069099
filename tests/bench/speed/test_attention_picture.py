from pathlib import Path

import pytest
from PIL import Image

from framefall.bench.speed.attention import FRAMES, WAYS
from framefall.bench.speed.attention_picture import draw_attention


@pytest.mark.slow
def test_the_picture_shows_masks_and_curves(tmp_path: Path) -> None:
    cost = {way: {str(count): float(count * (place + 1)) for count in FRAMES} for place, way in enumerate(WAYS)}
    modes = ("forward_float32", "forward_bfloat16", "training_float32", "training_bfloat16")
    memory = {
        f"{mode}_memory": {way: {"32": 1.0, "64": 2.0, "1024": 30.0} for way in WAYS}
        for mode in ("forward", "training")
    }
    draw_attention({**dict.fromkeys(modes, cost), **memory}, tmp_path / "attention.png")
    with Image.open(tmp_path / "attention.png") as picture:
        assert picture.width > 1000
        assert picture.convert("L").getextrema()[0] < 128  # something is drawn

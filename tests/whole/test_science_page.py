"""What docs/science.md says can be done: its commands run, and its description is read."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from framefall.data.fields.beside import parsed
from framefall.data.fields.field import Channel, Clock, Field, numbered
from framefall.data.fields.formats import FORMATS, recordings, write

PAGE = (Path(__file__).parents[2] / "docs" / "science.md").read_text(encoding="utf-8")
SMALLER = {"pico": "micro", "--minutes": "--steps", "60": "1", "4": "2", "16": "3"}  # micro's factors are 2


def test_every_format_is_on_the_page() -> None:
    assert {name for name in FORMATS if f"| `{name}`" in PAGE or f", `{name}` |" in PAGE} == set(FORMATS)


def test_the_description_beside_an_array_is_read() -> None:
    (text,) = re.findall(r"^```json\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    said = parsed(text, "a.npy")
    assert said.channels is not None and said.channels[1].units == "m/s" and said.missing == -9999
    assert json.loads(text)["field"]["clock"]["units"] == "h"


def test_the_commands_run(framefall: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    monkeypatch.chdir(tmp_path)
    field = Field(
        channels=[Channel(name="u", units="m/s"), Channel(name="v", units="m/s")],
        rows=numbered(32, "y"),
        columns=numbered(32, "x"),
        clock=Clock(units="s", step=3.0),
    )
    values = np.random.default_rng(0).normal(size=(2, 32, 32, 32)).astype(np.float32)
    Path("flows").mkdir()
    write("flows/a.nc", [values], field, 3.0 * np.arange(32))
    write("now.nc", [values[:, :7]], field, 3.0 * np.arange(7))
    write("came.nc", [values], field, 3.0 * np.arange(32))
    block = next(one for one in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S) if "framefall train" in one)
    lines = [shlex.split(line) for line in block.splitlines()]
    assert [words[:2] for words in lines[1:]] == [
        ["framefall", one] for one in ("train", "generate", "evaluate", "upscale")
    ]
    for _, *words in lines[1:]:
        said = framefall(*(SMALLER.get(word, word) for word in words))
        assert said.code == 0, (words, said.err)
    (finer,) = recordings("finer.nc")
    assert finer.size == (64, 64) and len(finer.times) == 13 and finer.field.quantities == ["u (m/s)", "v (m/s)"]
    assert len(recordings("next.nc")) == 3

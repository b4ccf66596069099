"""The notebooks: every cell runs, one after another, and none is committed with what it gave.

In this process: a kernel (nbclient brings some thirty packages) would run the same lines slower.
"""

import json
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(HOME.glob("*.ipynb"))


def run(notebook: dict[str, Any], name: str = "notebook") -> dict[str, Any]:
    """All code cells in their order, in one namespace, as a kernel has them; an error says in which cell it is."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), names)
    return names


def stripped(notebook: dict[str, Any]) -> list[str]:
    """What is wrong with a notebook that is to be committed."""
    cells = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    faults = [f"{cell['id']} has outputs" for cell in code if cell["outputs"] or cell["execution_count"] is not None]
    faults += [f"{cell['id']} has metadata" for cell in cells if cell["metadata"]]
    if len({cell["id"] for cell in cells}) < len(cells):
        faults.append("two cells have one id")
    if (notebook["nbformat"], notebook["metadata"].keys()) != (4, {"kernelspec", "language_info"}):
        faults.append("it is not of format 4 with nothing but its kernel and language")
    return faults


# the README's Python makes and measures a clip as that notebook does
SLOW = {"generate_and_measure"}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in SLOW)) for path in NOTEBOOKS],
    ids=[path.stem for path in NOTEBOOKS],
)
def test_every_cell_of_a_notebook_runs_and_runs_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if path.stem == "fields":
        pytest.importorskip("framefall.data.fields")
    monkeypatch.chdir(tmp_path)
    run(json.loads(path.read_text(encoding="utf-8")), path.stem)
    assert capsys.readouterr().out
    assert not list(HOME.glob("*/")) and set(HOME.iterdir()) == set(NOTEBOOKS)  # what they make lies where they run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert stripped(notebook) == []
    assert notebook["cells"][0]["cell_type"] == "markdown" and notebook["cells"][0]["source"][0].startswith("# ")
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell |= {"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["1"]}]}
    assert stripped(notebook) == [f"{cell['id']} has outputs"]  # the control


def test_there_are_three_and_a_cell_that_fails_is_named() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["fields", "generate_and_measure", "own_videos"]

    def cells(*texts: str) -> dict[str, Any]:
        return {"cells": [{"cell_type": "code", "source": [text]} for text in texts]}

    assert run(cells("a = 1", "b = a + 1"))["b"] == 2
    with pytest.raises(NameError) as failed:
        run(cells("a = 1", "b = c"), "mine")
    assert "mine, cell 1" in str(failed.traceback[-1])

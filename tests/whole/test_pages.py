"""Pages of docs/ for users: each command on them is one, each script is there, each extra exists."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main

from framefall.cli import app

ROOT = Path(__file__).parents[2]
PAGES = ("export", "gen1", "lora", "own_videos", "plan", "ray", "text")


def lines(page: str) -> list[list[str]]:
    """The words of every line of shell."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for line in "\n".join(blocks).splitlines() if line.strip()]


def check(line: list[str]) -> None:
    """Refuses a command that would not be read, a script that is not there, and an extra that nobody has."""
    if line[0] == "framefall":
        group = typer.main.get_command(app)
        with group.make_context("framefall", line[1:], resilient_parsing=False) as context:
            name, command, rest = group.resolve_command(context, line[1:])
            command.make_context(name, rest, parent=context)
    elif line[0] == "python":
        assert (ROOT / line[1]).is_file()
    else:
        assert line[:2] == ["pip", "install"]
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert re.fullmatch(r"framefall\[(\w+)\]", line[2])[1] in extras  # type: ignore[index]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_can_be_said(page: str) -> None:
    found = lines(page)
    assert found
    for line in found:
        check(line)


@pytest.mark.parametrize(
    "line", ["framefall merge --nothing", "python examples/none.py", "pip install framefall[none]"]
)
def test_what_cannot_be_said_is_noticed(line: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        check(shlex.split(line))

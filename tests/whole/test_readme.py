"""What the README says can be done: its Python runs with the shipped model, its commands exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from framefall.cli import app

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The words after `framefall` in every line of shell, up to a pipe or a redirection."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    found = [line[1:] for line in words if line and Path(line[0]).name == "framefall"]
    return [line[: next((i for i, word in enumerate(line) if word in ("|", ">", "&&", ";")), None)] for line in found]


def parse(line: list[str]) -> str:
    """Reads a command line as it would be read, and runs nothing."""
    group = typer.main.get_command(app)
    with group.make_context("framefall", list(line), resilient_parsing=False) as context:
        name, command, rest = group.resolve_command(context, line)
        inner = command.make_context(name, rest, parent=context)
        if hasattr(command, "commands"):  # a command of commands
            what, part, rest = command.resolve_command(inner, rest)
            part.make_context(what, rest, parent=inner)
        return str(name)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.strip().splitlines()[0])
def test_the_readmes_python_runs_with_the_shipped_model(block: str, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "my_clips").symlink_to(clips)
    (tmp_path / "clip.mp4").symlink_to(clips / "0001.mp4")
    said = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("line", commands(), ids=" ".join)
def test_the_readmes_commands_can_be_read(line: list[str]) -> None:
    assert parse(line) in typer.main.get_command(app).commands


def test_the_readme_has_python_and_a_line_for_every_command() -> None:
    assert blocks("python")
    assert {line[0] for line in commands()} == set(typer.main.get_command(app).commands)


@pytest.mark.parametrize(
    "line", ["train my_clips", "generate --sed 7", "dream x", "upscale a.mp4 -o b.mp4 --space four"]
)
def test_a_command_that_does_not_exist_would_be_noticed(line: str) -> None:
    with pytest.raises(typer.BadParameter.__mro__[1]):  # a usage error
        parse(line.split())


def test_every_file_that_the_readme_links_to_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert links and [link for link in links if not (README.parent / link).exists()] == []

"""What the pages on the hub and on diffusers show is run: their Python and their commands, in their order."""

import re
import shlex
from pathlib import Path

import pytest

from hub_server import TOKEN, serving

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=:DeprecationWarning", "ignore::FutureWarning", "ignore:.*doubt.*"
)


def steps(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of Python and of shell."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```(python|sh)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def follow(page: str, framefall) -> int:
    count = 0
    for language, block in steps(page):
        if language == "python":
            exec(compile(block, page, "exec"), {"__name__": page})
            count += 1
            continue
        for line in block.splitlines():
            name, *words = shlex.split(line)
            assert name == "framefall"
            said = framefall(*words)
            assert said.code == 0, (line, said.err)
            count += 1
    return count


def test_the_page_on_the_hub_can_be_followed(framefall, tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants", reason="the extra framefall[hub]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        assert follow("hub.md", framefall) == 4
        assert "ours/toy" in hub.repositories


def test_the_page_on_diffusers_can_be_followed(framefall, tmp_path, monkeypatch, once):
    pytest.importorskip("diffusers", reason="the extra framefall[diffusers]")
    from tiny_pipelines import build

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_wan").symlink_to(once("pipeline-wan", lambda place: build("wan", place)))
    assert follow("diffusers.md", framefall) == 4
    assert {"ball.mp4", "ball.png", "ball.json", "small.mp4", "cup.npy", "my_pipeline"} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_a_page_with_a_command_that_fails_would_be_noticed(framefall, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.DOCS", tmp_path)
    (tmp_path / "page.md").write_text("```sh\nframefall models nothing-of-that-name\n```\n")
    with pytest.raises(AssertionError, match="nothing-of-that-name"):
        follow("page.md", framefall)

"""A clip for each line of a file, made here; `tests/runs/test_on_ray.py` has the same on a cluster."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from framefall import publish
from framefall.cascade.cascade import Cascade, SegmentStep
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import save
from framefall.progress import Note, Stepped
from framefall.runs.generation.generate import generate
from framefall.runs.generation.prompts import generate_each, read_prompts

PROMPTS = ("a ball", "a cup", "a ball")


@pytest.fixture(scope="module")
def model(cascade: Cascade, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "toy"
    save(cascade, path)
    return path


def made(folder: Path) -> dict[str, str]:
    return {path.name: publish.sha256(path) for path in folder.iterdir() if path.suffix != ".jsonl"}


def steps(run: object) -> tuple[list[str], int]:
    """The notes, and how many steps of stages were done."""
    events = list(run)  # type: ignore[call-overload]
    notes = [event.text for event in events if isinstance(event, Note)]
    return notes, sum(isinstance(event, SegmentStep) for event in events)


def test_each_clip_is_the_one_of_its_number_among_all_and_the_listing_names_it(model: Path, tmp_path: Path) -> None:
    request = Request(PROMPTS, seed=3, until="base")
    generate(request, tmp_path / "all" / "a.mp4", model)
    lines = generate_each(request, tmp_path / "each" / "a.mp4", model, device="cpu")
    assert made(tmp_path / "each") == made(tmp_path / "all") and len(set(made(tmp_path / "all").values())) == 3
    listed = [json.loads(line) for line in (tmp_path / "each" / "a.jsonl").read_text().splitlines()]
    assert [(one["number"], one["prompt"], one["seed"], one["file"]) for one in listed] == [
        (0, "a ball", 3, "a-000.mp4"),
        (1, "a cup", 3, "a-001.mp4"),
        (2, "a ball", 3, "a-002.mp4"),
    ]
    assert {one["file"]: one["sha256"] for one in listed} == made(tmp_path / "each")
    assert [line.sha256 for line in lines] == [one["sha256"] for one in listed]


@pytest.mark.parametrize("suffix", [".mp4", ".npy", ""])
def test_what_is_there_is_kept_and_what_is_not_is_made(suffix: str, model: Path, tmp_path: Path) -> None:
    request, out = Request(PROMPTS, until="base"), tmp_path / "out" / f"a{suffix}"
    run = generate_each.events(request, out, model, device="cpu")
    for event in run:
        if type(event) is Stepped and event.done == 2:
            run.close()  # the third is not there, nor a listing
    assert not (out.parent / "a.jsonl").exists()
    notes, count = steps(generate_each.events(request, out, model, device="cpu"))
    kept = [note for note in notes if note.endswith("it is there, made as it is asked for")]
    assert [Path(note.partition(":")[0]).name for note in kept] == [f"a-000{suffix}", f"a-001{suffix}"] and count == 4
    assert len((out.parent / "a.jsonl").read_text().splitlines()) == 3
    assert steps(generate_each.events(request, out, model, device="cpu"))[1] == 0  # a third time nothing is to be done
    assert steps(generate_each.events(replace(request, seed=1), out, model, device="cpu"))[1] == 12  # the control


def test_another_line_makes_its_clip_anew_and_a_changed_file_is_nobodys(model: Path, tmp_path: Path) -> None:
    request, out = Request(PROMPTS, until="base"), tmp_path / "a.mp4"
    generate_each(request, out, model, device="cpu")
    before = made(tmp_path)
    assert steps(generate_each.events(replace(request, prompt=("a ball", "a dog", "a ball")), out, model))[1] == 4
    after = made(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"a-001.mp4"}
    with open(tmp_path / "a-000.mp4", "ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ValueError, match=r"a-000\.mp4 is there, and is not as Framefall made it"):
        generate_each(request, out, model, device="cpu")
    (tmp_path / "b.jsonl").write_text("mine\n")
    with pytest.raises(ValueError, match=r"b\.jsonl is there, and is not as Framefall made it"):
        generate_each(request, tmp_path / "b.mp4", model, device="cpu")


def test_another_model_of_the_name_makes_other_clips(model: Path, trained: Path, tmp_path: Path) -> None:
    request, here = Request(PROMPTS[:1], until="base"), tmp_path / "toy"
    shutil.copytree(model, here)
    (first,) = generate_each(request, tmp_path / "a.mp4", here, device="cpu")
    shutil.rmtree(here)
    shutil.copytree(trained, here)
    (second,) = generate_each(request, tmp_path / "a.mp4", here, device="cpu")
    assert first.sha256 != second.sha256
    generate(request, tmp_path / "b.mp4", here)
    assert publish.sha256(tmp_path / "b.mp4") == second.sha256


def test_a_file_of_prompts_is_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("  a ball\n\n a cup \r\na ball", encoding="utf-16")
    assert read_prompts(tmp_path / "a.txt") == ("a ball", "a cup", "a ball")
    (tmp_path / "b.txt").write_text("\n \n")
    with pytest.raises(ValueError, match=r"b\.txt must have at least one prompt, got none; write one a line"):
        read_prompts(tmp_path / "b.txt")
    (tmp_path / "c.txt").write_bytes(b"no\0text")
    with pytest.raises(ValueError, match=r"c\.txt must be a text file with a prompt a line, and it is"):
        read_prompts(tmp_path / "c.txt")


REFUSED = [
    ("generate a --prompts {file} -o {out}", "--prompts takes no prompt beside it: each line is a clip of its own"),
    ("generate --prompts {file} -o {out} --count 2", "--prompts takes no --count: each line is a clip of its own"),
    ("generate --prompts {file} -o {out} --save-stages x", "--prompts takes no --save-stages"),
    ("generate --prompts {file} -o {out} --guidance weaker=pico", "--prompts takes no weaker model, got pico"),
    ("generate --prompts {file}.none -o {out}", "No such file"),
    ("generate --prompts {file} -o {out} --model {empty}", "has no manifest.json"),
    ("generate a -o {out} --on ray", "--on ray shares the clips of --prompts, got no such file"),
    ("prepare {file} --on ray", "--on ray prepares a source, and needs a folder for it; give one with -o"),
]


@pytest.mark.parametrize(("line", "sentence"), REFUSED, ids=[line for line, _ in REFUSED])
def test_what_cannot_be_is_refused(
    line: str, sentence: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, framefall: Callable
) -> None:
    (tmp_path / "prompts.txt").write_text("a ball\n")
    places = {"file": tmp_path / "prompts.txt", "out": tmp_path / "a.mp4", "empty": tmp_path_factory.mktemp("empty")}
    said = framefall(*line.format(**places).split())
    assert said.code == 1 and sentence in said.err and "Traceback" not in said.err and said.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.txt"]


def test_the_command_prints_the_listing(model: Path, framefall: Callable, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a ball\na cup\n")
    options = ("-o", tmp_path / "a.mp4", "--model", model, "--until", "base", "--device", "cpu", "--json")
    said = framefall("generate", "--prompts", tmp_path / "prompts.txt", *options)
    assert said.code == 0, said.err
    clips = json.loads(said.out)["clips"]
    assert [one["file"] for one in clips] == ["a-000.mp4", "a-001.mp4"]
    assert f"{tmp_path / 'a.jsonl'} lists 2 clips" in said.err

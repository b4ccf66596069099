"""Each extra in an environment of its own, with what its page in docs/ says done there as a user would.

    python scripts/extras.py [--keep FOLDER] [NAME ...]

Framefall's wheel and what it always needs are installed once; an extra adds its own packages in a layer over that. The
commands and the Python of the page run in their order, with small settings, from the installed wheel, in a folder that
this checkout is not on the path of. Without the extra (the control) one of them must be refused in a sentence that
says which to install. Fetches packages, so that it needs a network; minutes of a core.
"""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIP = ("-q", "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt"))
for room in ("", "data", "data/remote", "batteries"):
    sys.path.append(str(ROOT / "tests" / room))


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is done with an extra: the page's commands, made small word by word."""

    page: str = ""  # in docs/; without one the commands are `lines`
    lines: tuple[str, ...] = ()
    smaller: Mapping[str, str] = field(default_factory=dict)  # a word, and those that take its place
    leave: str = r"(?!)"  # commands that are left out
    refused: bool = True  # without it; or it only makes faster, or another package brings some version of it as well
    prepare: Callable[
        [Path], contextlib.AbstractContextManager[Mapping[str, str]]
    ]  # files, and what is in the environment

    def steps(self) -> list[list[str]]:
        """The words of each command; Python is `python -c`."""
        text = "".join(f"```sh\n{line}\n```\n" for line in self.lines)
        if self.page:
            text = (ROOT / "docs" / f"{self.page}.md").read_text(encoding="utf-8")
        found = []
        for language, block in re.findall(r"^```(sh|python)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
            if language == "python":
                found.append(["python", "-c", block])
                continue
            lines = block.replace("\\\n", " ").splitlines()
            words = [shlex.split(line, comments=True) for line in lines if not re.search(self.leave, line)]
            found += [self._small(line) for line in words if line and line[0] != "pip"]
        return found

    def _small(self, words: list[str]) -> list[str]:
        return [one for word in words for one in shlex.split(self.smaller.get(word, shlex.quote(word)))]


@contextlib.contextmanager
def nothing(_: Path) -> Iterator[Mapping[str, str]]:
    """No files."""
    yield {}


@contextlib.contextmanager
def clips(place: Path) -> Iterator[Mapping[str, str]]:
    """Small videos with captions."""
    from shards import plain

    plain(place / "my_clips")
    yield {}


@contextlib.contextmanager
def model(place: Path) -> Iterator[Mapping[str, str]]:
    """The same, a model and prompts."""
    from long_videos import toy

    from framefall.cascade.saved.checkpoint import save

    with clips(place) as found:
        save(toy(), place / "my_model")
        (place / "prompts.txt").write_text("a red ball falls\na cup turns\n")
        yield found


@contextlib.contextmanager
def tower(place: Path) -> Iterator[Mapping[str, str]]:
    """Videos and a text tower."""
    from tiny_towers import t5

    with clips(place) as found:
        t5(place / "my_t5")
        yield found


@contextlib.contextmanager
def hub(_: Path) -> Iterator[Mapping[str, str]]:
    """A hub."""
    from hub_server import TOKEN, serving

    with serving() as server:
        yield {"HF_ENDPOINT": server.address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}


@contextlib.contextmanager
def pipeline(place: Path) -> Iterator[Mapping[str, str]]:
    """A pipeline of diffusers."""
    from tiny_pipelines import build

    build("wan", place / "my_wan")
    yield {}


@contextlib.contextmanager
def fields(place: Path) -> Iterator[Mapping[str, str]]:
    """A short flow, its beginning, and what came."""
    import numpy as np

    from framefall.data.fields.field import Channel, Clock, Field, numbered
    from framefall.data.fields.formats import write

    flow = Field(
        channels=[Channel(name="u", units="m/s"), Channel(name="v", units="m/s")],
        rows=numbered(32, "y"),
        columns=numbered(32, "x"),
        clock=Clock(units="s", step=3.0),
    )
    values = np.random.default_rng(0).normal(size=(2, 32, 32, 32)).astype(np.float32)
    (place / "flows").mkdir()
    for name, frames in (("flows/a.nc", 32), ("now.nc", 7), ("came.nc", 32)):
        write(str(place / name), [values[:, :frames]], flow, 3.0 * np.arange(frames))
    yield {}


@contextlib.contextmanager
def sources(place: Path) -> Iterator[Mapping[str, str]]:
    """Clips as shards, as a table, as episodes and in a bucket."""
    import fsspec
    import pyarrow.parquet as pq
    from s3server import serving
    from shards import plain, sharded
    from test_lerobot import v30
    from test_parquet import table

    found = plain(place / "clips")
    sharded(found, place / "shards")
    (place / "tables").mkdir()
    pq.write_table(table(found), place / "tables" / "train-00000-of-00001.parquet")
    v30(place / "robot")
    shutil.make_archive(str(found), "zip", found)
    with serving():
        bucket = fsspec.filesystem("s3")
        bucket.mkdir("videos")
        bucket.put(str(place / "shards"), "videos/shards", recursive=True)
        yield {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


@contextlib.contextmanager
def structure(place: Path) -> Iterator[Mapping[str, str]]:
    """Clips, a video, its edges, and a picture."""
    import numpy as np
    from PIL import Image

    from framefall.data.media.writer import write
    from framefall.data.structure import edges

    with clips(place) as found:
        pixels = np.full((9, 64, 64, 3), 40, np.uint8)
        for frame in range(9):
            pixels[frame, 16:40, 2 * frame : 2 * frame + 24] = (200, 120, 30)
        write(place / "cup.mp4", [pixels], 12.0)
        write(place / "edges.mp4", [np.repeat((edges(pixels) * 255).astype(np.uint8)[..., None], 3, axis=3)], 12.0)
        Image.fromarray(pixels[4]).save(place / "clay.png")
        yield found


STEP = {"--minutes": "--steps", "60": "1", "30": "1", "10": "1"}
RANKS = {
    "8": "4",
    "nano": "micro",
    "sora_like": "micro",
    "--resume": "--resume --device cpu --steps 1",
    "--minutes": "--steps",
    "600": "1",
    "stages.base.batch=64": "stages.base.batch=4",
    "base=4,temporal_sr=2,spatial_sr=2": "base=2,temporal_sr=1,spatial_sr=1",
}
TRIALS: dict[str, Trial] = {
    "diffusers": Trial(page="diffusers", prepare=pipeline),
    "evaluate": Trial(page="gen1", prepare=structure, smaller=STEP | {"60": "1 --stage base"}),
    "export": Trial(page="export", prepare=nothing),
    "hub": Trial(page="hub", prepare=hub, refused=False),  # by tokenizers
    "lora": Trial(page="lora", prepare=clips, smaller=STEP),
    "openvino": Trial(
        lines=("framefall generate 'a ball' -o ball.mp4 --until base --accelerate",), prepare=nothing, refused=False
    ),
    "physics3d": Trial(lines=("framefall worlds solid_fall --count 1 -o world",), prepare=nothing),
    "ray": Trial(page="ray", prepare=model),
    "s3": Trial(page="sources", prepare=sources, leave="^(?!.*s3:)"),
    "science": Trial(
        page="science", prepare=fields, smaller=STEP | {"pico": "micro", "4": "2", "16": "3"}, leave="^python"
    ),
    "sources": Trial(page="sources", prepare=sources, leave="s3"),
    "text": Trial(page="text", prepare=tower, smaller=STEP | {"pico": "micro"}, refused=False),  # by MiniLM's package
    # what needs no extra
    "plan": Trial(page="plan", prepare=clips, smaller={"nano": "micro", "pico": "micro"}, leave="--run"),
    "many_machines": Trial(page="many_machines", prepare=clips, smaller=RANKS),
}


def layer(place: Path, below: Path) -> Path:
    """A fresh virtual environment with the packages of another below its own; gives its `bin`."""
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=False)
    (found,) = below.glob("lib/python*/site-packages")
    (own,) = place.glob("lib/python*/site-packages")
    (own / "below.pth").write_text(f"{found}\n")
    return place / "bin"


def prepared(folder: Path) -> tuple[Path, Path]:
    """What lies below all: an environment with all that Framefall needs, without it; and its wheel."""
    base = folder / "base"
    wheels = folder / "wheel"
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels], check=True, cwd=ROOT)
    (wheel,) = wheels.glob("*.whl")
    if not (base / "done").exists():
        venv.create(base, with_pip=True)
        pip = [base / "bin" / "python", "-m", "pip"]
        subprocess.run([*pip, "install", *PIP, "torch==2.13.0"], check=True)
        subprocess.run([*pip, "install", *PIP, wheel], check=True)
        subprocess.run([*pip, "uninstall", "-q", "-y", "framefall"], check=True)
        (base / "done").touch()
    return base, wheel


def _program(bin: Path, name: str) -> list[str | Path]:
    """How a command of the environment is started; torch's own are installed below it."""
    return [bin / "python", "-m", "torch.distributed.run"] if name == "torchrun" else [bin / name]


def follow(trial: Trial, bin: Path, place: Path) -> str:
    """Does what the page says, as far as it goes; gives what went wrong."""
    for stale in place.iterdir():
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    with trial.prepare(place) as variables:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TERM") if name in os.environ}
        own = {"PATH": f"{bin}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "HF_HOME": str(place / ".hub")}
        for words in trial.steps():
            name, *rest = words
            if rest and (ROOT / rest[0]).is_file():
                rest[0] = str(ROOT / rest[0])
            done = subprocess.run(
                [*_program(bin, name), *rest],
                cwd=place,
                env=kept | own | dict(variables),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                # the first process to fail says why at the head; what started the processes says that it did at the end
                head, tail = done.stderr[:3000], done.stderr[3000:][-3000:]
                return f"{shlex.join(words)}: exit code {done.returncode}\n{head}\n...\n{tail}"
    return ""


def tried(name: str, base: Path, wheel: Path, folder: Path) -> list[str]:
    """What is wrong with an extra."""
    trial, place, wrong = TRIALS[name], folder / "place", list[str]()
    place.mkdir(exist_ok=True)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    bin = layer(folder / "layer", base)
    pip = [base / "bin" / "python", "-m", "pip", "--python", bin / "python", "install", *PIP]
    subprocess.run([*pip, wheel], check=True)
    if name in extras:
        without = follow(trial, bin, place) if trial.refused else ""
        if trial.refused and f"pip install 'framefall[{name}]'" not in without:
            wrong.append(f"without the extra no command says which to install: {without or 'all work'}")
        subprocess.run([*pip, f"{wheel}[{name}]"], check=True)
    if said := follow(trial, bin, place):
        wrong.append(said)
    shutil.rmtree(folder / "layer")
    return wrong


def main() -> int:
    """Tries each; prints what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(TRIALS), metavar="NAME", help=", ".join(TRIALS))
    parser.add_argument("--keep", type=Path, help="a folder for what lies below all, for the next time")
    chosen = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="framefall-extras-") as temporary:
        folder = chosen.keep or Path(temporary)
        base, wheel = prepared(folder)
        for name in chosen.names:
            wrong = tried(name, base, wheel, folder)
            failed += bool(wrong)
            print(f"{name}: {'; '.join(wrong) or 'as its page says'}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Job files for clusters, as far as one machine can check them: syntax, commands, and that their parts fit together."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
from torch.distributed.run import get_args_parser

from framefall.cli import _USAGE, app
from framefall.config import override
from framefall.recipes.registry import RECIPES

ROOT = Path(__file__).parents[2]
SLURM = sorted((ROOT / "examples/slurm").glob("*.sbatch"))
KUBERNETES = sorted((ROOT / "examples/kubernetes").glob("*.yaml"))


def torchrun_of(words: list[str]) -> dict:
    """What torchrun makes of a command's words, and `framefall train` of its own; both refuse what they do not know."""
    start = words.index("torchrun")
    asked = get_args_parser().parse_args(words[start + 1 :])
    assert asked.no_python and asked.training_script == "framefall"
    name, *own = asked.training_script_args
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    told = command.make_context(name, own).params
    recipe = override(RECIPES[told["recipe"]](), told["settings"] or [])
    processes = int(asked.nproc_per_node) * int(asked.nnodes.replace("$SLURM_NNODES", "2").partition(":")[0])
    if told["together"]:
        shares = dict(part.split("=") for part in told["together"].split(","))
        assert shares.keys() == recipe.stages.keys() and sum(map(int, shares.values())) == processes
        groups = {name: int(share) for name, share in shares.items()}
    else:
        groups = dict.fromkeys(recipe.stages, processes)
    for stage, ranks in groups.items():  # or else the training would refuse it, hours after it was asked for
        assert recipe.stages[stage].batch % ranks == 0, (stage, ranks)
    return {"run": asked, "train": told}


def commands(text: str) -> list[list[str]]:
    """The lines of a shell script that start torchrun, with the backslashes that join them taken out."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [shlex.split(line, comments=True) for line in lines if "torchrun " in line and not line.startswith("#")]


@pytest.mark.parametrize("path", SLURM, ids=lambda path: path.stem)
def test_a_slurm_job_fits_together(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    text = path.read_text()
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, flags=re.MULTILINE))
    (words,) = commands(text)
    found = torchrun_of(words)
    assert words[0] == "srun" and asked["ntasks-per-node"] == "1"
    assert found["run"].nproc_per_node == asked["gpus-per-node"] and found["train"]["resume"]
    if found["run"].standalone:
        assert asked["nodes"] == "1"
    else:
        assert asked["nodes"] == "2" and found["run"].nnodes == "$SLURM_NNODES"
        assert found["run"].rdzv_endpoint == "$RENDEZVOUS_HOST:$RENDEZVOUS_PORT"
        assert found["run"].rdzv_id == "$SLURM_JOB_ID"
    # every variable is Slurm's, the shell's, or set above
    used = set(re.findall(r"\$\{?([A-Z_]+)", text))
    given = set(re.findall(r"\b([A-Z_]+)=", text)) | {"HOME", "TMPDIR"}
    assert all(name in given or name.startswith("SLURM_") for name in used)


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_a_kubernetes_job_fits_together(path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all(path.read_text())
    name, spec = job["metadata"]["name"], job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    found = torchrun_of(container["command"])["run"]
    assert (service["kind"], job["kind"], spec["completionMode"]) == ("Service", "Job", "Indexed")
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["selector"] == {"job-name": name}
    assert int(found.nnodes) == spec["completions"] == spec["parallelism"]
    assert int(found.nproc_per_node) == container["resources"]["limits"]["nvidia.com/gpu"]
    port = service["spec"]["ports"][0]["port"]
    assert (
        found.rdzv_endpoint == f"{name}-0.{pod['subdomain']}:{port}" and pod["subdomain"] == service["metadata"]["name"]
    )
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


def test_the_pages_commands_are_ones_that_both_programs_take() -> None:
    text = (ROOT / "docs/many_machines.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    found = [torchrun_of(words) for block in blocks for words in commands(block)]
    assert len(found) >= 4
    for name in re.findall(r"examples/[a-z/_.]+", text):
        assert (ROOT / name).exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [("--resume", "--resum"), ("--nnodes", "--nodes"), ("sharding=full", "sharding=half"), ("batch=128", "batch=100")],
)
def test_a_mistake_in_a_job_would_be_noticed(before: str, after: str) -> None:
    """The control: each of these makes the check above fail."""
    (words,) = commands((ROOT / "examples/slurm/train.sbatch").read_text().replace(before, after))
    with pytest.raises((_USAGE, SystemExit, ValueError, AssertionError)):
        torchrun_of(words)

"""The command line. It reads arguments, calls `runs`, and says what happened; heavy imports wait for a command.

Progress goes to stderr, results to stdout. Exit codes: 0 done, 1 failed, 2 bad usage.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from framefall.cli.bench import bench
from framefall.cli.compare import compare
from framefall.cli.console import collect_seldom, keep_memory
from framefall.cli.diagnose import diagnose
from framefall.cli.distill import distill
from framefall.cli.evaluate import evaluate
from framefall.cli.export import export
from framefall.cli.generate import generate
from framefall.cli.lesson import lesson
from framefall.cli.merge import merge
from framefall.cli.models import models
from framefall.cli.pair import pair
from framefall.cli.plan import plan
from framefall.cli.prepare import prepare
from framefall.cli.reinforce import reinforce
from framefall.cli.studio import studio
from framefall.cli.train import train
from framefall.cli.upscale import upscale
from framefall.cli.verify import verify
from framefall.cli.worlds import worlds

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Framefall: video diffusion cascades. Make clips, train on your own, and measure what comes out.",
)
_COMMANDS: list[Callable[..., None]] = [
    generate,
    train,
    distill,
    reinforce,
    pair,
    prepare,
    upscale,
    evaluate,
    worlds,
    compare,
    bench,
    plan,
    models,
    merge,
    export,
]
_COMMANDS += [verify, studio, lesson]
for _command in _COMMANDS:
    app.command()(_command)
app.add_typer(diagnose, name="diagnose")


def main() -> None:
    """Runs the command line; every refusal is one sentence."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_memory()
    collect_seldom()
    try:
        code = app(_arguments(sys.argv[1:]) or ["--help"], standalone_mode=False)
    except _USAGE as error:
        code = _refuse(error.format_message(), 2)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except (ValueError, OSError, RuntimeError) as error:
        code = _refuse(_sentence(error), 1)
    if code == 130:
        _refuse("stopped; a training run goes on with --resume", code)
    sys.exit(code or 0)


_USAGE: Any = typer.BadParameter.__mro__[1]  # UsageError: of click, or of the one that newer typers carry inside


def _sentence(error: Exception) -> str:
    """What went wrong, without the number that the system has for it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error) or type(error).__name__


def _arguments(given: list[str]) -> list[str]:
    """The arguments; `--json -`, which earlier scripts say, is `--json`."""
    return [word for index, word in enumerate(given) if word != "-" or index == 0 or given[index - 1] != "--json"]


def _refuse(sentence: str, code: int) -> int:
    print(f"framefall: {' '.join(sentence.split())}", file=sys.stderr)
    return code

"""`framefall prepare`: a source looked at and made ready to train on."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framefall.cli.console import say, watched
from framefall.cli.options import Json, On

if TYPE_CHECKING:
    from framefall.data.folder import FolderConfig


def prepare(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of videos and captions; shards, tables, a URL (docs/sources.md); a world: all:20k, fall, ..."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="SHARDS", help="The folder to train on; without it nothing is made."),
    ] = None,
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="The recipe to prepare for; the same as of `framefall train`.")
    ] = "nano",
    stage: Annotated[str, typer.Option(metavar="NAME|all", help="The stage to prepare for.")] = "all",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: data.looks=1, workers=2.")
    ] = None,
    on: On = None,
    json: Json = False,
) -> None:
    """Look at a source, and with -o keep its pixels and captions ready to train on.

    Without -o it says what each file is taken as: shots, frames, rate, size, the first words of its caption and where
    they are from, numbers; and what is left out, and why.

    `framefall train SHARDS` then reads the same clips as from the source, bit for bit, without the source. Of videos
    the decoded frames are kept, of a world the finished clips; captions are encoded once. A stopped one goes on when
    the command is given again. Nothing is removed from SHARDS; the cache that `framefall train` fills by itself
    ($FRAMEFALL_CACHE) holds 20 GB unless $FRAMEFALL_CACHE_GB or --set data.cache_gb says otherwise.

    \b
    Examples:
      framefall prepare my_clips
      framefall prepare my_clips -o my_shards
      framefall train my_shards -o my_model --minutes 30
      framefall prepare all:20k -o world_shards --recipe worlds --stage base --set data.looks=1 --set workers=2
      framefall prepare my_clips -o my_shards --on ray
    """
    from framefall.config import override
    from framefall.runs.prepare import prepare as run
    from framefall.runs.training.train import named

    chosen = override(named(recipe), settings or [])
    if output is None:
        if on is not None:
            raise ValueError(
                f"--on {on} prepares a source, and needs a folder for it; give one with -o, or leave it out"
            )
        _look(source, chosen.data, json)
        return
    done = watched(run.events(source, output, chosen, stages=None if stage == "all" else [stage], on=on))
    ready = ", ".join(f"{count:,} clips for {name}" for name, count in done.clips.items())
    ready = ready or f"{len(done.used)} files"
    say(f"{output} is ready to train on: {ready}, {done.nbytes / 1e6:.1f} MB")
    if json:
        found = {
            "shards": done.shards,
            "source": done.source,
            "bytes": done.nbytes,
            "clips": done.clips,
            "captions": done.captions,
            "used": list(done.used),
            "skipped": [{"path": path, "reason": reason} for path, reason in done.skipped.items()],
            "notes": list(done.notes),
        }
        print(jsonlib.dumps(found, indent=2))


def _look(source: str, config: "FolderConfig", json: bool) -> None:
    """Prints what each file of a source is taken as; what is left out is among the notes."""
    from framefall.data.folder import Folder
    from framefall.data.summary import as_object, listing
    from framefall.runs.sources import open_source

    opened = watched(open_source.events(source, config, most=None))
    if isinstance(opened, Folder):
        print(jsonlib.dumps({"source": source, **as_object(opened)}, indent=2) if json else listing(opened))
    elif json:
        print(jsonlib.dumps({"source": source, "worlds": list(opened.names)}, indent=2))
    else:
        print(f"a simulated world: {', '.join(opened.names)}")

"""`framefall studio`: the local page."""

import os
from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say
from framefall.cli.options import Json


def studio(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free one.")] = 8765,
    host: Annotated[str, typer.Option(help="Another address than this machine's own; needs --token.")] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option(help="What whoever uses it must know [default: $FRAMEFALL_STUDIO_TOKEN, or one made].")
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where it keeps what it makes [default: ~/.local/share/framefall/studio]."),
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A folder whose clips may be trained on; repeatable.")
    ] = None,
    model: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="A model beside the shipped ones; repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    json: Json = False,
) -> None:
    """Open the studio: a local page to generate, compare, train and measure, and a lesson on video diffusion.

    It serves this machine alone, and whoever has the token that stands in the address it prints. What it makes stays in
    its home, and jobs that wait go on when it is started again. With --host others are served too: then choose a
    --token, and put TLS in front of it, or better, leave it out and use an SSH tunnel (ssh -L 8765:localhost:8765).

    \b
    Examples:
      framefall studio
      framefall studio --root my_clips --model my_model
      FRAMEFALL_STUDIO_TOKEN=... framefall studio --host 0.0.0.0 --no-open
    """
    from framefall.jsonable import json_text
    from framefall.studio.serve import serve

    def opened(address: str) -> None:
        if json:
            print(json_text({"address": address}), end="", flush=True)
        say(f"the studio is at {address}")

    serve(
        host=host,
        port=port,
        token=token or os.environ.get("FRAMEFALL_STUDIO_TOKEN"),
        home=home,
        roots=root or [],
        models=model or [],
        device=device,
        open_page=open_page,
        opened=opened,
    )

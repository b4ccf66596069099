"""`framefall lesson`: the lesson on video diffusion as a static page."""

from pathlib import Path
from typing import Annotated

import typer

from framefall.cli.console import say
from framefall.cli.options import Json


def lesson(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder of the site.")],
    json: Json = False,
) -> None:
    """Write the lesson on video diffusion as a static site, which any file server shows. It needs no model.

    In the studio (framefall studio) the same lesson is at /lesson.

    \b
    Examples:
      framefall lesson -o lesson
      python -m http.server -d lesson
    """
    from framefall.jsonable import json_text
    from framefall.studio.lesson.export import export

    files = export(output)
    if json:
        print(json_text({"folder": str(output), "files": len(files)}), end="")
    say(f"{output} holds the lesson in {len(files)} files; show it with: python -m http.server -d {output}")

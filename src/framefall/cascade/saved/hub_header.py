"""The header of a model's README in the hub's format: YAML that says what it is to whoever searches there.

It is written of every model, wherever it lies; strings are quoted as JSON, which YAML reads as they are.
"""

import json
import re
from collections.abc import Iterable

from framefall.cascade.cascade import CascadeConfig

LIBRARY = "framefall"


def header(config: CascadeConfig) -> str:
    """The lines from `---` to `---`: licence, library, what it is for, tags, and data sets that are on the hub."""
    known = config.license.lower()
    lines = ["---"]
    if known in _LICENSES:
        lines.append(f"license: {known}")
    else:
        lines += ["license: other", f"license_name: {_quoted(config.license)}"]
    lines += [f"library_name: {LIBRARY}", f"pipeline_tag: {_purpose(config)}"]
    lines += _list("tags", ["video", "diffusion", "cascade", *dict.fromkeys(_tasks(config))])
    lines += _list("datasets", [name for name in config.trained_on if _ON_THE_HUB.fullmatch(name)])
    return "\n".join([*lines, "---"]) + "\n"


def _purpose(config: CascadeConfig) -> str:
    """What it is listed under: a cascade without a base makes videos of videos."""
    first = next(iter(config.stages.values()))
    return "video-to-video" if first.task.super_resolution else "text-to-video"


def _tasks(config: CascadeConfig) -> Iterable[str]:
    names = {"temporal_sr": "temporal-super-resolution", "spatial_sr": "video-super-resolution"}
    return (names[stage.task.kind] for stage in config.stages.values() if stage.task.kind in names)


def _list(name: str, values: Iterable[str]) -> list[str]:
    found = [f"- {_quoted(value)}" for value in values]
    return [f"{name}:", *found] if found else []


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[a-z][a-z-]*", text) else json.dumps(text)


# ids of the hub; another licence is called other, and named beside it
_LICENSES = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "openrail"}
_LICENSES |= {"cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"}
_ON_THE_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

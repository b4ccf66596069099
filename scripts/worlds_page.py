"""The world benchmark of a model as a page: docs/worlds.md, whose words stay and whose tables are of a measurement.

    framefall bench worlds --count 24 --json > worlds.json
    python scripts/worlds_page.py worlds.json docs/worlds.md

`make worlds` does both. What lies between the marks of a table is replaced; the rest of the page is written by hand.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from framefall.worlds.violations.registry import VIOLATIONS

Rows = Sequence[Mapping[str, str]]


def main() -> None:
    """Reads the benchmark's JSON; writes its tables into the page."""
    result, page = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    text = page.read_text()
    for name, rows in tables(result).items():
        text = filled(text, name, rows)
    page.write_text(text)


def tables(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """What stands between the marks of each name."""
    protocol, machine = result["protocol"], result["machine"]
    first = result["id"]
    kinds = len(first["violations"])
    measured = (
        f"`framefall bench worlds --count {protocol['clips']}`, written on {date.today()}: model "
        f"`{result['results']['model']}` ({result['results']['quality']}), commit {result['commit']}, "
        f"{machine['cpu']}; {protocol['clips']} clips of each of {len(protocol['scenarios'])} scenarios in the id "
        f"split, half as many in the others, {kinds} of the {len(VIOLATIONS)} kinds of violations"
        f"{'' if kinds == len(VIOLATIONS) else ' (shortened by hand: the command makes all)'}, seed "
        f"{protocol['seed']}, version {protocol['version']} of the worlds."
    )
    broken = [
        {
            "violation": name,
            "error (95%)": "-" if one["value"] is None else _spread(one),
            "pairs": str(one["n"]),
            "background alone": _share(one["null"]),
            "": one["rejected"] or one["note"],
        }
        for name, one in first["violations"].items()
    ]
    return {
        "measured": [measured],
        "table": _markdown(result["table"]),
        "missed": [_missed(check) for check in result["checks"] if check["reaches"] == "NO"] or ["Nothing is missed."],
        "beside": _markdown(result["beside"]),
        "violations": _markdown(broken),
        "stages": _markdown(_stages(first["super_resolution"])),
    }


def filled(page: str, name: str, lines: Sequence[str]) -> str:
    """The page with other lines between the marks of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"the page must have {begin} and {end} once each; add them where the lines are to stand")
    inside = "\n".join(["", *lines, ""])
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{inside}\n{end}", page, flags=re.S)


def _markdown(rows: Rows) -> list[str]:
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([row[name] for name in columns] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _missed(check: Mapping[str, Any]) -> str:
    """A line of the list: by how much, and how far the interval lies from the bar."""
    value, bar = check["value"], check["least"]
    sure = value["low"] > bar if check["lower"] else value["high"] < bar
    factor = 100 if check["unit"] == "%" else 1
    by = factor * abs(value["value"] - bar)
    unit = " points" if check["unit"] == "%" else f" {check['unit']}" if check["unit"] else ""
    return f"- **{check['quantity']}**: missed by {by:.3g}{unit}{'' if sure else '; the bar lies within the interval'}."


def _stages(found: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = []
    for stage, kinds in found.items():
        plain = "optical_flow" if "optical_flow" in kinds.get("kept", {}) else "bicubic"
        for kind in ("real", "redrawn"):
            one, gain = kinds[kind], kinds[kind]["gain"]
            rows.append(
                {
                    "stage": stage,
                    "is given": {"real": "the renderer's frames", "redrawn": "the same, redrawn by the base"}[kind],
                    "PSNR": f"{one['psnr']['value']:.2f} dB",
                    "plain way": f"{one[f'psnr_{plain}']['value']:.2f} dB ({plain.replace('_', ' ')})",
                    "gain (95%)": f"{gain['value']:+.2f} ({gain['low']:+.2f} .. {gain['high']:+.2f})",
                    "n": str(gain["n"]),
                }
            )
    return rows


def _spread(one: Mapping[str, Any]) -> str:
    return f"{_share(one['value'])} ({_share(one['low'])} .. {_share(one['high'])})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f}%"


if __name__ == "__main__":
    main()

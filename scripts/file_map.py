"""Writes the list of all files into docs/architecture.md: each with the first line of its docstring.

python scripts/file_map.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- files: scripts/file_map.py -->\n", "<!-- end of files -->\n"


def listing(package: Path = ROOT / "src" / "framefall") -> str:
    """A heading for each room and a row for each file of it."""
    rooms: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        room = path.parent.relative_to(package.parent).as_posix()
        if path.name == "__init__.py":
            rooms.setdefault(room, []).insert(0, f"\n**`{room}/`** {text}\n\n| file | what is in it |\n|---|---|\n")
        else:
            rooms.setdefault(room, []).append(f"| `{path.name}` | {text.replace('|', '&#124;')} |\n")
    return "".join("".join(rooms[room]) for room in sorted(rooms))


def with_listing(page: str) -> str:
    """The page with the list between its two marks renewed."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + listing() + "\n" + END + tail


if __name__ == "__main__":
    PAGE.write_text(with_listing(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

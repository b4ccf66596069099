"""A source as a folder of names."""

from pathlib import Path

import pytest
from encodes import textured
from PIL import Image

from framefall.data.remote.place import Piece, Place
from framefall.data.remote.skeleton import Skeleton, unsafe
from framefall.data.remote.tree import tree
from framefall.data.scan import scan


@pytest.mark.parametrize(
    "name", ["../a.mp4", "/a.mp4", "a/../b.mp4", "a\\b.mp4", "a\0.mp4", "C:/a.mp4", "", "a//b.mp4", "./a", "x" * 201]
)
def test_names_that_lead_elsewhere_are_none(name: str) -> None:
    assert unsafe(name) and not unsafe("in/a b-é.mp4")


def test_what_is_a_video_is_decided_as_in_the_folder_itself(tmp_path: Path) -> None:
    """Frames, single pictures of other sizes with numbers for names, patterns, masks and texts."""
    source = tmp_path / "source"
    for folder, size in (("seq", 8), ("odd", 8), ("two", 10), ("masks", 8)):
        (source / folder).mkdir(parents=True)
        for number in range(size):
            side = 8 + (number if folder == "odd" else 0)
            Image.fromarray(textured(1, side, side)[0]).save(source / folder / f"{number:03d}.png")
    for number in range(9):
        Image.fromarray(textured(1, 8, 8)[0]).save(source / "two" / f"b{number}.png")
    (source / "fps.txt").write_text("12")
    (source / "seq" / "fps.txt").write_text("12")
    (source / "seq.txt").write_text("frames of noise")
    (tmp_path / "names").mkdir()
    skeleton = Skeleton(tmp_path / "names")
    for name, file in tree(source).files.items():
        skeleton.add(name, Piece(name, file.url, 0, file.size), file.identity)
    items = skeleton.items().items
    assert [item.name for item in items] == [path.relative_to(source).as_posix() for path in scan(source)]
    places = {item.name: item.place for item in items}
    assert isinstance(places["seq"], Place) and len(places["seq"].pieces) == 9  # with its rate
    assert next(item for item in items if item.name == "seq").annotate().caption == "frames of noise"

"""What a source consists of."""

from pathlib import Path

from framefall.data.captions import Annotation
from framefall.data.item import Item, Items


def test_an_item_is_all_of_its_file_unless_it_says_otherwise() -> None:
    item = Item("a.mp4", Path("a.mp4"), lambda: Annotation("words"))
    assert item.span is None and item.group == item.identity == "" and item.annotate().caption == "words"
    assert Items((item,)).left_out == {}

import pytest

from framefall import memory


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 << 30), ("512 MB", 512 << 20), ("1.5g", 3 << 29), ("2GiB", 2 << 30), (1000, 1000), (None, None)],
)
def test_a_size_is_read_as_people_write_it(text, size):
    assert memory.size_of(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "4XB", "nan", "1e9GB", float("inf")])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="memory must be given like 4GB"):
        memory.size_of(text)


def test_what_is_free_and_what_is_taken_are_sizes_of_this_machine():
    assert 10 << 20 < memory.used() < 1 << 40 and 0 < memory.free() < 1 << 46
    assert memory.written(3 << 30) == "3.0 GB" and memory.written(5 << 20) == "5 MB"


def test_freed_memory_goes_back():
    memory.give_back_at_once()
    before = memory.used()
    block = bytearray(b"x") * (128 << 20)
    assert memory.used() > before + (100 << 20)
    del block
    assert memory.used() < before + (20 << 20)

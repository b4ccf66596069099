import numpy as np
import pytest
from encodes import textured

from framefall.data.cached.npy import frame_file, frame_offset


def test_frames_that_come_one_by_one_are_a_whole_array(tmp_path):
    frames = np.stack(textured(7))
    with frame_file(tmp_path / "a.npy") as file:
        for count, frame in enumerate(frames, start=1):
            file.append(frame)
            assert file.frames == count and file.shape == (count, *frame.shape)
    assert np.array_equal(np.load(tmp_path / "a.npy"), frames)


def test_a_frame_lies_where_the_offset_says(tmp_path):
    frames = np.stack(textured(3))
    with frame_file(tmp_path / "a.npy") as file:
        for frame in frames:
            file.append(frame)
    shape, offset = frame_offset(tmp_path / "a.npy")
    assert shape == frames.shape
    raw = (tmp_path / "a.npy").read_bytes()
    assert len(raw) == offset + frames.nbytes
    assert raw[offset + frames[0].nbytes :][: frames[1].nbytes] == frames[1].tobytes()


def test_until_it_is_closed_the_header_does_not_count_what_was_added(tmp_path):
    with frame_file(tmp_path / "a.npy") as file:
        for frame in textured(3):
            file.append(frame)
        file._stream.flush()
        assert frame_offset(tmp_path / "a.npy")[0][0] == 0  # a writer that is killed leaves no frame that counts


def test_frames_of_two_sizes_are_not_mixed(tmp_path):
    with pytest.raises(AssertionError), frame_file(tmp_path / "a.npy") as file:
        file.append(np.zeros((4, 4, 3), np.uint8))
        file.append(np.zeros((4, 5, 3), np.uint8))

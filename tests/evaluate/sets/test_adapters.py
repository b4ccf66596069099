import json
import math

import av
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from framefall.evaluate.sets.adapters import (
    VBENCH_DIMENSIONS,
    frechet_with,
    fvd,
    load_detector,
    read_vbench,
    write_for_vbench,
)
from framefall.evaluate.sets.distribution import FEWEST, frechet, kernel_of_clips


class SmallDetector(nn.Module):
    """A network with the call of FVD's I3D file, and far fewer weights."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv3d(3, 5, kernel_size=(2, 4, 4), stride=(2, 4, 4))
        nn.init.zeros_(self.mix.bias)
        with torch.no_grad():
            self.mix.weight.copy_(torch.linspace(-1, 1, self.mix.weight.numel()).sin().reshape(self.mix.weight.shape))

    def forward(self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = True) -> Tensor:
        if rescale:
            x = x / 127.5 - 1.0
        return self.mix(x).mean(dim=(2, 3, 4))


class Other(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture(scope="module")
def detector_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "i3d_torchscript.pt"
    torch.jit.script(SmallDetector()).save(str(path))
    return path


def clips(seed: int, shift: float = 0.0, n: int = FEWEST) -> list[tuple[Tensor, float]]:
    random = torch.Generator().manual_seed(seed)
    return [((torch.rand(1, 3, 10, 16, 16, generator=random) * 1.6 - 0.8 + shift).clamp(-1, 1), 24.0) for _ in range(n)]


pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


def test_fvd_is_the_frechet_distance_of_the_files_features(detector_file) -> None:
    detector = load_detector(detector_file)
    one, other = clips(1), clips(2, shift=0.3)
    found = fvd(other, one, detector)
    rows = [np.stack([detector(video).double().numpy() for video, _ in given]) for given in (other, one)]
    assert found.value == pytest.approx(frechet(*rows)) and found.name == "fvd"
    assert found.value > 10 * fvd(clips(3), one, detector).value  # the control: an equal set
    network = SmallDetector()
    pixels = ((one[0][0] + 1) * 127.5).round()
    torch.testing.assert_close(detector(one[0][0]), network(pixels)[0], atol=1e-5, rtol=1e-4)


def test_a_number_carries_the_file_that_it_is_made_with(detector_file, tmp_path) -> None:
    changed = tmp_path / detector_file.name
    network = SmallDetector()
    nn.init.ones_(network.mix.bias)
    torch.jit.script(network).save(str(changed))
    labels = [fvd(clips(1), clips(2), load_detector(path)).features for path in (detector_file, changed)]
    assert labels[0] != labels[1] and all("i3d_torchscript.pt (sha256 " in label for label in labels)
    assert len(load_detector(detector_file).sha256) == 64


def test_a_file_that_does_not_fit_is_said_in_a_sentence(tmp_path) -> None:
    with pytest.raises(ValueError, match="there is none at"):
        load_detector(tmp_path / "missing.pt")
    text = tmp_path / "text.pt"
    text.write_text("no network")
    with pytest.raises(ValueError, match="must be a TorchScript file"):
        load_detector(text)
    other = tmp_path / "other.pt"
    torch.jit.script(Other()).save(str(other))
    with pytest.raises(ValueError, match="as the I3D of FVD does"):
        load_detector(other)(clips(1)[0][0])


@pytest.mark.parametrize("shape", [(1, 3, 9, 16, 16), (1, 4, 10, 16, 16)])
def test_clips_that_do_not_fit_are_said_in_a_sentence(detector_file, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="10 frames or more"):
        load_detector(detector_file)(torch.zeros(shape))


def test_grey_clips_are_taken_as_three_equal_channels(detector_file) -> None:
    detector, grey = load_detector(detector_file), clips(1)[0][0][:, :1]
    torch.testing.assert_close(detector(grey), detector(grey.expand(-1, 3, -1, -1, -1)))


def test_features_of_ones_own_make_any_published_distance() -> None:
    def brightness(video: Tensor, fps: float) -> Tensor:
        return torch.stack((video.mean(), video.std(), torch.tensor(fps)))

    far, near = (frechet_with(clips(4, shift), clips(5), brightness, "cd-fvd", "brightness 1") for shift in (0.2, 0.0))
    assert far.value > 10 * near.value and (far.name, far.features) == ("cd-fvd", "brightness 1")
    jedi = frechet_with(clips(4, 0.2), clips(5), brightness, "jedi", "brightness 1", measure=kernel_of_clips)
    assert jedi.value > 0 and jedi.value != far.value
    assert math.isnan(frechet_with(clips(4, n=3), clips(5), brightness, "cd-fvd", "brightness 1").value)
    with pytest.raises(ValueError, match="label must name"):
        frechet_with(clips(4), clips(5), brightness, "cd-fvd", "")


def test_clips_are_written_as_vbench_reads_them(tmp_path) -> None:
    video = clips(1)[0][0]
    command = write_for_vbench([("one", video, 8.0), ("grey", video[:, :1], 24.0)], tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["grey.mp4", "one.mp4"]
    assert f"--videos_path {tmp_path}" in command and all(word in command for word in VBENCH_DIMENSIONS)
    with av.open(str(tmp_path / "one.mp4")) as container:
        assert container.streams.video[0].average_rate == 8
        assert sum(1 for _ in container.decode(video=0)) == 10
    with pytest.raises(ValueError, match="one clip or more"):
        write_for_vbench([], tmp_path)
    with pytest.raises(ValueError, match="do as a file's name"):
        write_for_vbench([("../one", video, 8.0)], tmp_path)


def test_the_results_of_vbench_are_read_by_clip_under_its_own_name(tmp_path) -> None:
    path = tmp_path / "run_eval_results.json"
    clips_ = [{"video_path": f"/x/{name}.mp4", "video_results": value} for name, value in (("one", 0.5), ("two", True))]
    path.write_text(json.dumps({"subject_consistency": [0.75, clips_]}))
    assert read_vbench(path) == {"vbench_subject_consistency": {"one": 0.5, "two": 1.0}}
    for text in ("[]", '{"subject_consistency": 3}', "{", '{"subject_consistency": [1, [{}]]}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="result file of VBench"):
            read_vbench(path)

"""A clip out of networks that `framefall export` wrote, by numpy and the runtime of their format, without Framefall.

python run_exported.py FOLDER STAGE clip.npy [SEED]

The states of the prompt's tokens, and what super-resolution is shown of the stage below, are inputs that lie in
STAGE.npz. Without a seed the noise is the one that lies there too, and the end is compared with Framefall's own.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np


def onnx(path):
    """A session of ONNX Runtime."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # it warns of what it does not fold
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda given: session.run(["x0"], given)[0]


def openvino(path):
    """A network that OpenVINO compiled for this CPU, in full precision."""
    import openvino

    network = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda given: network(given)["x0"]


def torch_export(path):
    """A program of torch, which its own loader reads: only of files that you trust."""
    import torch

    network, names = torch.export.load(path).module(), ("x_t", "t", *about["inputs"])
    return lambda given: network(*(torch.from_numpy(given[name]) for name in names)).detach().numpy()


folder, stage, output, *seed = sys.argv[1:]
export = json.loads((Path(folder) / "export.json").read_text())
about = export["stages"][stage]
network = {"onnx": onnx, "openvino": openvino, "torch-export": torch_export}[export["format"]](
    Path(folder) / about["file"]
)

arrays = dict(np.load(Path(folder) / f"{stage}.npz"))
ours, x = arrays.pop("clip"), arrays.pop("x_t")
if seed:  # a bridge begins at its prior, with noise on it; the usual walk at noise alone
    if "prior" in arrays:
        raise SystemExit("another seed is for a stage that begins from noise")
    x = np.random.default_rng(int(seed[0])).standard_normal(x.shape).astype(np.float32)


def clock(time):
    """A diffusion time as the network takes it: one number a clip, or one a frame."""
    return np.full((1, x.shape[2]) if about["time_a_frame"] else (1,), time, np.float32)


walk = list(zip(about["times"], about["alpha"], about["sigma"], strict=True))
for (t, alpha, sigma), (next_t, next_alpha, next_sigma) in pairwise(walk):
    if "until" in arrays:  # a distilled network is told where the step goes to
        arrays["until"] = clock(next_t)
    given = {"x_t": x.astype(np.float32), "t": clock(t), **arrays}
    x0 = network(given)
    kept = next_sigma / sigma  # Euler's step along the path through x that starts at x0
    x = (kept * x + (next_alpha - kept * alpha) * x0).astype(np.float32)

np.save(output, x)  # [clip, channel, frame, row, column], -1 .. 1
print(f"{output}: {x.shape[2]} frames of {x.shape[4]}x{x.shape[3]} at {about['fps']:g} a second")
if not seed:
    print(f"largest difference from Framefall's own clip: {np.abs(x - ours).max():.1e}")

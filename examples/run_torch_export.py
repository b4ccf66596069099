"""A clip out of networks that `framefall export --format torch-export` wrote, by numpy and without Framefall.

python run_torch_export.py FOLDER STAGE clip.npy [SEED]

The states of the prompt's tokens, and what super-resolution is shown of the stage below, are inputs that lie in
STAGE.npz. Without a seed the noise is the one that lies there too, and the end is compared with Framefall's own.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

folder, stage, output, *seed = sys.argv[1:]
about = json.loads((Path(folder) / "export.json").read_text())["stages"][stage]
network = torch.export.load(Path(folder) / about["file"]).module()  # only of files that you trust

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
    x0 = network(*(torch.from_numpy(given[name]) for name in ("x_t", "t", *about["inputs"]))).detach().numpy()
    kept = next_sigma / sigma  # Euler's step along the path through x that starts at x0
    x = (kept * x + (next_alpha - kept * alpha) * x0).astype(np.float32)

np.save(output, x)  # [clip, channel, frame, row, column], -1 .. 1
what = "latents" if about["latents"] else "pixels"
print(f"{output}: {x.shape[2]} frames of {x.shape[4]}x{x.shape[3]} {what} at {about['fps']:g} a second")
if not seed:
    print(f"largest difference from Framefall's own clip: {np.abs(x - ours).max():.1e}")

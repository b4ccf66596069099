"""A small world for forecasts: stirred two-dimensional flow in a box that repeats, in metres a second.

python examples/flow_world.py DIR [--count 64] [--frames 48] [--seed 0]

writes DIR/flow-000.nc and so on. The equations are those of an incompressible fluid, for its vorticity w:
dw/dt + u . grad w = forcing - drag w + viscosity laplace w, solved by Fourier series on 32 x 32 points. The forcing is
new random eddies at every step, so that even a perfect model cannot know what comes: its forecasts must be ensembles.
What is written is the mean of each 2 x 2 points, every third second.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import fft

from framefall.data.fields.field import Axis, Channel, Clock, Field
from framefall.data.fields.formats import write

POINTS, COARSE = 32, 16
LENGTH = 64.0  # metres a side
STEP = 3.0  # seconds between frames
INNER = 8  # steps of the solver between frames
SPIN_UP = 60  # frames before the first that is kept
DRAG, VISCOSITY, FORCING = 0.004, 0.05, 0.15


def simulate(count: int, frames: int, seed: int) -> np.ndarray:
    """Velocities of `count` flows, float32 [count, 2, frames, 16, 16]: to the right and upwards, metres a second."""
    generator = np.random.default_rng(seed)
    across, up = 2 * np.pi * fft.rfftfreq(POINTS, LENGTH / POINTS), 2 * np.pi * fft.fftfreq(POINTS, LENGTH / POINTS)
    kx, ky = (one.astype(np.float32) for one in np.meshgrid(across, up))
    square = kx**2 + ky**2
    inverse = np.where(square > 0, 1 / np.maximum(square, 1e-9), 0)
    whole = np.sqrt(square) * LENGTH / (2 * np.pi)  # waves in the box
    kept, ring = whole < POINTS / 3, (whole > 2.5) & (whole < 4.5)  # no aliases; the eddies that are stirred
    step = STEP / INNER
    decay = np.exp(-(DRAG + VISCOSITY * square) * step)
    vorticity = np.zeros((count, POINTS, POINTS // 2 + 1), np.complex64)

    def points(wave: np.ndarray) -> np.ndarray:
        return fft.irfft2(wave, s=(POINTS, POINTS))

    def velocity(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return points(1j * ky * inverse * w), points(-1j * kx * inverse * w)

    def carried(w: np.ndarray) -> np.ndarray:
        u, v = velocity(w)
        return kept * -fft.rfft2(u * points(1j * kx * w) + v * points(1j * ky * w))

    found = []
    for frame in range(SPIN_UP + frames):
        for _ in range(INNER):
            first = carried(vorticity)
            second = carried(vorticity + step * first)
            stirred = ring * fft.rfft2(generator.standard_normal((count, POINTS, POINTS), np.float32))
            vorticity = decay * (vorticity + step / 2 * (first + second) + FORCING * np.sqrt(step) * stirred)
        if frame >= SPIN_UP:
            both, block = np.stack(velocity(vorticity), axis=1), POINTS // COARSE
            found.append(both.reshape(count, 2, COARSE, block, COARSE, block).mean(axis=(3, 5)))
    return np.stack(found, axis=2).astype(np.float32)


def field() -> Field:
    """What the files say of the numbers."""
    middles = [(number + 0.5) * LENGTH / COARSE for number in range(COARSE)]
    return Field(
        channels=[Channel(name="u", units="m/s"), Channel(name="v", units="m/s")],
        rows=Axis(name="y", units="m", values=middles),
        columns=Axis(name="x", units="m", values=middles),
        clock=Clock(name="time", units="s", step=STEP),
    )


def write_flows(folder: Path, count: int, frames: int, seed: int) -> list[Path]:
    """Simulates flows and writes a NetCDF file for each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"flow-{number:03d}.nc" for number in range(count)]
    for path, values in zip(paths, simulate(count, frames, seed), strict=True):
        write(path, [values], field(), STEP * np.arange(frames))
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, default in (("count", 64), ("frames", 48), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    print(f"{len(write_flows(asked.folder, asked.count, asked.frames, asked.seed))} flows in {asked.folder}")

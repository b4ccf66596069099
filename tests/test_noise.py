"""Noise is a pure function of names, and looks like chance: both, bit for bit and by number."""

import math

import pytest
import torch

from framefall.noise import Key, _signed, normal, normal_field

KEY = Key(7, "base", "clip")
WHOLE = normal_field(KEY, 3, range(4), range(64), range(96))


@pytest.mark.parametrize(
    "channels, frames, rows, columns",
    [
        (3, [2], range(64), range(96)),  # one frame
        (3, [3, 0, 3, 1], range(64), range(96)),  # any frames in any order
        (3, range(1, 3), range(10, 20), range(11, 30)),  # a tile
        (3, range(4), range(13, 14), range(95, 96)),  # one odd pixel
        (1, range(4), range(63), range(1, 96)),  # fewer channels, odd sides
        (3, range(4), range(31, 64), range(7, 8)),
    ],
    ids=str,
)
def test_a_tile_sees_its_part_of_the_field(channels, frames, rows, columns):
    tile = normal_field(KEY, channels, frames, rows, columns)
    part = WHOLE[:channels, list(frames)][:, :, rows.start : rows.stop, columns.start : columns.stop]
    assert tile.shape == part.shape and torch.equal(tile, part)
    # the control: the corner of the same size is another part
    assert not torch.equal(tile, WHOLE[:channels, : len(frames), : len(rows), : len(columns)])


def test_many_odd_tiles_have_the_same_bits():
    key = Key(1, "tiles")
    for n in range(200):
        top, left = key.integer(60, n, 0), key.integer(90, n, 1)
        rows, columns = (
            range(top, top + 1 + key.integer(64 - top, n, 2)),
            range(left, left + 1 + key.integer(96 - left, n, 3)),
        )
        tile = normal_field(KEY, 3, [n % 4], rows, columns)
        assert torch.equal(tile[:, 0], WHOLE[:, n % 4, rows.start : rows.stop, columns.start : columns.stop])


def test_a_picture_worked_on_in_blocks_is_one_picture():
    """More than 2^18 words: rows are made block after block, on several cores."""
    big = normal_field(KEY, 3, [0], range(500), range(800))
    for top in range(0, 500, 77):
        rows = range(top, min(500, top + 77))
        assert torch.equal(normal_field(KEY, 3, [0], rows, range(800)), big[:, :, rows.start : rows.stop])
    assert torch.equal(big[:, :, :64, :96], WHOLE[:, :1])


def test_a_halo_outside_the_picture_has_noise_of_its_own():
    halo = normal_field(KEY, 3, range(4), range(-9, 70), range(-5, 100))
    assert torch.equal(halo[:, :, 9:73, 5:101], WHOLE)
    outside = halo[:, :, :9].flatten().tolist()
    assert len(set(outside) & set(WHOLE.flatten().tolist())) < 0.01 * len(outside)  # neither wrapped nor mirrored


def test_a_clip_does_not_depend_on_its_batch():
    keys = [Key(7, "base", f"clip{n}") for n in range(3)]
    batch = normal(keys, (3, 4, 16, 16))
    assert batch.shape == (3, 3, 4, 16, 16)
    for n, key in enumerate(keys):
        assert torch.equal(normal([key], (3, 4, 16, 16))[0], batch[n])
    assert torch.equal(normal(keys[::-1], (3, 4, 16, 16)), batch.flip(0))
    later = [normal_field(key, 3, range(2, 4), range(16), range(16)) for key in keys]
    assert torch.equal(torch.stack(later), batch[:, :, 2:])  # a window of a longer video


def test_torchs_own_generator_does_depend_on_the_batch():
    """The control: what the rest of this file proves, the usual way to draw noise does not do."""

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(7))

    assert not torch.equal(drawn(3, 4, 16, 16)[:, 2:], drawn(3, 2, 16, 16))
    assert not torch.equal(drawn(3, 4, 16, 16)[..., :8], drawn(3, 4, 16, 8))


def test_global_randomness_is_neither_read_nor_moved():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert torch.equal(normal_field(KEY, 3, range(4), range(64), range(96)), WHOLE)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "other", [Key(8, "base", "clip"), Key(7, "sr", "clip"), Key(7, "base", "clip2"), KEY.named("step1")], ids=str
)
def test_every_part_of_a_name_matters(other):
    field = normal_field(other, 3, range(4), range(64), range(96))
    assert not (field == WHOLE).double().mean() > 1e-3
    assert abs(correlation(field, WHOLE)) < five_errors(WHOLE)


def test_names_are_not_glued_together():
    assert len({Key(1, "a", "bc").word(), Key(1, "ab", "c").word(), Key(11, "a", "bc").word()}) == 3
    assert KEY.word(1, 23) != KEY.word(12, 3)


# Statistics: a quarter of a million numbers. Bounds are five standard errors, which chance breaks once in two
# million tests; the names are fixed, so that a test which passes once passes always.
FIELD = normal_field(Key(3, "statistics"), 4, range(16), range(64), range(64))


def five_errors(field: torch.Tensor) -> float:
    return 5 / math.sqrt(field.numel())


def correlation(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]).double())[0, 1])


def neighbours(field: torch.Tensor) -> dict[str, float]:
    """Correlations, of the numbers and of their squares, one and two places on along every axis."""
    found = {}
    for axis, name in enumerate(("channels", "frames", "rows", "columns")):
        for distance in (1, 2):
            size = field.shape[axis] - distance
            one, two = field.narrow(axis, 0, size), field.narrow(axis, distance, size)
            found[f"{name}+{distance}"] = correlation(one, two)
            found[f"{name}+{distance} squared"] = correlation(one.square(), two.square())
    return found


def distance_to_normal(field: torch.Tensor) -> float:
    """Kolmogorov and Smirnov's: the largest gap between the field's distribution and the normal one."""
    values = field.flatten().double().sort().values
    expected = torch.special.ndtr(values)
    ranks = torch.arange(len(values) + 1, dtype=torch.float64) / len(values)
    return float(torch.maximum(expected - ranks[:-1], ranks[1:] - expected).max())


def test_moments_are_those_of_the_normal_distribution():
    values, n = FIELD.double(), FIELD.numel()
    # standard errors of mean, variance, third and fourth moment of n normal numbers: sqrt(1, 2, 15, 96) / sqrt(n)
    for power, moment, error in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(values.pow(power).mean() - moment) < 5 * math.sqrt(error / n), power
    assert 4.2 < values.abs().max() < 6  # 2^18 numbers reach about 4.6; 24 bits can reach 5.9


def test_the_distribution_is_normal():
    limit = 1.95 / math.sqrt(FIELD.numel())  # one field in a thousand is further off
    assert distance_to_normal(FIELD) < limit
    assert distance_to_normal(FIELD * 1.02) > limit  # the control: two per cent too wide
    assert distance_to_normal((FIELD * 16).round() / 16) > limit  # and one: too few different numbers


def test_neighbours_know_nothing_of_each_other():
    for name, found in neighbours(FIELD).items():
        # squares of normal numbers have heavier tails: their sample correlation spreads the same, but less evenly
        assert abs(found) < 1.2 * five_errors(FIELD), name


def test_clips_frames_and_purposes_know_nothing_of_each_other():
    fields = [
        normal_field(Key(3, purpose, clip), 2, [0, 1000], range(64), range(64)) for purpose in "ab" for clip in "cd"
    ]
    fields += [field[:, [1, 0]] for field in fields]
    matrix = torch.corrcoef(torch.stack([field.flatten() for field in fields]).double())
    assert (matrix - torch.eye(len(fields))).abs().max() < five_errors(fields[0])


def test_a_counter_without_its_finaliser_is_no_noise():
    """The control: the same counters and the same Box-Muller, without SplitMix64's mixing in between."""
    place = torch.arange(FIELD.numel() // 2).reshape(4, 16, 64, 32)
    word = place * _signed(0x9E3779B97F4A7C15)
    radius = (((word >> 40) & 0xFFFFFF).double() + 0.5).mul(2.0**-24).log().mul(-2.0).sqrt()
    angle = (word & 0xFFFFFF).double() * (2.0 * math.pi * 2.0**-24)
    field = torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1).flatten(-2)
    assert max(abs(found) for found in neighbours(field).values()) > 10 * five_errors(field)


def test_single_numbers_are_uniform_whole_or_normal():
    uniform = torch.tensor([KEY.uniform(n) for n in range(4000)], dtype=torch.float64)
    assert uniform.min() >= 0 and uniform.max() < 1
    even = (torch.arange(4000) + 0.5) / 4000
    assert (uniform.sort().values - even).abs().max() < 1.95 / math.sqrt(4000)
    counts = torch.tensor([KEY.integer(5, n) for n in range(4000)]).bincount()
    assert len(counts) == 5 and (counts - 800).abs().max() < 5 * math.sqrt(4000 * 0.2 * 0.8)
    gauss = torch.tensor([KEY.gauss(n) for n in range(4000)], dtype=torch.float64)
    assert distance_to_normal(gauss) < 1.95 / math.sqrt(4000)


def test_a_name_means_the_same_for_ever():
    """Values on record: a change of these is a change of every video that a seed has ever made."""
    assert f"{Key(7, 'base', 'clip').word(3):016x}" == "91a2768a1903b24b"
    # to 1e-5: the logarithm and the sine of another machine may differ in the last bits
    torch.testing.assert_close(
        WHOLE[0, 0, 0, :4], torch.tensor([0.362401, 0.888479, -0.248802, -0.548009]), rtol=0, atol=1e-5
    )

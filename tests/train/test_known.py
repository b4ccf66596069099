from dataclasses import replace

import pytest
import torch

from framefall.diffusion.times import LogitNormal
from framefall.noise import Key
from framefall.train.known import DOUBTED, KnownShares, told

TIMES = LogitNormal(uniform_share=0.0)
SHAPE = (8, 12, 16)


def many(shares: KnownShares, count: int = 400, shape: tuple[int, int, int] = SHAPE):
    return [told(Key(0, "known", str(clip)), shares, TIMES, shape) for clip in range(count)]


def test_what_a_clip_is_told_is_a_function_of_its_key():
    for (t, mask), (again, same) in zip(many(KnownShares()), many(KnownShares()), strict=True):
        assert torch.equal(t, again) and torch.equal(mask, same)
    assert len({tuple(t.tolist()) for t, _ in many(KnownShares())}) == 400


def test_kinds_come_in_their_shares():
    kinds = {"frames": 0, "region": 0, "levels": 0, "nothing": 0}
    for t, mask in many(KnownShares(frames=0.3, region=0.2, levels=0.1), count=2000):
        whole = mask.amin((2, 3))[0]
        kind = "nothing"
        if whole.any():
            kind = "frames"
        elif mask.any():
            kind = "region"
        elif len(set(t.tolist())) > 1:
            kind = "levels"
        kinds[kind] += 1
    shares = {kind: count / 2000 for kind, count in kinds.items()}
    assert shares == pytest.approx({"frames": 0.3, "region": 0.2, "levels": 0.1, "nothing": 0.4}, abs=0.03)


def test_some_given_frames_may_err_a_little_and_are_learnt_then():
    shares = KnownShares(frames=1.0, region=0.0, levels=0.0, doubt=0.25)
    doubted = [t for t, mask in many(shares, 2000) if not mask.any()]
    assert len(doubted) / 2000 == pytest.approx(0.25, abs=0.03)
    for t in doubted:
        assert len(set(t.tolist())) == 2 and 0 < t.min() <= DOUBTED
    plain = many(replace(shares, doubt=0.0), 200)  # the others are told what they were told without
    pairs = zip(many(shares, 200), plain, strict=True)
    assert all(torch.equal(mask, same) for (_, mask), (_, same) in pairs if mask.any())


def test_given_frames_are_clean_and_the_others_share_a_time():
    ends, middle = set(), 0
    for t, mask in many(KnownShares(frames=1.0, region=0.0, levels=0.0)):
        given = mask[0, :, 0, 0] == 1
        assert 0 < given.sum() < 8 and torch.equal(mask[0].amin((1, 2)), mask[0].amax((1, 2)))
        assert not t[given].any() and len(set(t[~given].tolist())) == 1 and t[~given].min() > 0
        ends.add((bool(given[0]), bool(given[-1])))
        middle += bool(given[3:5].any() and not (given[0] or given[-1]))
    assert ends == {(True, False), (False, True), (True, True), (False, False)} and middle


def test_a_region_is_the_same_in_every_frame_and_neither_nothing_nor_everything():
    inside = []
    for t, mask in many(KnownShares(frames=0.0, region=1.0, levels=0.0)):
        assert len(set(t.tolist())) == 1 and (mask == mask[:, :1]).all() and set(mask.flatten().tolist()) == {0.0, 1.0}
        inside.append(bool(mask[0, 0, 0, 0]))
    assert 0.3 < sum(inside) / len(inside) < 0.8  # a corner is given: often all around a rectangle, or in it


def test_levels_are_drawn_for_every_frame_from_the_times_of_the_stage():
    drawn = torch.stack([t for t, _ in many(KnownShares(frames=0.0, region=0.0, levels=1.0))])
    logits = torch.logit(drawn)
    assert abs(float(logits.mean()) - TIMES.mean) < 0.05 and abs(float(logits.std()) - TIMES.std) < 0.05
    between = torch.corrcoef(logits.T) - torch.eye(8)
    assert between.abs().max() < 0.25  # independent: of 400 clips the largest of 28 stays below that


def test_a_shift_moves_the_times_of_clips_with_given_frames_and_of_no_others():
    only = {"frames": 1.0, "region": 0.0, "levels": 0.0}
    for plain, moved in zip(many(KnownShares(**only)), many(KnownShares(**only, shift=2.0)), strict=True):
        assert torch.equal(plain[1], moved[1])
        made = plain[0] > 0
        assert torch.equal(made, moved[0] > 0)
        odds = [torch.logit(t[made].double()) for t in (plain[0], moved[0])]  # of noise against data: twice as high
        torch.testing.assert_close(odds[1] - odds[0], torch.full_like(odds[0], 2.0).log(), rtol=0, atol=1e-3)
    for others in ({"frames": 0.0, "region": 1.0, "levels": 0.0}, {"frames": 0.0, "region": 0.0, "levels": 1.0}):
        for plain, moved in zip(many(KnownShares(**others)), many(KnownShares(**others, shift=2.0)), strict=True):
            assert torch.equal(plain[0], moved[0])


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_are_told_no_more_than_they_have(frames):
    for t, mask in many(KnownShares(frames=1.0, region=0.0, levels=0.0), 100, (frames, 4, 4)):
        assert t.shape == (frames,) and mask.shape == (1, frames, 4, 4) and not mask.all()
        assert mask.any() == (frames > 1)


@pytest.mark.parametrize("change", [{"frames": -0.1}, {"frames": 0.9}])
def test_shares_that_are_none_are_refused(change):
    with pytest.raises(ValueError, match="shares of known must be at least 0 and together at most 1, got"):
        replace(KnownShares(), **change)


def test_a_shift_of_nothing_is_refused():
    with pytest.raises(ValueError, match="shift of known must be a finite number above 0, got 0"):
        KnownShares(shift=0.0)

"""What ranks do together, on two real processes over gloo; this file is also the program that each rank runs."""

import json
from pathlib import Path

import children
import pytest
import torch

from framefall import ranks


def test_a_single_process_is_rank_0_of_1_and_keeps_its_values() -> None:
    tensor = torch.tensor([1.0, 2.0])
    ranks.join()
    ranks.average_([tensor])
    ranks.barrier()
    assert (ranks.rank(), ranks.world_size(), ranks.agree([3.5])) == (0, 1, [3.5])
    assert tensor.tolist() == [1.0, 2.0]
    ranks.leave()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of two ranks saw."""
    where = tmp_path_factory.mktemp("ranks")
    return children.reports(children.ranks(Path(__file__), 2, folder=where), where)


def test_two_processes_know_who_they_are(reports: list[dict]) -> None:
    assert [(report["rank"], report["world_size"]) for report in reports] == [(0, 2), (1, 2)]


def test_the_average_is_the_mean_over_ranks_in_every_tensor(reports: list[dict]) -> None:
    assert [report["before"] for report in reports] == [[[0.0, 1.0], [[2.0]]], [[10.0, 11.0], [[12.0]]]]
    for report in reports:
        assert report["average"] == [[5.0, 6.0], [[7.0]]]
    # the broken control: without the message the ranks differ
    assert reports[0]["before"] != reports[1]["before"]


def test_the_average_keeps_float64_and_works_on_weights(reports: list[dict]) -> None:
    for report in reports:
        assert report["fine"] == 1.0 + 2.0**-41  # float32 would round it to 1
        assert report["weight"] == [1.5, 1.5]
        assert report["nothing"] == []


def test_all_ranks_agree_on_rank_0s_values(reports: list[dict]) -> None:
    assert [report["own"] for report in reports] == [[0.1, -3.0], [1.1, -3.0]]
    assert [report["agreed"] for report in reports] == [[0.1, -3.0]] * 2


def test_all_ranks_hear_what_each_says_and_whether_it_is_so_for_all(reports: list[dict]) -> None:
    for report in reports:
        assert report["said"] == ["", "rank 1 says more: Grüße"]
        assert (report["some"], report["all"]) == (False, True)


def main() -> None:
    ranks.join()
    mine = ranks.rank()
    tensors = [torch.tensor([0.0, 1.0]) + 10 * mine, torch.tensor([[2.0]]) + 10 * mine]
    report: dict[str, object] = {"rank": mine, "world_size": ranks.world_size()}
    report["before"] = [tensor.tolist() for tensor in tensors]
    ranks.average_(iter(tensors))
    report["average"] = [tensor.tolist() for tensor in tensors]
    fine = torch.tensor(1.0 + mine * 2.0**-40, dtype=torch.float64)
    weight = torch.nn.Parameter(torch.full((2,), 1.0 + mine))
    nothing: list[torch.Tensor] = []
    ranks.average_([fine])
    ranks.average_([weight])
    ranks.average_(nothing)
    own = [0.1 + mine, -3.0]
    report |= {"fine": fine.item(), "weight": weight.tolist(), "nothing": nothing}
    report |= {"own": own, "agreed": ranks.agree(own)}
    report["said"] = ranks.gather("rank 1 says more: Grüße" if mine else "")
    report |= {"some": ranks.all_of(mine == 0), "all": ranks.all_of(mine < 2)}
    ranks.barrier()
    ranks.leave()
    print(json.dumps(report))


if __name__ == "__main__":
    main()

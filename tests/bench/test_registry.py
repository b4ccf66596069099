import pytest

from framefall.bench import registry
from framefall.bench.registry import BENCHMARKS, Options, benchmark
from framefall.progress import Done, Stepped


def test_the_names_are_those_that_are_promised() -> None:
    promised = {"limits", "attention", "backbones", "render", "validity", "worlds", "presets", "engines", "trackers"}
    promised |= {"generate", "guidance", "train", "uses", "plan", "cascade"}
    assert BENCHMARKS.keys() == promised and list(BENCHMARKS) == sorted(BENCHMARKS)


def test_a_benchmark_is_an_operation_whose_result_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(options: Options):  # type: ignore[no-untyped-def]
        yield Stepped(0, 1, "a thing")
        return {"results": {"seconds": options.seconds}}

    monkeypatch.setitem(registry.BENCHMARKS, "short", short)
    events = list(benchmark.events("short", Options(seconds=2.0)))
    assert sum(isinstance(event, Done) for event in events) == 1
    found = benchmark("short", Options(seconds=2.0))
    assert found["name"] == "short" and found["results"] == {"seconds": 2.0} and found["ratios"] == {}


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="got 'speed'"):
        benchmark("speed", Options())

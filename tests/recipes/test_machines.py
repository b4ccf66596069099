import pytest

from framefall.recipes.machines import DEVICES, machine_of


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_says_what_it_is_and_of_when_its_price_is(name: str) -> None:
    device = DEVICES[name]
    low, middle, high = device.used
    assert 0 < low < middle < high < 1 and device.flops > 1e14 and device.memory > 1e10
    assert device.price is None or ("2026" in device.priced and "assumption" in device.priced)


def test_a_machine_is_so_many_of_them() -> None:
    one, many = machine_of("8xH100"), machine_of("64xh100", price=1.5)
    assert one.count == 8 and one.link == DEVICES["H100"].link
    assert many.link == DEVICES["H100"].network < one.link  # other machines are further away
    assert many.device.price == 1.5 and many.device.priced == "as given"


@pytest.mark.parametrize("text", ["8xTPU", "H100", "0xH100", "x", "-1xA100", "9999999999xH100"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="like 8xH100"):
        machine_of(text)
    with pytest.raises(ValueError, match="price must be"):
        machine_of("8xH100", price=-1.0)

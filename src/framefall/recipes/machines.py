"""Machines that a training may be planned for: what each can do, and what it costs, as assumptions that are printed."""

import re
from dataclasses import dataclass
from typing import Literal

Share = tuple[float, float, float]  # pessimistic, expected, optimistic


@dataclass(frozen=True, kw_only=True)
class Device:
    """One accelerator, by its maker's data sheet; prices are assumptions, of a date."""

    flops: float  # a second: dense products in bfloat16
    memory: float  # bytes
    bandwidth: float  # bytes a second of its memory
    link: float  # bytes a second to the others of its machine, one way
    network: float  # bytes a second to other machines, its share of one
    node: int = 8  # devices of one machine
    price: float | None = None  # US dollars an hour
    priced: str = ""  # when, and by what
    used: Share = (0.2, 0.33, 0.45)  # of `flops` in training, as published runs of such networks have it


_ASSUMED = "November 2026, an assumption and nobody's offer: set your own with --price"

DEVICES: dict[str, Device] = {
    "A100": Device(flops=312e12, memory=80e9, bandwidth=2.0e12, link=300e9, network=25e9, price=1.8, priced=_ASSUMED),
    "H100": Device(flops=989e12, memory=80e9, bandwidth=3.35e12, link=450e9, network=50e9, price=3.0, priced=_ASSUMED),
    "H200": Device(flops=989e12, memory=141e9, bandwidth=4.8e12, link=450e9, network=50e9, price=3.6, priced=_ASSUMED),
    "L40S": Device(flops=362e12, memory=48e9, bandwidth=0.86e12, link=32e9, network=12.5e9, price=1.1, priced=_ASSUMED),
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """So many devices of a kind."""

    name: str
    count: int
    device: Device

    @property
    def link(self) -> float:
        """Bytes a second that a device sends to the others, where its slowest way decides."""
        return self.device.link if self.count <= self.device.node else self.device.network


THIS: Literal["this"] = "this"


def machine_of(text: str, price: float | None = None) -> Machine:
    """The machine in "8xH100". Raises `ValueError` for anything else."""
    found = re.fullmatch(r"(\d+)x([A-Za-z0-9]+)", text)
    if found is None or found[2].upper() not in DEVICES or not 0 < int(found[1]) <= 1 << 20:
        raise ValueError(f"a machine must be given like 8xH100, of {', '.join(DEVICES)}, or be {THIS}; got {text!r}")
    device = DEVICES[found[2].upper()]
    if price is not None:
        if not 0 <= price < 1e6:
            raise ValueError(f"price must be dollars an hour of a device, got {price:g}; try 3")
        device = Device(**{**vars(device), "price": price, "priced": "as given"})
    return Machine(name=text, count=int(found[1]), device=device)

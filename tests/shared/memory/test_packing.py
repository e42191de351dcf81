"""Bits of a quantised weight, as MLX packs it."""

from __future__ import annotations

import pytest

from shared.memory.packing import bits_per_weight, packed_size


@pytest.mark.parametrize(
    ("bits", "groups"),
    [
        (3, (4.0, 3.5, 3.25)),
        (4, (5.0, 4.5, 4.25)),
        (5, (6.0, 5.5, 5.25)),
        (6, (7.0, 6.5, 6.25)),
        (8, (9.0, 8.5, 8.25)),
    ],
)
def test_a_scale_and_an_offset_come_with_each_group(bits: int, groups: tuple[float, ...]) -> None:
    assert tuple(float(bits_per_weight("affine", bits, size)) for size in (32, 64, 128)) == groups


@pytest.mark.parametrize(("mode", "bits"), [("affine", 4.5), ("mxfp4", 4.25), ("mxfp8", 8.25), ("nvfp4", 4.5)])
def test_every_mode_has_its_own_default(mode: str, bits: float) -> None:
    assert bits_per_weight(mode) == bits


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="int7"):
        bits_per_weight("int7")


def test_layers_may_be_packed_in_their_own_way_or_not_at_all() -> None:
    mixed = {"bits": 4, "group_size": 64, "head": {"bits": 8, "group_size": 64}, "router": False, "first": True}
    tensors = {"first": 800, "head": 800, "router": 800}
    assert packed_size(tensors, mixed) == 450 + 850 + 1600
    assert packed_size(tensors, None) == 3 * 1600

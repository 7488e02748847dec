"""Each kind of layer, for any number of rows, against the plainest convolution there is."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.wake.lean_layers import Chain, Layer

BANDS = 8
KINDS = {"first": (3, 3, 1), "time": (3, 1, 5), "bands": (1, 3, 5)}
OUTPUTS = 6


def layer(kind: str, pool: tuple[int, int] = (1, 1), slope: float = 0.2, least: float = -0.4) -> Layer:
    high, wide, inputs = KINDS[kind]
    numbers = np.random.default_rng(len(kind))
    weights = numbers.standard_normal((high, wide, inputs, OUTPUTS)).astype("f4")
    return Layer(weights, numbers.standard_normal(OUTPUTS).astype("f4"), pool, slope, least)


def heard(kind: str, rows: int) -> np.ndarray:
    return np.random.default_rng(rows).standard_normal((rows, BANDS, KINDS[kind][2])).astype("f4")


def plain(x: np.ndarray, of: Layer) -> np.ndarray:
    """Convolve sum by sum, then pool, then what is done to negative numbers; before the first row there are zeros."""
    high, wide = of.weights.shape[:2]
    padded = np.pad(x.astype("f8"), ((high - 1, 0), (wide // 2, wide // 2), (0, 0)))
    y = np.zeros((*x.shape[:2], OUTPUTS)) + of.bias
    for down in range(high):
        for across in range(wide):
            y += padded[down : down + len(x), across : across + BANDS] @ of.weights[down, across]
    tall, broad = of.pool
    y = y.reshape(len(x) // tall, tall, BANDS // broad, broad, OUTPUTS).max(axis=(1, 3))
    return y if of.slope == 1 else np.maximum(np.where(y < 0, y * of.slope, y), of.least)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 8, 12, 22])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_a_convolution_of_all_that_came(kind: str, rows: int) -> None:
    """What came in pieces is convolved as if it had come at once."""
    chain = Chain((layer(kind),), rows, BANDS, KINDS[kind][2])
    x = heard(kind, 4 * rows)
    found = np.concatenate([chain.process(x[at : at + rows]) for at in range(0, len(x), rows)])
    assert np.abs(found - plain(x, layer(kind))).max() < 1e-4


@pytest.mark.parametrize("pool", [(1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize("kind", ["time", "bands"])
def test_a_pool_takes_the_largest(kind: str, pool: tuple[int, int]) -> None:
    x = heard(kind, 8)
    found = Chain((layer(kind, pool),), 8, BANDS, KINDS[kind][2]).process(x)
    assert found.shape == (8 // pool[0], BANDS // pool[1], OUTPUTS)
    assert np.abs(found - plain(x, layer(kind, pool))).max() < 1e-4


def test_a_layer_without_more_is_linear() -> None:
    x = heard("time", 4)
    linear = layer("time", slope=1.0, least=-np.inf)
    found = Chain((linear,), 4, BANDS, 5).process(x)
    assert np.abs(found - plain(x, linear)).max() < 1e-4
    assert found.min() < -0.4


def test_what_comes_out_is_the_callers() -> None:
    chain = Chain((layer("time"),), 4, BANDS, 5)
    first = chain.process(heard("time", 4))
    kept = first.copy()
    chain.process(heard("time", 4) + 1)
    assert (first == kept).all()


def test_a_chain_of_another_length_goes_on_where_one_ended() -> None:
    layers = (layer("first"), Layer(*_six_to_six()))
    x = heard("first", 30)
    whole = Chain(layers, 30, BANDS).process(x)
    eight, two = Chain(layers, 8, BANDS), Chain(layers, 2, BANDS)
    found = [eight.process(x[:8]), eight.process(x[8:16])]
    two.follow(eight)
    found += [two.process(x[16:18]), two.process(x[18:20]), two.process(x[20:22])]
    eight.follow(two)
    found.append(eight.process(x[22:]))
    assert np.abs(np.concatenate(found) - whole).max() < 1e-4


def _six_to_six() -> tuple[np.ndarray, np.ndarray, tuple[int, int], float, float]:
    weights = np.random.default_rng(1).standard_normal((3, 1, OUTPUTS, OUTPUTS)).astype("f4")
    return weights, np.zeros(OUTPUTS, "f4"), (1, 1), 0.2, -0.4

"""Names of the frozen layers inside a cell, as `get_config` saves them.

A name is a path: the name of a chain in the cell, then for each depth the
index of a layer among its siblings: `"fit_0"`, `"block_1_left/2"`,
`"block_1_left/2/0"`. `DropPath` layers are not counted: a cell has them only
if its rate is above 0.
"""

from collections.abc import Iterable, Iterator

import keras

from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.layers.walk import all_layers, child_layers


def frozen_names(cell: keras.Layer) -> list[str]:
    """Returns the names of the frozen layers inside a built cell.

    Layers inside a frozen layer are left out: they are frozen with it.
    """
    names: list[str] = []
    inside: set[str] = set()  # Frozen layers and their descendants.
    for name, layer in _named_layers(cell):
        if name.rpartition("/")[0] in inside:
            inside.add(name)
        elif not layer.trainable:
            inside.add(name)
            names.append(name)
    return names


def freeze(cell: keras.Layer, names: Iterable[str | int]) -> None:
    """Freezes layers inside a built cell.

    Args:
        cell: A cell layer.
        names: Names that `frozen_names` returned, or integers, as in older
            files: positions in the order of `all_layers`.

    Raises:
        ValueError: If a name is unknown.
    """
    layers: dict[str | int, keras.Layer] = dict(_named_layers(cell))
    inner = all_layers(cell, include_self=False)
    layers.update(enumerate(_without_drop_path(inner)))
    for name in names:
        if name not in layers:
            raise ValueError(
                f"`frozen` must name layers inside {cell.name}: "
                f"{', '.join(map(str, layers))}. Received: {name!r}"
            )
        layers[name].trainable = False


def _named_layers(cell: keras.Layer) -> Iterator[tuple[str, keras.Layer]]:
    """Yields each layer inside a cell and its name, parents first."""
    for chain in _without_drop_path(child_layers(cell)):
        yield chain.name, chain
        yield from _descendants(chain, chain.name)


def _descendants(
    layer: keras.Layer, name: str
) -> Iterator[tuple[str, keras.Layer]]:
    for number, child in enumerate(_without_drop_path(child_layers(layer))):
        yield f"{name}/{number}", child
        yield from _descendants(child, f"{name}/{number}")


def _without_drop_path(layers: list[keras.Layer]) -> list[keras.Layer]:
    return [layer for layer in layers if not isinstance(layer, DropPath)]

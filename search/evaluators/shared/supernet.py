"""A network of supercells whose weights all children share."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.networks.build import build_network
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.networks.heads import output_dtype
from nasnet_keras.networks.stacks import (
    Stacker,
    add_stacks,
    add_stem,
    network_conventions,
)
from nasnet_keras.search.evaluators.shared.candidates import Candidates
from nasnet_keras.search.evaluators.shared.optimizer import TakenSGD
from nasnet_keras.search.evaluators.shared.supercell import (
    BatchStatistics,
    SuperCell,
)
from nasnet_keras.training.optimizers import (
    allow_unused_weights,
    compile_model,
    make_optimizer,
)
from nasnet_keras.training.recipes import Recipe


class _SuperStacker(Stacker):
    """Adds supercells in place of cells.

    Args:
        config: `NetworkConfig`.
        images: Keras tensor.
        architecture: Keras tensor `(batch, numbers)`.
        candidates: `Candidates`.

    Attributes:
        sources: Dictionary, name of a cell -> names of the layers that it
            reads; `None` stands for the images.
    """

    def __init__(self, config, images, architecture, candidates):
        conventions = network_conventions(config)
        super().__init__(
            config, images, BatchStatistics(**dataclasses.asdict(conventions))
        )
        self.architecture = architecture
        self.candidates = candidates
        self.sources = {}
        self._names = {id(images): None}  # Of the layers, by output tensor.
        self._supercells = {}  # By output tensor.

    def add(self, name, tensor, strides):
        super().add(name, tensor, strides)
        self._names[id(tensor)] = name

    def last_name(self):
        """Returns the name of the newest layer."""
        return self._names[id(self.states[-1].tensor)]

    def add_cell(self, layer_class, cell, filters, name, hide_previous=False):
        states, input_strides = self.states_for(cell, hide_previous)
        normal = layer_class.strides == 1
        candidates = self.candidates
        layer = SuperCell(
            candidates.normal if normal else candidates.reduction,
            layer_class.strides,
            filters,
            input_strides,
            self.conventions,
            offset=0 if normal else candidates.normal.length,
            sources=[self._supercells.get(id(s.tensor)) for s in states],
            name=name,
        )
        tensors = [state.tensor for state in states]
        self.sources[name] = [self._names[id(tensor)] for tensor in tensors]
        output = layer([*tensors, self.architecture])
        self._supercells[id(output)] = layer
        self.cells += 1
        self.add(name, output, layer.strides)


def check_can_share(candidates: Candidates) -> None:
    """Raises ValueError unless the candidates can share weights."""
    if candidates.normal.inputs > 2 and not candidates.fixed_outputs:
        raise ValueError(
            "Shared weights take cells of one or two input states, or "
            "cells that output all their blocks. Received: "
            f"{candidates.normal.inputs} input states"
        )


class Supernet:
    """A network whose weights all children of a space share.

    Args:
        candidates: `Candidates`.
        cells_per_stack: Integer, N of a child.
        filters: Integer, F of a child.
        side: Integer, height and width of the images in pixels.
        classes: Integer.
        stem: `"cifar"` or `"imagenet"`.
        channels: Integer, of the images.

    Attributes:
        config: `NetworkConfig` of a child, with a placeholder genotype.
        model: `keras.Model`. Inputs: images `(batch, side, side, channels)`
            of 0 to 255, and the architecture `(batch, numbers)`, of which
            only the first row is used. Output: class probabilities.

    Raises:
        ValueError: If the candidates cannot share weights.
    """

    def __init__(
        self,
        candidates: Candidates,
        cells_per_stack: int,
        filters: int,
        side: int,
        classes: int,
        stem: str = "cifar",
        channels: int = 3,
    ):
        check_can_share(candidates)
        self.candidates = candidates
        data_format = keras.config.image_data_format()
        self.config = NetworkConfig(
            _placeholder_genotype(candidates.normal.inputs),
            cells_per_stack=cells_per_stack,
            filters=filters,
            stem=stem,
            classes=classes,
            input_shape=image_shape(side, data_format, channels),
            include_preprocessing=True,
        )
        self.model = self._build()

    def _build(self):
        images = keras.Input(self.config.input_shape, name="images")
        architecture = keras.Input(
            (self.candidates.length,), dtype="int32", name="architecture"
        )
        dtype = output_dtype()
        scaled = keras.layers.Rescaling(
            1 / 127.5, -1.0, dtype=dtype, name="preprocessing"
        )
        stack = _SuperStacker(
            self.config, scaled(images), architecture, self.candidates
        )
        add_stem(stack)
        add_stacks(stack)
        self._sources = {**stack.sources, "predictions": [stack.last_name()]}
        x = stack.states[-1].tensor
        x = keras.layers.ReLU(dtype=dtype, name="top_relu")(x)
        x = keras.layers.GlobalAveragePooling2D(
            data_format=stack.conventions.data_format,
            dtype=dtype,
            name="global_pool",
        )(x)
        outputs = keras.layers.Dense(
            self.config.classes,
            activation="softmax",
            dtype=dtype,
            name="predictions",
        )(x)
        return keras.Model([images, architecture], outputs, name="supernet")

    def compile(self, recipe: Recipe, steps_per_epoch: int) -> None:
        """Compiles the training step; see `compile_model`.

        Args:
            recipe: `Recipe` of SGD.
            steps_per_epoch: Integer.
        """
        optimizer = TakenSGD.from_config(
            make_optimizer(recipe, steps_per_epoch).get_config()
        )
        compile_model(self.model, recipe, steps_per_epoch, optimizer)

    @property
    def variables(self) -> list[Any]:
        """Everything that training changes: weights and optimizer state."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def train(
        self, genotype: Genotype, images: np.ndarray, labels: np.ndarray
    ) -> None:
        """Takes one training step with the weights of one genotype.

        Args:
            genotype: `Genotype`.
            images: Array, a batch of values of 0 to 255.
            labels: One-hot array `(batch, classes)`.
        """
        inputs = self._inputs(genotype, images)
        with allow_unused_weights():  # Those of the other architectures.
            self.model.train_on_batch(inputs, labels)

    def predict(self, genotype: Genotype, images: np.ndarray) -> np.ndarray:
        """Returns a genotype's class probabilities for a batch of images."""
        return self.model.predict_on_batch(self._inputs(genotype, images))

    def _inputs(self, genotype, images):
        numbers = self.candidates.encode(genotype)
        return [images, np.tile(numbers, (len(images), 1))]

    def child(self, genotype: Genotype) -> keras.Model:
        """Returns a separate network with a copy of a genotype's weights.

        Its moving averages are new, so its outputs equal the supernet's only
        with batch statistics: `child(images, training=True)`.

        Args:
            genotype: `Genotype` of the space.

        Raises:
            ValueError: If the genotype is not in the space.
        """
        self.candidates.encode(genotype)
        child, _ = build_network(self.config.replace(genotype=genotype))
        for layer in child.layers:
            ours = self.model.get_layer(layer.name) if layer.weights else None
            if isinstance(ours, SuperCell):
                self._copy_cell(ours, layer, genotype)
            elif ours is not None:
                sources = self._sources.get(layer.name, [None])
                channels = self._child_channels(sources[0], genotype)
                _copy_weights(ours, layer, channels)
        return child

    def _copy_cell(self, ours, cell, genotype):
        """Copies the weights of a supercell to a child's cell."""
        candidates = ours.candidates
        numbers = candidates.encode(cell.cell)
        channels = [
            self._child_channels(source, genotype)
            for source in self._sources[cell.name]
        ]
        channels += [channels[0]] * (candidates.inputs - len(channels))
        for source, target, read in zip(ours.projections, cell.fits, channels):
            if target.weights:
                _copy_weights(source, target, read)
        for place, paths in enumerate(cell.paths):
            states = numbers[5 * place : 5 * place + 2]
            operations = numbers[5 * place + 2 : 5 * place + 4]
            slots = ours.distinct_slots(candidates.inputs + place)
            for side, state in enumerate(states):
                slot = slots.index(ours.state_slots[state])
                source = ours.operations[place][side][slot][operations[side]]
                read = channels[state] if state < len(channels) else None
                _copy_weights(source, paths[side], read)
            if cell.merges[place] is not None:
                merge = ours.merges[place][numbers[5 * place + 4]]
                _copy_weights(merge, cell.merges[place])

    def _child_channels(self, name, genotype):
        """Returns the indices of a supercell's output channels that a child
        has; `None` for other layers."""
        layer = self.model.get_layer(name) if name else None
        if not isinstance(layer, SuperCell):
            return None
        cell = genotype.normal if layer.strides == 1 else genotype.reduction
        blocks = [state - cell.inputs for state in cell.concat]
        width = np.arange(layer.filters)
        return np.concatenate([layer.filters * b + width for b in blocks])


def _placeholder_genotype(inputs):
    """Returns a genotype that reads as many input states as the candidates."""
    cell = Cell([Block((0, 0), ["identity"] * 2)], (inputs,), inputs)
    return Genotype(cell, cell)


def _copy_weights(source, target, channels=None):
    """Copies trainable weights.

    Args:
        source: Layer of the supernet.
        target: Layer of a child.
        channels: Indices of the input channels that the child has, where the
            source reads all channels of a supercell.
    """
    pairs = zip(source.trainable_weights, target.trainable_weights, strict=True)
    for ours, theirs in pairs:
        values = ops.convert_to_numpy(ours)
        if values.shape != theirs.shape:
            values = np.take(values, channels, axis=-2)
        theirs.assign(values)

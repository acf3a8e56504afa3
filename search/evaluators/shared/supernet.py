"""One network of supercells, whose weights all children share."""

import dataclasses

import keras
import numpy as np
from keras import ops

from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.networks.build import NASNet, make_plan
from nasnet_keras.networks.stacks import Stacker, add_stacks, add_stem
from nasnet_keras.search.evaluators.shared.supercell import (
    BatchStatistics,
    SuperCell,
)
from nasnet_keras.training.optimizers import (
    allow_unused_weights,
    compile_model,
)


class _SuperStacker(Stacker):
    """Lays supercells where a network has cells."""

    def __init__(self, plan, images, architecture, candidates):
        super().__init__(plan, images)
        self.architecture = architecture
        self.candidates = candidates
        self.readers = {}  # Name of a layer -> names of what it reads.
        self.names = {id(images): None}
        self.supercells = {}  # Of the tensors that they make.

    def add(self, name, tensor, strides):
        super().add(name, tensor, strides)
        self.names[id(tensor)] = name

    def add_cell(self, layer_class, cell, filters, name, hide_previous=False):
        states, input_strides = self.states_for(cell, hide_previous)
        normal = layer_class.strides == 1
        candidates = self.candidates
        layer = SuperCell(
            candidates.normal if normal else candidates.reduction,
            layer_class.strides,
            filters,
            input_strides,
            self.plan.conventions,
            offset=0 if normal else candidates.normal.length,
            sources=[self.supercells.get(id(s.tensor)) for s in states],
            name=name,
        )
        tensors = [state.tensor for state in states]
        self.readers[name] = [self.names[id(tensor)] for tensor in tensors]
        output = layer([*tensors, self.architecture])
        self.supercells[id(output)] = layer
        self.cells += 1
        self.add(name, output, layer.strides)


class Supernet:
    """The network that shares its weights among all children of a space.

    Args:
        candidates: `Candidates`.
        cells_per_stack: Integer, N of a child.
        filters: Integer, F of a child.
        side: Integer, of the square images.
        classes: Integer.
        stem: `"cifar"` or `"imagenet"`.
        channels: Integer, of the images.

    Attributes:
        model: `keras.Model`. Inputs: images `(batch, side, side, channels)`
            of 0 to 255, and the architecture `(batch, numbers)`, of which the
            first row counts. Output: class probabilities.
    """

    def __init__(
        self,
        candidates,
        cells_per_stack,
        filters,
        side,
        classes,
        stem="cifar",
        channels=3,
    ):
        if candidates.normal.inputs > 2 and not candidates.fixed_outputs:
            raise ValueError(
                "Shared weights take cells of one or two input states, or "
                "cells that put out all their blocks. Received: "
                f"{candidates.normal.inputs} input states"
            )
        self.candidates = candidates
        self.arguments = {
            "cells_per_stack": cells_per_stack,
            "filters": filters,
            "stem": stem,
        }
        plan = make_plan(self._any_genotype(), **self.arguments)
        self.arguments |= {
            "classes": classes,
            "input_shape": image_shape(
                side, plan.conventions.data_format, channels
            ),
        }
        conventions = BatchStatistics(**dataclasses.asdict(plan.conventions))
        plan = dataclasses.replace(plan, conventions=conventions)
        images = keras.Input(self.arguments["input_shape"], name="images")
        scaled = keras.layers.Rescaling(1 / 127.5, -1.0, name="preprocessing")(
            images
        )
        numbers = keras.Input(
            (candidates.length,), dtype="int32", name="architecture"
        )
        stack = _SuperStacker(plan, scaled, numbers, candidates)
        add_stem(stack, plan)
        add_stacks(stack, plan)
        x = keras.layers.ReLU(name="top_relu")(stack.states[-1].tensor)
        x = keras.layers.GlobalAveragePooling2D(
            data_format=plan.conventions.data_format, name="global_pool"
        )(x)
        outputs = keras.layers.Dense(
            classes, activation="softmax", name="predictions"
        )(x)
        self.model = keras.Model([images, numbers], outputs, name="supernet")
        last = stack.names[id(stack.states[-1].tensor)]
        self.readers = {**stack.readers, "predictions": [last]}

    def _any_genotype(self):
        """One that reads as many input states as the candidates."""
        inputs = self.candidates.normal.inputs
        cell = Cell([Block((0, 0), ["identity"] * 2)], (inputs,), inputs)
        return Genotype(cell, cell)

    def compile(self, recipe, steps_per_epoch):
        """Compiles the one training step; see `compile_model`."""
        compile_model(self.model, recipe, steps_per_epoch)

    @property
    def variables(self):
        """All that training changes: weights, and the optimizer's state."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def train(self, genotype, images, labels):
        """Takes a training step with the weights of one genotype.

        Args:
            genotype: `Genotype`.
            images: Array, a batch of values of 0 to 255.
            labels: One-hot array `(batch, classes)`.
        """
        inputs = self._inputs(genotype, images)
        with allow_unused_weights():  # Those of all other architectures.
            self.model.train_on_batch(inputs, labels)

    def predict(self, genotype, images):
        """Returns the class probabilities of a batch under a genotype."""
        return self.model.predict_on_batch(self._inputs(genotype, images))

    def _inputs(self, genotype, images):
        numbers = self.candidates.encode(genotype)
        return [images, np.tile(numbers, (len(images), 1))]

    def child(self, genotype):
        """Returns a network of its own with this one's weights.

        Its moving averages are new: it agrees with the supernet where it
        normalizes by the batch, `child(images, training=True)`.

        Args:
            genotype: `Genotype` of the space.
        """
        self.candidates.encode(genotype)  # Refuses what is not in it.
        child = NASNet(genotype, include_preprocessing=True, **self.arguments)
        for layer in child.layers:
            ours = self.model.get_layer(layer.name) if layer.weights else None
            if isinstance(ours, SuperCell):
                self._copy_cell(ours, layer, genotype)
            elif ours is not None:
                sources = self.readers.get(layer.name, [None])
                self._copy(ours, layer, self._rows_of(sources[0], genotype))
        return child

    def _copy_cell(self, ours, cell, genotype):
        candidates = ours.candidates
        numbers = candidates.encode(cell.cell)
        rows = [self._rows_of(s, genotype) for s in self.readers[cell.name]]
        rows += [rows[0]] * (candidates.inputs - len(rows))
        for fit, theirs, row in zip(ours.fits, cell.fits, rows):
            if theirs.weights:
                self._copy(fit, theirs, row)
        for place, paths in enumerate(cell.paths):
            states = numbers[5 * place : 5 * place + 2]
            operations = numbers[5 * place + 2 : 5 * place + 4]
            kinds = list(dict.fromkeys(ours.kinds[: candidates.inputs + place]))
            for side in (0, 1):
                state = states[side]
                kind = kinds.index(ours.kinds[state])
                chain = ours.slots[place][side][kind][operations[side]]
                row = rows[state] if state < len(rows) else None
                self._copy(chain, paths[side], row)
            if cell.merges[place] is not None:
                merge = ours.merges[place][numbers[5 * place + 4]]
                self._copy(merge, cell.merges[place])

    def _rows_of(self, name, genotype):
        """Which channels of a layer's output a child of a genotype has."""
        layer = self.model.get_layer(name) if name else None
        if not isinstance(layer, SuperCell):
            return None
        cell = genotype.normal if layer.strides == 1 else genotype.reduction
        made = [state - cell.inputs for state in cell.concat]
        width = np.arange(layer.filters)
        return np.concatenate([layer.filters * place + width for place in made])

    @staticmethod
    def _copy(ours, theirs, rows=None):
        pairs = zip(
            ours.trainable_weights, theirs.trainable_weights, strict=True
        )
        for source, target in pairs:
            values = ops.convert_to_numpy(source)
            if values.shape != target.shape:  # It reads all of a cell.
                values = np.take(values, rows, axis=-2)
            target.assign(values)

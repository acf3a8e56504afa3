"""Metrics that keep a value of every training step.

The logs of `fit` are averages over an epoch, and come once per execution.
These record each step from within the compiled step, on every backend.
"""

import keras
import numpy as np
from keras import ops


class Recorder(keras.metrics.Metric):
    """Value by step of a function of the predictions; never reset."""

    def __init__(self, function, steps, name):
        super().__init__(name=name)
        self.function = function
        self.steps = steps
        self.record = self.add_variable((steps,), "zeros", name="record")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        place = ops.equal(ops.arange(self.steps, dtype="float32"), self.count)
        value = ops.cast(self.function(y_pred), "float32")
        record = ops.convert_to_tensor(self.record)
        self.record.assign(ops.where(place, value, record))
        self.count.assign(self.count + 1.0)

    def result(self):
        return ops.sum(self.record)

    def reset_state(self):
        pass


class History:
    """The records of a model made by `observed_model`."""

    def __init__(self, recorders):
        self.recorders = recorders

    def values(self):
        """Returns largest value and mean of squares, each `(steps,)`."""
        for recorder in self.recorders:
            assert int(recorder.count) == recorder.steps
        return [
            np.array(ops.convert_to_numpy(recorder.record))
            for recorder in self.recorders
        ]


def observed_model(layer, steps, shape=(1,), **compile_arguments):
    """A compiled model that feeds ones through `layer`, and its `History`.

    The dense layer multiplies by one and does not learn: it is there because
    training something without weights is warned of.
    """
    inputs = keras.Input(shape)
    scale = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(inputs, scale(layer(inputs)))
    recorders = [
        Recorder(ops.max, steps, "largest"),
        Recorder(lambda y: ops.mean(ops.square(y)), steps, "squares"),
    ]
    model.compile(
        keras.optimizers.SGD(0.0),
        "mse",
        metrics=recorders,
        **compile_arguments,
    )
    return model, History(recorders)


def assert_rates(observed, rates, examples):
    """The mean of squares of dropped ones is 1 / keep, up to the drawing.

    The largest value is 1 / keep exactly.

    Args:
        observed: What `History.values` gives.
        rates: The rate expected at each step.
        examples: Integer, the examples in each step, of one value each.
    """
    largest, squares = observed
    keep = 1 - np.array(rates)
    np.testing.assert_allclose(largest, 1 / keep, rtol=1e-6)
    deviation = np.sqrt((1 / keep**3 - 1 / keep**2) / examples)
    assert (np.abs(squares - 1 / keep) <= 4 * deviation + 1e-6).all()

"""SGD of the branches that were taken: the others stay where they are."""

import keras
import numpy as np
import pytest

from nasnet_keras.search.evaluators.shared.optimizer import TakenSGD

GRADIENTS = [[1.0, 2.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0], [-1.0, 0.5]]


@pytest.mark.parametrize("nesterov", [False, True])
def test_by_hand(nesterov):
    variable = keras.Variable(np.array([1.0, -1.0], "float32"))
    optimizer = TakenSGD(0.1, momentum=0.9, nesterov=nesterov)
    optimizer.build([variable])
    value, momentum = np.array([1.0, -1.0]), np.zeros(2)
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        gradient = np.array(gradient)
        if gradient.any():  # Some weights of a taken branch may have none.
            momentum = 0.9 * momentum - 0.1 * gradient
            step = 0.9 * momentum - 0.1 * gradient if nesterov else momentum
            value = value + step
        np.testing.assert_allclose(np.array(variable), value, rtol=1e-6)


def test_momentum_moves_keras_own_on():
    """What it is there to prevent."""
    found = []
    for optimizer_class in (TakenSGD, keras.optimizers.SGD):
        variable = keras.Variable(np.zeros(1, "float32"))
        optimizer = optimizer_class(0.1, momentum=0.9)
        optimizer.build([variable])
        for gradient in (1.0, 0.0, 0.0):
            optimizer.apply([keras.ops.full((1,), gradient)], [variable])
        found.append(float(np.array(variable)[0]))
    np.testing.assert_allclose(found, [-0.1, -0.1 * (1 + 0.9 + 0.81)])

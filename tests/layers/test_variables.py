"""`shared_names`: TensorFlow's names, and nothing else, are the same."""

import keras
import numpy as np
import pytest

from nasnet_keras import NASNET_A, NormalCell
from nasnet_keras.layers.variables import shared_names


@pytest.fixture(autouse=True)
def tf():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow's variables have names")
    return pytest.importorskip("tensorflow")


def test_variables_of_a_cell():
    x = keras.random.normal((1, 8, 8, 4))
    cell = NormalCell(NASNET_A.normal, 4)
    cell([x, x])
    paths = [variable.path for variable in cell.weights]
    assert len({*paths}) == len(paths)
    names = {variable.value.name for variable in cell.weights}
    assert len(names) == 7  # Three kinds of kernels, four of batch norms.
    assert "gamma:0" in names
    expected = [keras.ops.convert_to_numpy(x) for x in cell.weights]
    cell.weights[0].assign(cell.weights[0] + 1)
    for before, variable in list(zip(expected, cell.weights))[1:]:
        np.testing.assert_array_equal(before, variable)


def test_variables_in_a_graph_stay_apart(tf):
    """There, variables of one name would be one."""
    with tf.Graph().as_default(), shared_names():
        variables = [tf.Variable(float(n), name="gamma") for n in range(2)]
        with tf.compat.v1.Session() as session:
            session.run([variable.initializer for variable in variables])
            assert session.run(variables) == [0.0, 1.0]


def test_a_variable_without_a_name(tf):
    with shared_names(), tf.name_scope("outside"):
        assert tf.Variable(0.0).name == "variable:0"

"""Batches of a NumPy function are numbered."""

from nasnet_keras.training.feeds.pipelines import NumPyBatches


def test_numpy_batches_are_numbered_from_the_first():
    batches = NumPyBatches(lambda number: number * 10, first=3)
    assert [batches[i] for i in range(3)] == [30, 40, 50]
    assert batches.num_batches is None
    batches = NumPyBatches(lambda number: number, number=4)
    assert batches.num_batches == 4 and list(batches) == [0, 1, 2, 3]

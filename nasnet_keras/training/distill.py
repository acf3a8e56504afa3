"""A small network learns from a large one, with `keras.distillation`.

Hinton et al. 2015 (arXiv 1503.02531).
"""

import keras
from keras import ops

SMALLEST = 1e-7  # Of a probability whose logarithm is taken.


@keras.saving.register_keras_serializable(package="nasnet_keras")
class ProbabilityDistillation(keras.distillation.LogitsDistillation):
    """`LogitsDistillation` for networks whose outputs are probabilities.

    Logarithms of probabilities are logits but for a constant, which no
    softmax sees.

    Args: those of `keras.distillation.LogitsDistillation`.
    """

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        return super().compute_loss(
            _logits(teacher_outputs), _logits(student_outputs), **kwargs
        )


def _logits(probabilities):
    return ops.log(ops.maximum(probabilities, SMALLEST))


@keras.saving.register_keras_serializable(package="nasnet_keras")
class DecayingDistiller(keras.distillation.Distiller):
    """`Distiller` that heeds the student's regularizers, which Keras' drops."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return ops.sum(ops.stack([loss, *self.student.losses]))


def make_distiller(student, teacher, weight=0.5, temperature=3.0):
    """Returns a model whose training is the student's, with a teacher.

    The loss is `(1 - weight)` times the student's own and `weight` times the
    divergence from the teacher, plus the student's weight decay.

    Args:
        student: Compiled `keras.Model` with one output, probabilities. Its
            optimizer, loss and metrics are used; save the student, not the
            distiller.
        teacher: `keras.Model` of the same classes that takes the same
            images. It is frozen.
        weight: Float from 0 to 1.
        temperature: Positive float.

    Returns:
        A compiled `keras.distillation.Distiller`.

    Raises:
        ValueError: If one of them has several outputs, or the teacher takes
            or tells apart something else.
    """
    for name, model in (("student", student), ("teacher", teacher)):
        if len(model.outputs) != 1:
            raise ValueError(
                f"`{name}` must have one output: Keras' Distiller adds losses "
                "unweighted. Train without auxiliary head "
                "(`auxiliary_weight=0`), and give a teacher without one. "
                f"Received: outputs={[x.name for x in model.outputs]}"
            )
    distiller = DecayingDistiller(
        teacher,
        student,
        # Not by its name, which gives a function that Keras does not take for
        # the divergence: it would be computed of logits and learn nothing.
        ProbabilityDistillation(temperature, keras.losses.KLDivergence()),
        student_loss_weight=1 - weight,
    )
    distiller.compile(
        student.optimizer, loss=student.loss, metrics=["accuracy"]
    )
    return distiller

"""Distillation: a small network learns from a large one.

Hinton et al. 2015 (arXiv 1503.02531).
"""

import keras
from keras import ops

from nasnet_keras import checks

MIN_PROBABILITY = 1e-7  # Lower bound before the logarithm.


@keras.saving.register_keras_serializable(package="nasnet_keras")
class ProbabilityDistillation(keras.distillation.LogitsDistillation):
    """`LogitsDistillation` for networks whose outputs are probabilities.

    Log-probabilities differ from logits by a constant, which does not change
    a softmax.

    Args: see `keras.distillation.LogitsDistillation`.
    """

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        return super().compute_loss(
            _logits(teacher_outputs), _logits(student_outputs), **kwargs
        )


def _logits(probabilities):
    return ops.log(ops.maximum(probabilities, MIN_PROBABILITY))


@keras.saving.register_keras_serializable(package="nasnet_keras")
class DecayingDistiller(keras.distillation.Distiller):
    """`Distiller` that adds the student's regularization losses."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return ops.sum(ops.stack([loss, *self.student.losses]))


def make_distiller(
    student: keras.Model,
    teacher: keras.Model,
    weight: float = 0.5,
    temperature: float = 3.0,
) -> keras.Model:
    """Returns a model that trains the student with the teacher.

    The loss is `(1 - weight)` times the student's own and `weight` times the
    divergence from the teacher, plus the student's weight decay.

    Args:
        student: Compiled `keras.Model` with one output, probabilities. Its
            optimizer, loss and metrics are used; save the student, not the
            distiller.
        teacher: `keras.Model` with the same classes, for the same images. It
            is frozen.
        weight: Float from 0 to 1, of the teacher.
        temperature: Positive float.

    Returns:
        A compiled `keras.distillation.Distiller`.

    Raises:
        ValueError: If `weight` or `temperature` is out of range, one of the
            models has several outputs, or their inputs or outputs differ.
    """
    weight = checks.number("weight", weight, least=0, most=1)
    temperature = checks.number("temperature", temperature, above=0)
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
        # An instance: given the name, Keras makes a function, which it does
        # not recognize as the divergence and calls with logits.
        ProbabilityDistillation(temperature, keras.losses.KLDivergence()),
        student_loss_weight=1 - weight,
    )
    distiller.compile(
        student.optimizer, loss=student.loss, metrics=["accuracy"]
    )
    return distiller

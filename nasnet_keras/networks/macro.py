"""The macro-architecture of each family: everything but the cells.

Plain data for the other modules of this folder.
"""

import dataclasses

from nasnet_keras.checks import choice


@dataclasses.dataclass(frozen=True)
class AuxiliaryHead:
    """The auxiliary classifier, which is used in training.

    Args:
        place: Where it is attached: `"before"`, `"at"` or `"after"` the
            second reduction cell.
        filters: Two integers, of its two convolutions.
        strides: Integer, of its 5x5 pool; `imagenet_strides` with the
            ImageNet stem.
        imagenet_norm: Whether the second convolution is normalized with the
            ImageNet stem too.
    """

    place: str = "before"
    filters: tuple = (128, 768)
    strides: int = 3
    imagenet_strides: int = 3
    imagenet_norm: bool = True


@dataclasses.dataclass(frozen=True)
class Macro:
    """The macro-architecture of a family.

    Args:
        source: String, the code that it follows.
        reduces_within: Whether the first cell of each later stack reduces
            (PNASNet). Else there is a reduction cell between stacks.
        stem_cells: Whether the ImageNet stem ends in two reduction cells.
            Else it is three strided convolutions (DARTS).
        stem_twice: Whether the first cell reads the CIFAR stem as previous
            state too. Else it has none.
        final_relu: Whether there is a ReLU before the global pooling.
        classifier_bias: Whether the classifier has a bias.
        deeper_drops_more: Whether the drop-path rate grows with depth.
        alignment: `"tensorflow"` or `"pytorch"`, see
            `nasnet_keras.layers.pooling`.
        current_projections: Integer, see `nasnet_keras.Conventions`.
        always_project: Boolean, see `nasnet_keras.Conventions`.
        batch_norm: Triples: stem, momentum, epsilon.
        auxiliary: `AuxiliaryHead`.
    """

    source: str
    reduces_within: bool = False
    stem_cells: bool = True
    stem_twice: bool = False
    final_relu: bool = True
    classifier_bias: bool = True
    deeper_drops_more: bool = True
    alignment: str = "tensorflow"
    current_projections: int = 1
    always_project: bool = False
    batch_norm: tuple = (("imagenet", 0.9997, 1e-3), ("cifar", 0.9, 1e-5))
    auxiliary: AuxiliaryHead = AuxiliaryHead()

    def batch_norm_of(self, stem: str) -> tuple[float, float]:
        """Returns momentum and epsilon of batch normalization."""
        momentum, epsilon = {s: values for s, *values in self.batch_norm}[stem]
        return momentum, epsilon


MACROS = {
    "nasnet": Macro("TF-slim nasnet/nasnet.py"),
    "pnasnet": Macro("TF-slim nasnet/pnasnet.py", reduces_within=True),
    "amoebanet": Macro(
        "tensorflow/tpu amoeba_net/model_builder.py",
        deeper_drops_more=False,
        auxiliary=AuxiliaryHead(filters=(51, 307)),
    ),
    # The authors' auxiliary head pools after its second convolution, which
    # does not span the map. Ours is NASNet's head, at the authors' position.
    "enas": Macro(
        "melodyguan/enas cifar10/micro_child.py",
        stem_twice=True,
        classifier_bias=False,
        current_projections=2,
        auxiliary=AuxiliaryHead(place="after"),
    ),
    "darts": Macro(
        "quark0/darts cnn/model.py",
        stem_cells=False,
        stem_twice=True,
        final_relu=False,
        deeper_drops_more=False,
        alignment="pytorch",
        always_project=True,
        batch_norm=(("imagenet", 0.9, 1e-5), ("cifar", 0.9, 1e-5)),
        auxiliary=AuxiliaryHead(
            place="at", imagenet_strides=2, imagenet_norm=False
        ),
    ),
}


def find_macro(name: str) -> Macro:
    """Returns the `Macro` of a family by name.

    Raises:
        ValueError: If there is none of that name.
    """
    return MACROS[choice("macro", name, tuple(MACROS))]

"""Names of conventions that layers and networks share. Needs no Keras."""

POOLING_SEMANTICS = ("tf_slim", "keras")
# The position of strided windows on a side of even length.
ALIGNMENTS = ("tensorflow", "pytorch")

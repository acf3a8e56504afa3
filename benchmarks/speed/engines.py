"""Networks on JAX and torch, as `gpu.py` runs them: inference, training."""

from subjects import TIMM, build

CPU = "cpu"


def device_name(engine):
    """Name of the device on which a backend computes in this process."""
    if engine == "jax":
        import jax

        return jax.devices()[0].device_kind
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else CPU


class Jax:
    """A Keras model on JAX, compiled."""

    def __init__(self, subject, shape):
        import jax
        import jax.numpy as jnp

        self.model = build(subject)
        self.images = jax.random.normal(jax.random.key(0), shape)
        self.labels = jnp.arange(shape[0]) % 1000
        self.wait = jax.block_until_ready
        self.weights = [
            [x.value for x in self.model.trainable_variables],
            [x.value for x in self.model.non_trainable_variables],
        ]

    def inference(self):
        import jax

        @jax.jit
        def infer(trained, state, images):
            call = self.model.stateless_call
            return call(trained, state, images, training=False)[0]

        return lambda: infer(*self.weights, self.images)

    def training(self):
        import jax
        import keras

        optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
        optimizer.build(self.model.trainable_variables)
        loss = keras.losses.SparseCategoricalCrossentropy()

        def loss_of(trained, state, images, labels):
            outputs, state = self.model.stateless_call(
                trained, state, images, training=True
            )
            return loss(labels, outputs), state

        @jax.jit
        def step(trained, state, slots, *data):
            gradient = jax.grad(loss_of, has_aux=True)
            gradients, state = gradient(trained, state, *data)
            apply = optimizer.stateless_apply
            trained, slots = apply(slots, gradients, trained)
            return trained, state, slots

        now = [*self.weights, [x.value for x in optimizer.variables]]

        def run():
            now[:] = step(*now, self.images, self.labels)
            return now

        return run

    @staticmethod
    def product(side):
        import jax
        import jax.numpy as jnp

        left = jnp.ones((side, side), jnp.bfloat16)
        product = jax.jit(jnp.matmul)
        return lambda: product(left, left)


class Torch:
    """A module of torch: timm's, or a Keras model, which is one, too."""

    def __init__(self, subject, shape, compiled):
        import torch

        self.device = "cuda" if torch.cuda.is_available() else CPU
        self.model = build(subject).to(self.device)
        images = torch.randn(shape, device=self.device)
        if subject.library == TIMM:
            layout = {"memory_format": torch.channels_last}
            self.model = self.model.to(**layout)
            images = images.permute(0, 3, 1, 2).to(**layout)
        self.of_keras = subject.library != TIMM
        self.images = images
        self.labels = torch.arange(shape[0], device=self.device) % 1000
        self.call = torch.compile(self.model) if compiled else self.model

    def wait(self, _):
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()

    def _outputs(self, training):
        import torch

        if self.of_keras:  # Its layers have a policy.
            return self.call(self.images, training=training)
        with torch.autocast(self.device, torch.bfloat16):
            return self.call(self.images)

    def inference(self):
        import torch

        self.model.eval()

        @torch.inference_mode()
        def run():
            return self._outputs(False)

        return run

    def training(self):
        import torch

        self.model.train()
        optimizer = torch.optim.SGD(self.model.parameters(), 0.01, 0.9)

        def run():
            optimizer.zero_grad()
            outputs = self._outputs(True).float()
            # Keras' networks end in a softmax; the cost is the same.
            torch.nn.functional.cross_entropy(outputs, self.labels).backward()
            optimizer.step()

        return run

    def product(self, side):
        import torch

        left = torch.ones((side, side), device=self.device)
        left = left.to(torch.bfloat16)
        return lambda: left @ left

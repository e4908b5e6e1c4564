"""Time a training step beside the same model in PyTorch and in HIPS autograd.

Run with `python tests/benchmarks/training.py`; needs torch and autograd. All three take
the same steps on one thread, in turn; prints milliseconds a step, and the median of the
ratios of neighbouring runs. For the decoder, which is compared with PyTorch alone, also
what the film costs.
"""

import resource
import statistics
import time

import autograd
import autograd.numpy as anp
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from mha_utils.attention import positions
from mha_utils.decoder import Decoder, DecoderTraining, draw
from mha_utils.training import D_MODEL, InkLayer, Training, ink, training_corpus

ROUNDS, STEPS = 7, 40
NAMES = ("w_q", "w_k", "w_v")


class InTorch:
    """The same layer, loss and Adam, written as PyTorch's users write them."""

    def __init__(self, layer: InkLayer) -> None:
        self.h = layer.num_heads
        self.p = {
            name: torch.nn.Parameter(torch.from_numpy(array.copy()))
            for name, array in layer.parameters.items()
        }
        self.adam = torch.optim.Adam(self.p.values(), lr=0.01)

    def step(self, ids, inks, wanted, share) -> None:
        """Do one step."""
        p, (b, n) = self.p, ids.shape
        place = torch.from_numpy(positions(n, D_MODEL))
        x = p["words"][ids] + torch.from_numpy(inks) @ p["inks"] + place
        q, k, v = ((x @ p[w]).view(b, n, self.h, -1).transpose(1, 2) for w in NAMES)
        z = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        answers = z.transpose(1, 2).reshape(b, n, D_MODEL) @ p["w_o"]
        error = answers - torch.from_numpy(wanted)
        self.adam.zero_grad()
        (torch.from_numpy(share) * error**2).sum().backward()
        self.adam.step()


class DecoderInTorch:
    """The same decoder, loss and Adam."""

    def __init__(self, model: Decoder) -> None:
        self.h = model.num_heads
        self.p = {
            name: torch.nn.Parameter(torch.from_numpy(array.copy()))
            for name, array in model.parameters.items()
        }
        self.adam = torch.optim.Adam(self.p.values(), lr=0.01)
        self.rng = np.random.default_rng(0)

    def step(self) -> None:
        """Do one step."""
        p, ids = self.p, torch.from_numpy(draw(32, self.rng).ids)
        begin = self.rng.integers(0, 41, (32, 1))
        places = torch.from_numpy(begin + np.arange(ids.shape[1] - 1))
        place = torch.from_numpy(2 * positions(66, D_MODEL).astype(np.float32))
        b, n = places.shape
        x = p["words"][ids[:, :-1]] + place[places]
        for w in zip(*(p[f"w_{c}"] for c in "qkvo")):
            q, k, v = (
                (x @ w[i]).view(b, n, self.h, -1).transpose(1, 2) for i in (0, 1, 2)
            )
            z = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=True
            )
            x = x + z.transpose(1, 2).reshape(b, n, D_MODEL) @ w[3]
        scores = (x @ p["next"]).flatten(0, 1)
        self.adam.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores, ids[:, 1:].flatten() - 1)
        loss.backward()
        self.adam.step()


def in_autograd(parameters, h, ids, inks, wanted, share):
    """Return the loss as autograd can differentiate it."""
    p, (b, n) = parameters, ids.shape
    x = p["words"][ids] + anp.dot(inks, p["inks"]) + positions(n, D_MODEL)
    q, k, v = (
        anp.transpose(anp.reshape(anp.dot(x, p[w]), (b, n, h, -1)), (0, 2, 1, 3))
        for w in NAMES
    )
    scores = anp.matmul(q, anp.swapaxes(k, 2, 3)) / np.sqrt(D_MODEL // h)
    scores = scores + np.triu(np.full((n, n), -1e9), 1)
    powers = anp.exp(scores - anp.max(scores, axis=-1, keepdims=True))
    weights = powers / anp.sum(powers, axis=-1, keepdims=True)
    z = anp.reshape(anp.transpose(anp.matmul(weights, v), (0, 2, 1, 3)), (b, n, -1))
    return anp.sum(share * (anp.dot(z, p["w_o"]) - wanted) ** 2)


def decoder_row(layers: int, h: int) -> None:
    """Print a row for the decoder."""
    training = DecoderTraining(h, 0, num_layers=layers, steps=10**6)
    theirs = DecoderInTorch(training.model)
    taken: dict[str, list[float]] = {"ours": [], "torch": [], "unfilmed": []}
    for _ in range(ROUNDS):
        filmed = DecoderTraining(h, 0, num_layers=layers, steps=STEPS)  # every step
        steps = {
            "unfilmed": lambda: training.run(STEPS),
            "ours": lambda filmed=filmed: filmed.run(),
            "torch": lambda: [theirs.step() for _ in range(STEPS)],
        }
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            taken[name].append(1e3 * (time.perf_counter() - start) / STEPS)
    start = time.perf_counter()
    DecoderTraining(h, 0, num_layers=layers).run()
    seconds = time.perf_counter() - start
    beside, film = (
        statistics.median(a / b for a, b in zip(taken[one], taken[other]))
        for one, other in (("unfilmed", "torch"), ("ours", "unfilmed"))
    )
    ours, torchs = (statistics.median(taken[name]) for name in ("unfilmed", "torch"))
    print(f"{layers:6}{h:6}{ours:9.2f}{torchs:9.2f}{beside:11.2f}", end="")
    print(f"{film:7.3f}{seconds:19.1f}")


def main():
    """Print the table."""
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    print(f"{'heads':>5}{'ours':>9}{'PyTorch':>9}{'autograd':>10}", end="")
    print(f"{'/ PyTorch':>12}{'/ autograd':>12}{'whole training, s':>19}")
    for h in (1, 3, 8):
        training = Training(h, 0, steps=10**6)
        theirs = InTorch(training.layer)
        gradient = autograd.grad(in_autograd)
        corpus, rng = training_corpus(), np.random.default_rng(0)

        def batch(corpus=corpus, rng=rng):
            chosen = rng.integers(0, len(corpus.ids), 32)
            some = type(corpus)(*(array[chosen] for array in corpus))
            inks, wanted = ink(some, rng)
            share = (some.real / some.real.sum())[..., None]
            return some.ids, inks, wanted, share

        def with_autograd(training=training, gradient=gradient, h=h, batch=batch):
            training._adam(gradient(training.layer.parameters, h, *batch()))

        steps = {
            "ours": lambda training=training: training.run(1),
            "torch": lambda theirs=theirs, batch=batch: theirs.step(*batch()),
            "autograd": with_autograd,
        }
        taken = {name: [] for name in steps}
        for _ in range(ROUNDS):
            for name, step in steps.items():
                step()
                start = time.perf_counter()
                for _ in range(STEPS):
                    step()
                taken[name].append(1e3 * (time.perf_counter() - start) / STEPS)
        whole = Training(h, 0)
        start = time.perf_counter()
        whole.run()
        seconds = time.perf_counter() - start
        ratios = [
            statistics.median(a / b for a, b in zip(taken["ours"], taken[other]))
            for other in ("torch", "autograd")
        ]
        print(f"{h:5}", end="")
        for name, width in (("ours", 9), ("torch", 9), ("autograd", 10)):
            print(f"{statistics.median(taken[name]):{width}.2f}", end="")
        print(f"{ratios[0]:12.2f}{ratios[1]:12.2f}{seconds:19.1f}")
    print(
        f"\n{'layers':>6}{'heads':>6}{'ours':>9}{'PyTorch':>9}{'/ PyTorch':>11}", end=""
    )
    print(f"{'film':>7}{'whole training, s':>19}")
    for layers, h in ((2, 1), (1, 4), (2, 4)):
        decoder_row(layers, h)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory with PyTorch and autograd loaded: {peak:.0f} MB")


if __name__ == "__main__":
    main()

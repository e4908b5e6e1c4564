"""One trainable layer of attention heads, and the trainer of all trainable models.

The task is called ink. Every word of a sentence gets a random colour, three signs. At
every word the layer must say three colours: that of the subject, of the referent and of
the word before (`grammar.RELATIONS`), and zeros where there is none. To know a colour
it must look at the right word. Where that is, nobody tells it: the loss sees colours
alone.
"""

import unicodedata
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from mha_utils.attention import (
    causal_mask,
    merge_heads,
    positions,
    scaled_dot_product_attention,
    split_heads,
)
from mha_utils.grammar import NUMBER, PAD, RELATIONS, Corpus, encode, sentences
from mha_utils.guards import need_equal_groups, need_equal_heads
from mha_utils.maps import AttentionMaps
from mha_utils.text import START, words

D_MODEL = 48
INK = 3  # signs in a colour


class InkLayer:
    """Heads that carry colours from word to word; no residual, no other layer.

    Parameters
    ----------
    num_heads : int
        d_k = d_v = 48 / num_heads, so that the number of parameters stays the same.
    seed : int
        Of the random weights.
    num_kv_heads : int, optional
        How many key/value heads the heads share, as in `MultiHeadAttention`;
        as many as heads if not given.

    Attributes
    ----------
    parameters : dict
        ``words`` (vocabulary, d), ``inks`` (3, d), ``w_q`` (d, h*d_k), ``w_k``, ``w_v``
        (d, g*d_k), all heads side by side, and ``w_o`` (h*d_v, 9). All are float64: in
        float32 each kind of processor ends training with other heads, because what is
        rounded in another order grows from step to step.

    Raises
    ------
    ValueError
        If `num_heads` does not divide 48, or `num_kv_heads` does not divide it.
    """

    def __init__(
        self, num_heads: int, seed: int, num_kv_heads: int | None = None
    ) -> None:
        need_equal_heads(D_MODEL, num_heads)
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        need_equal_groups(num_heads, num_kv_heads)
        rng = np.random.default_rng(seed)
        d, answers = D_MODEL, len(RELATIONS) * INK
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        width = d // num_heads * num_kv_heads  # g*d_k
        self.parameters = {
            name: rng.normal(size=shape) / np.sqrt(fan_in)
            for name, shape, fan_in in (
                ("words", (len(NUMBER), d), 1),
                ("inks", (INK, d), 1),
                ("w_q", (d, d), d),
                ("w_k", (d, width), d),
                ("w_v", (d, width), d),
                ("w_o", (d, answers), d),
            )
        }

    @property
    def num_parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(array.size for array in self.parameters.values())

    def forward(self, ids: NDArray, inks: NDArray) -> tuple[NDArray, NDArray]:
        """Answer with colours.

        Parameters
        ----------
        ids : array (b, n) of int
            The words' numbers.
        inks : array (b, n, 3)
            Their colours.

        Returns
        -------
        answers : array (b, n, 9)
            Three colours for each word.
        weights : array (b, h, n, n)
        """
        self._kept = self._run(ids, inks)  # for `backward`
        *_, weights, z = self._kept
        b, n, _ = z.shape
        weights = weights.reshape(b, self.num_heads, n, n)
        return z @ self.parameters["w_o"], weights

    def _run(self, ids: NDArray, inks: NDArray) -> tuple[NDArray, ...]:
        """Compute all up to W_O and keep nothing: others may look during training."""
        p, (b, n) = self.parameters, ids.shape
        x = p["words"][ids] + inks @ p["inks"] + positions(n, D_MODEL)  # (b, n, d)
        q = self._in_groups(split_heads(x @ p["w_q"], self.num_heads))
        k, v = (  # (b, g, n, d_k)
            split_heads(x @ p[w], self.num_kv_heads) for w in ("w_k", "w_v")
        )
        # Causal, and so nobody sees what fills up; (h/g*n, n), the same for each head.
        mask = np.tile(causal_mask(n), (self.num_heads // self.num_kv_heads, 1))
        z, weights = scaled_dot_product_attention(q, k, v, mask)  # (b, g, h/g*n, d_v)
        z = merge_heads(z.reshape(b, self.num_heads, n, -1))  # (b, n, h*d_v)
        return ids, inks, x, q, k, v, weights, z

    def _in_groups(self, heads: NDArray) -> NDArray:
        """Put those that share keys below each other: (b, h, n, ·) -> (b, g, h/g*n, ·).

        So each key meets the queries of all of them in one product.
        """
        b, _, _, d_k = heads.shape
        return heads.reshape(b, self.num_kv_heads, -1, d_k)

    def backward(self, grad_answers: NDArray) -> dict[str, NDArray]:
        """Return the gradient of each parameter, the last `forward` backwards.

        Parameters
        ----------
        grad_answers : array (b, n, 9)
            The derivative of the loss by each number that `forward` answered.
        """
        p, h = self.parameters, self.num_heads
        ids, inks, x, q, k, v, weights, z = self._kept
        gradient = {"w_o": sum_of_products(z, grad_answers)}  # (h*d_v, 9)
        grad_z = self._in_groups(split_heads(grad_answers @ p["w_o"].T, h))
        grad_x = np.zeros_like(x)  # (b, n, d)
        grad_q, grad_k, grad_v = attention_backward(grad_z, q, k, v, weights)
        grad_q = grad_q.reshape(len(x), h, x.shape[1], -1)  # (b, h, n, d_k)
        for name, grad_head in (("w_q", grad_q), ("w_k", grad_k), ("w_v", grad_v)):
            # Side by side: (b, n, h*d_k), those of keys and values (b, n, g*d_k).
            grad_flat = merge_heads(grad_head)
            gradient[name] = sum_of_products(x, grad_flat)  # (d, h*d_k)
            grad_x += grad_flat @ p[name].T
        gradient["inks"] = sum_of_products(inks, grad_x)  # (3, d)
        gradient["words"] = np.zeros_like(p["words"])  # (vocabulary, d)
        np.add.at(gradient["words"], ids, grad_x)
        return gradient

    def contributions(self, ids: NDArray, inks: NDArray) -> NDArray:
        """Return what each head adds to the answers of `forward`, (b, h, n, 9)."""
        z = split_heads(self._run(ids, inks)[-1], self.num_heads)  # (b, h, n, d_v)
        return z @ self.parameters["w_o"].reshape(self.num_heads, z.shape[-1], -1)

    def jobs(self) -> dict[str, NDArray]:
        """Return how much attention each head gives to the right word.

        Returns
        -------
        jobs : dict
            For each relation the mean over the words that have something to find, in
            50 sentences whose structure was not in training, (1, h).
        """
        corpus = Corpus(*(array[:50] for array in training_corpus("structures")))
        inks = np.zeros((*corpus.ids.shape, INK))
        b, n = corpus.ids.shape
        weights = self._run(corpus.ids, inks)[-2].reshape(b, self.num_heads, n, n)
        jobs = {}
        for r, relation in enumerate(RELATIONS):
            k, i = np.nonzero(corpus.gold[..., r])
            found = weights[k, :, i, corpus.gold[k, i, r]]  # (links, h)
            jobs[relation] = found.mean(axis=0, keepdims=True)
        return jobs

    def attend(self, sentence: str) -> AttentionMaps:
        """Run the heads on a sentence of the grammar's words.

        Raises
        ------
        ValueError
            If the sentence is empty.
        UnknownWordsError
            A ValueError, if a word was not in training. Its ``suggestion`` is a
            sentence like this one that can be read.
        """
        tokens = [word.lower() for word in words(sentence) if not _is_mark(word)]
        if not tokens:
            raise ValueError("There is no word in this sentence. Type at least one.")
        unknown = [token for token in tokens if token not in NUMBER or token == PAD]
        if unknown:
            raise _unknown_words(unknown, sentence)
        ids = np.array([[NUMBER[token] for token in [START, *tokens]]])
        weights = self._run(ids, np.zeros((*ids.shape, INK)))[-2]
        n = ids.shape[1]
        return AttentionMaps([START, *tokens], weights.reshape(self.num_heads, n, n))


def _is_mark(word: str) -> bool:
    """Whether a word is only punctuation, which the grammar does without."""
    return all(unicodedata.category(sign).startswith("P") for sign in word)


def _unknown_words(unknown: list[str], sentence: str) -> Exception:
    """Name the words that were not in training, and offer a sentence without them."""
    from mha_utils.vocabulary import (
        UnknownWordsError,
        suggest,
    )  # its lexicon takes a moment

    suggestion, named = suggest(sentence), list(dict.fromkeys(unknown))
    says = (
        f"Not in the grammar: {', '.join(named[:6])}. These heads know "
        f"{len(NUMBER) - 2} words; vocabulary.known_words() lists them."
    )
    if 0 < len(suggestion) <= 120:
        says += f" With known words: {suggestion}"
    return UnknownWordsError(says, suggestion)


def attention_backward(
    grad_z: NDArray, q: NDArray, k: NDArray, v: NDArray, weights: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the derivatives of the loss by queries, keys and values.

    Parameters
    ----------
    grad_z : array (b, g, n_q, d_v)
        The derivative by what `scaled_dot_product_attention` gave.
    q : array (b, g, n_q, d_k)
    k, v : array (b, g, n_k, d_k)
    weights : array (b, g, n_q, n_k)
    """
    grad_v = weights.swapaxes(-1, -2) @ grad_z  # (b, g, n_k, d_v)
    grad_weights = grad_z @ v.swapaxes(-1, -2)  # (b, g, n_q, n_k)
    # The softmax: a row sums to 1, so only differences from its mean count.
    mean = np.einsum("bgij,bgij->bgi", grad_weights, weights)  # (b, g, n_q)
    grad_scores = grad_weights - mean[..., None]  # (b, g, n_q, n_k)
    grad_scores *= weights
    grad_scores /= np.sqrt(q.shape[-1], dtype=q.dtype)
    grad_q = grad_scores @ k  # (b, g, n_q, d_k)
    grad_k = grad_scores.swapaxes(-1, -2) @ q  # (b, g, n_k, d_k)
    return grad_q, grad_k, grad_v


def sum_of_products(a: NDArray, b: NDArray) -> NDArray:
    """Multiply (b, n, i) and (b, n, j) over all words of all sentences: (i, j)."""
    # One product over all words takes twice as long in a browser, where NumPy has no
    # BLAS: what it reads does not fit into the processor's nearest memory.
    return (a.swapaxes(1, 2) @ b).sum(axis=0)  # (b, i, j) -> (i, j)


def ink(corpus: Corpus, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Draw a colour for each word.

    Returns
    -------
    inks : array (b, n, 3)
        -1 or 1; 0 for the start and for what fills up.
    wanted : array (b, n, 9)
        The colours that the layer must answer.
    """
    b, n = corpus.ids.shape
    inks = rng.integers(0, 2, (b, n, INK)) * 2.0 - 1
    inks *= corpus.real[..., None]
    sentence = np.arange(b)[:, None, None]  # (b, 1, 1)
    return inks, inks[sentence, corpus.gold].reshape(b, n, -1)  # (b, n, 3, 3) -> 9


class Trainer:
    """What it takes to train a model; can be stopped and resumed.

    Adam (Kingma & Ba 2015). The learning rate warms up over 50 steps and falls to 0
    over the last 40 % of the steps. What is learned from is a matter of the classes
    made from this one: `_loss_and_gradient` draws it.

    Parameters
    ----------
    model : InkLayer or Decoder
        Its ``parameters`` are adjusted.
    steps : int
    learning_rate : float

    Attributes
    ----------
    step : int
        How many steps have been done.
    losses : list of float
        The loss at each step, before the weights are adjusted.
    film : dict
        The parameters after so many steps, {step: parameters}: at the beginning and
        after each fortieth of all steps. `at` makes a model of them.

    Raises
    ------
    ValueError
        If there is nothing to do.
    """

    def __init__(self, model: Any, steps: int, learning_rate: float) -> None:
        if steps < 1:
            raise ValueError(f"steps is {steps}; train for at least 1")
        if not 0 < learning_rate < np.inf:
            raise ValueError(f"learning_rate is {learning_rate}; try 0.01")
        self.model, self.steps, self.learning_rate = model, steps, learning_rate
        self.step, self.losses = 0, list[float]()
        self.film = {0: _copies(model.parameters)}
        zeros = {name: 0 * array for name, array in model.parameters.items()}
        self._moments = zeros, _copies(zeros)
        self._good = self.film[0]  # the weights with which the loss was good last
        self._threads = ThreadpoolController()

    def run(self, steps: int | None = None, *, progress: bool = False) -> None:
        """Train on, to the end or for so many steps.

        Parameters
        ----------
        steps : int, optional
        progress : bool
            Whether to print a ``#`` for each twentieth of all steps.

        Raises
        ------
        ValueError
            If the loss is 100 times what it was at first, or no number. The model gets
            back the weights with which the loss was good last.
        """
        stop = self.steps if steps is None else min(self.step + steps, self.steps)
        while self.step < stop:
            before = _copies(self.model.parameters)
            try:
                # Overflow is what the check below is for. A second thread gains nothing
                # on matrices as small as these, and where others work it waits.
                with (
                    np.errstate(over="ignore", invalid="ignore"),
                    self._threads.limit(limits=1, user_api="blas"),
                ):
                    loss, gradient = self._loss_and_gradient()
                    self._adam(gradient)
            except ValueError:  # attention refuses numbers that are not finite
                loss = np.inf
            if not loss < 100 * (self.losses or [np.inf])[0]:  # NaN fails this, too
                self.model.parameters = _copies(self._good)
                raise ValueError(
                    f"The loss exploded at step {self.step + 1}: learning_rate "
                    f"{self.learning_rate} is too large; try 0.01. The last good "
                    f"weights are kept."
                )
            self._good = before
            self.losses.append(float(loss))
            self.step += 1
            if self._passes(40):
                self.film[self.step] = _copies(self.model.parameters)
            if progress and self._passes(20):
                print("#", end="", flush=True)
        if progress:
            print()

    def at(self, step: int) -> Any:
        """Return the model as the film has it: as it was after so many steps.

        Between two pictures of the film it is the earlier one.
        """
        model = copy(self.model)
        model.parameters = self.film[max(s for s in self.film if s <= max(step, 0))]
        return model

    def _passes(self, parts: int) -> bool:
        """Say whether this step was the last of such a part of all steps."""
        return self.step * parts % self.steps < parts

    def _loss_and_gradient(self) -> tuple[float, dict[str, NDArray]]:
        """Draw something to learn from, answer, compare."""
        raise NotImplementedError

    def _adam(self, gradient: dict[str, NDArray]) -> None:
        """Adjust each parameter by its mean gradient over its mean size."""
        t = self.step + 1
        rate = self.learning_rate * min(
            1, t / 50, (self.steps - t + 1) / self.steps / 0.4
        )
        for name, g in gradient.items():
            mean, square = (moment[name] for moment in self._moments)
            mean += 0.1 * (g - mean)
            square += 0.001 * (g * g - square)
            corrected = mean / (1 - 0.9**t)
            size = np.sqrt(square / (1 - 0.999**t)) + 1e-8
            self.model.parameters[name] -= rate * corrected / size


def _copies(arrays: dict[str, NDArray]) -> dict[str, NDArray]:
    return {name: array.copy() for name, array in arrays.items()}


class Training(Trainer):
    """A layer that learns to carry colours: 32 of 3,000 sentences a step.

    Parameters
    ----------
    num_heads, seed : int
        The seed is that of weights, colours and the order of sentences; the sentences
        are always the same.
    steps : int
    learning_rate : float
    num_kv_heads : int, optional
        As in `InkLayer`.

    Attributes
    ----------
    layer : InkLayer
        What is trained. The loss is the mean squared error of its answers.

    Raises
    ------
    ValueError
        If the heads do not divide 48 or each other, or there is nothing to do.
    """

    def __init__(
        self,
        num_heads: int = 8,
        seed: int = 0,
        *,
        steps: int = 1100,
        learning_rate: float = 0.01,
        num_kv_heads: int | None = None,
    ) -> None:
        self.layer = InkLayer(num_heads, seed, num_kv_heads)
        super().__init__(self.layer, steps, learning_rate)
        self._corpus = training_corpus()
        self._rng = np.random.default_rng([seed, 1])

    def _loss_and_gradient(self) -> tuple[float, dict[str, NDArray]]:
        chosen = self._rng.integers(0, len(self._corpus.ids), 32)
        longest = np.flatnonzero(self._corpus.real[chosen].any(axis=0)).max() + 1
        batch = Corpus(*(array[chosen, :longest] for array in self._corpus))
        inks, wanted = ink(batch, self._rng)
        answers, _ = self.layer.forward(batch.ids, inks)  # (b, n, 9)
        share = np.repeat(_shares(batch), INK, axis=-1) / INK  # (b, n, 9)
        error = answers - wanted
        gradient = self.layer.backward(2 * share * error)
        return float((share * error**2).sum()), gradient


def _shares(batch: Corpus) -> NDArray:
    """Return what each question counts in the loss, (b, n, 3), all together 1.

    The relations count the same, and in each of them what there is to find counts as
    much as all the words with nothing to find.
    """
    real = batch.real[..., None]
    asked, idle = real & (batch.gold > 0), real & (batch.gold == 0)  # (b, n, 3)
    shares = sum(part / part.sum(axis=(0, 1)) for part in (asked, idle))
    return shares / shares.sum()


_CORPORA: dict[str, Corpus] = {}


def training_corpus(unseen: str = "") -> Corpus:
    """Return the 3,000 sentences of training, or 500 with something `unseen`."""
    if unseen not in _CORPORA:
        seeds = {"structures": 1, "pairs": 2}  # that of training is 0
        n = 500 if unseen else 3000
        _CORPORA[unseen] = encode(sentences(n, seeds.get(unseen, 0), unseen))
    return _CORPORA[unseen]


def accuracy(
    layer: InkLayer,
    corpus: Corpus,
    *,
    keep: Sequence[int] | None = None,
    ablation: str = "zero",
    nothing: bool = False,
) -> NDArray:
    """Return the share of right answers for each relation, (3,).

    Right is an answer nearer to what is wanted than to the other colours and to zero.

    Parameters
    ----------
    layer : InkLayer
    corpus : Corpus
    keep : sequence of int, optional
        The heads that work; all if not given.
    ablation : str
        What the others do: add nothing, "zero", or their mean over all words, "mean".
    nothing : bool
        Ask the words that have nothing to find, and should answer zero, in place of
        those that have something.

    Raises
    ------
    ValueError
        If `ablation` is neither, or a head to `keep` is not there.
    """
    if ablation not in ("zero", "mean"):
        raise ValueError(f'ablation is {ablation!r}; it must be "zero" or "mean"')
    keep = range(layer.num_heads) if keep is None else list(keep)
    for head in keep:
        if not 0 <= head < layer.num_heads:
            raise ValueError(
                f"there is no head {head}; heads go from 0 to {layer.num_heads - 1}"
            )
    off = ~np.isin(np.arange(layer.num_heads), keep)  # (h,)
    inks, wanted = ink(corpus, np.random.default_rng(9))
    parts = layer.contributions(corpus.ids, inks)  # (b, h, n, 9)
    if off.any():
        words_of_heads = parts.swapaxes(0, 1)  # (h, b, n, 9)
        mean = words_of_heads[:, corpus.real].mean(axis=1)  # (h, 9)
        parts[:, off] = mean[off, None] if ablation == "mean" else 0
    answers = parts.sum(axis=1)  # (b, n, 9)
    shape = (*corpus.ids.shape, len(RELATIONS), INK)
    answers, wanted = answers.reshape(shape), wanted.reshape(shape)
    near_zero = (answers**2).sum(-1) < ((np.abs(answers) - 1) ** 2).sum(-1)
    same_colour = (np.sign(answers) == wanted).all(axis=-1)  # (b, n, 3)
    if nothing:
        right, asked = near_zero, corpus.real[..., None] & (corpus.gold == 0)
    else:
        right, asked = ~near_zero & same_colour, corpus.gold > 0
    return (right & asked).sum(axis=(0, 1)) / asked.sum(axis=(0, 1))

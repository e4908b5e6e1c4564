"""Time the NumPy transformer beside transformers + PyTorch, alternating, in one run.

Run with `python tests/benchmarks/pretrained.py`; needs torch and transformers. Prints
seconds of a warm load, peak memory before torch is imported, the median milliseconds of
both for one sentence, and the median of the ratios of neighbouring runs.
"""

import resource
import statistics
import sys
import time

import numpy as np
from beside import alternate

from mha_utils import pretrained
from mha_utils.pretrained import download

SENTENCE = "The cat sat on the mat because it was tired again today"  # 12 words
SECONDS = 10


def main():
    """Print the figures."""
    pretrained.load()  # into the cache
    loads = []
    for _ in range(5):
        start = time.perf_counter()
        model = pretrained.load()
        loads.append(time.perf_counter() - start)
    model.attend(SENTENCE)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    peak /= 2**20 if sys.platform == "darwin" else 2**10
    print(f"load, warm: median {statistics.median(loads):.2f} s, best {min(loads):.2f}")
    print(f"peak memory, two models alive for a moment: {peak:.0f} MB")

    import torch
    from transformers import AutoTokenizer, BertModel

    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    places = (download.cache_folder(), download.hub_snapshot())
    folder = next(place for place in places if place.exists())
    bert = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def ours():
        return model.attend(SENTENCE).weights

    def theirs():
        answer = bert(
            **tokenizer(SENTENCE, return_tensors="pt"), output_attentions=True
        )
        return torch.cat(answer.attentions).numpy()

    assert np.allclose(ours(), theirs(), atol=1e-5)
    rounds, ratio = alternate(ours, theirs, SECONDS)
    mine, peer = (statistics.median(column) * 1e3 for column in zip(*rounds))
    best = [min(column) * 1e3 for column in zip(*rounds)]
    print(f"one sentence: ours {mine:.1f} ms (best {best[0]:.1f}), ", end="")
    print(f"transformers {peer:.1f} ms (best {best[1]:.1f}), ratio {ratio:.2f}")


if __name__ == "__main__":
    main()

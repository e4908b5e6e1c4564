"""Store PyTorch's answers, so that the tests can compare where torch is not installed.

Run with `python tests/torch_reference.py`; needs torch. Writes torch_reference.npz
beside this file: for each case the inputs, and torch's `output` and `weights`; and the
plainest case once more for lesson 4, among the package's data.
"""

from pathlib import Path

import numpy as np

from mha_utils.data import data_file

FILE = Path(__file__).with_suffix(".npz")
FOR_LESSON_4 = data_file("pytorch_layer.npz")
ANSWERS = ("output", "weights")


def inputs(seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Draw the inputs of all cases, named as `mha_utils` names them."""
    rng = np.random.default_rng(seed)

    def words(*shape):
        return rng.normal(size=shape)

    def allowed(*shape):
        return (rng.random(shape) < 0.6) | np.eye(*shape[-2:], dtype=bool)

    def layer(x, biased=False, **more):
        h, d, d_k = 4, 8, 2
        arrays = {"w_q": (h, d, d_k), "w_k": (h, d, d_k), "w_v": (h, d, d_k)}
        arrays |= {"w_o": (h * d_k, d)}
        if biased:
            arrays |= {"b_q": (h, d_k), "b_k": (h, d_k), "b_v": (h, d_k), "b_o": (d,)}
        weights = {name: rng.normal(0, 0.5, shape) for name, shape in arrays.items()}
        return {"x": x} | weights | more

    three = {"query": words(2, 5, 3), "key": words(2, 6, 3), "value": words(2, 6, 4)}
    a_row_for_nobody = allowed(2, 5, 6)
    a_row_for_nobody[1, 2] = False
    cases = {
        "attention": three,
        "attention, boolean mask": three | {"mask": a_row_for_nobody},
        "attention, float mask": three | {"mask": words(5, 6)},
        "layer": layer(words(5, 8)),
        "layer, batch and biases": layer(words(2, 5, 8), biased=True),
        "layer, context": layer(words(2, 5, 8), True, context=words(2, 7, 8)),
        "layer, boolean mask": layer(words(2, 5, 8), True, mask=allowed(5, 5)),
        "layer, mask for each sentence": layer(
            words(2, 5, 8), mask=allowed(2, 1, 5, 5)
        ),
        "layer, float mask for each head": layer(words(5, 8), mask=words(4, 5, 5)),
    }
    return cases | {
        name + ", float32": {
            key: array.astype(np.float32) if array.dtype != bool else array
            for key, array in cases[name].items()
        }
        for name in ("attention, float mask", "layer, context", "layer, boolean mask")
    }


def answers(case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Ask torch; its attention function returns no weights."""
    import torch  # here, because reading the stored answers needs no torch

    case = {name: torch.from_numpy(array) for name, array in case.items()}
    mask = case.get("mask")
    with torch.inference_mode():
        if "query" in case:
            output = torch.nn.functional.scaled_dot_product_attention(
                case["query"], case["key"], case["value"], attn_mask=mask
            )
            return {"output": output.numpy()}
        x = case["x"]
        h, d, _ = case["w_q"].shape
        biased = "b_q" in case
        layer = torch.nn.MultiheadAttention(
            d, h, bias=biased, batch_first=True, dtype=x.dtype
        ).eval()
        w_qkv = [case[name].permute(0, 2, 1) for name in ("w_q", "w_k", "w_v")]
        layer.in_proj_weight.copy_(torch.cat(w_qkv).reshape(3 * d, d))
        layer.out_proj.weight.copy_(case["w_o"].T)
        if biased:
            b_qkv = [case[name].flatten() for name in ("b_q", "b_k", "b_v")]
            layer.in_proj_bias.copy_(torch.cat(b_qkv))
            layer.out_proj.bias.copy_(case["b_o"])
        if mask is not None and mask.ndim == 4:
            mask = mask.expand(-1, h, -1, -1).flatten(0, 1)  # (b*h, n_q, n_k)
        if mask is not None and mask.dtype == torch.bool:
            mask = ~mask  # True means "may not attend" to this layer
        context = case.get("context", x)
        output, weights = layer(
            x, context, context, attn_mask=mask, average_attn_weights=False
        )
        return {"output": output.numpy(), "weights": weights.numpy()}


def read() -> dict[str, tuple[dict, dict]]:
    """Read the file: case -> (inputs, torch's answers)."""
    cases: dict[str, tuple[dict, dict]] = {}
    with np.load(FILE) as file:
        for key in file.files:
            case, name = key.split("/")
            cases.setdefault(case, ({}, {}))[name in ANSWERS][name] = file[key]
    return cases


def main():
    """Write the file."""
    arrays = {
        f"{case}/{name}": array
        for case, given in inputs(seed=0).items()
        for name, array in (given | answers(given)).items()
    }
    np.savez_compressed(FILE, **arrays)
    layer = {key: arrays[key] for key in arrays if key.startswith("layer/")}
    np.savez(FOR_LESSON_4, **{key.removeprefix("layer/"): layer[key] for key in layer})
    for file in (FILE, FOR_LESSON_4):
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

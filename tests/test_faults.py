"""The tests are tested: each fault below, put into the package, must make one fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "mha_utils"

# module -> name of the fault -> (text, what it is replaced by); the module's own tests
# must notice. A text is unique in its module, so that no fault can go stale unseen.
FAULTS = {
    "attention": {
        "no scaling": ("scale = query.shape[-1] ** -0.5", "scale = 1.0"),
        "scaled by d_k": (
            "scale = query.shape[-1] ** -0.5",
            "scale = 1 / query.shape[-1]",
        ),
        "scaled by the root of d_model": (
            "_attend(query, key, value, mask, None)",
            "_attend(query, key, value, mask, self.d_model**-0.5)",
        ),
        "softmax over the queries": ("(weights, -1, ", "(weights, -2, "),
        "softmax over the last axis only": (
            '_softmax_in_place(weights, axis, "scores")',
            '_softmax_in_place(weights, -1, "scores")',
        ),
        "softmax without subtracting the peak": ("scores -= peak", "pass"),
        "softmax of float16 in float16": (
            "np.promote_types(dtype, np.float32)",
            "np.dtype(dtype)",
        ),
        "softmax written into the caller's array": ("copy=True", "copy=False"),
        "softmax forgets the dtype": (
            "return weights.astype(scores.dtype, copy=False)",
            "return weights",
        ),
        "mask inverted": ("where=~mask", "where=mask"),
        "mask ignored": ("        _apply_mask(scores, mask)\n", "        pass\n"),
        "mask after the softmax": (
            "        _apply_mask(scores, mask)\n",
            "        masked = scores.copy()\n"
            "        _apply_mask(masked, mask)\n"
            '        _softmax_in_place(scores, -1, "query @ key^T")\n'
            "        scores[masked == -np.inf] = 0\n"
            "        return scores @ value, scores\n",
        ),
        "boolean mask of -1e9": ("copyto(scores, -np.inf", "copyto(scores, -1e9"),
        "float mask multiplied": ("scores += mask.astype", "scores *= mask.astype"),
        "integer mask accepted": (
            "if mask.dtype != bool and not np.issubdtype(mask.dtype, np.floating):",
            "if False:",
        ),
        "mask of any shape accepted": ("if not fits:", "if False:"),
        "mask with NaN accepted": (
            "elif np.isnan(mask).any() or (mask == np.inf).any():",
            "elif False:",
        ),
        "fully masked row NaN, from the peak": ("peak[peak == -np.inf] = 0", "pass"),
        "fully masked row NaN, from the total": ("total[total == 0] = 1", "pass"),
        "causal mask allows the next word": (
            "index(n_k), dtype",
            "index(n_k), 1, dtype",
        ),
        "causal mask forbids the word itself": (
            "index(n_k), dtype",
            "index(n_k), -1, dtype",
        ),
        "causal mask transposed": (
            "index(n_k), dtype=bool)",
            "index(n_k), dtype=bool)[::-1, ::-1]",
        ),
        "split without transpose": (
            "return x.swapaxes(-3, -2)  #",
            "return x.reshape(*x.shape[:-3], num_heads, x.shape[-3], d)  #",
        ),
        "split strides instead of pieces": (
            "x = x.reshape(*x.shape[:-1], num_heads, d)  #",
            "x = x.reshape(*x.shape[:-1], d, num_heads).swapaxes(-1, -2)  #",
        ),
        "merge without transpose": (
            "return x.swapaxes(-3, -2).reshape(",
            "return x.reshape(",
        ),
        "query and key swapped": (
            "_attend(query, key, value, mask, None)",
            "_attend(key, query, value, mask, None)",
        ),
        "query and key swapped in one head": (
            "query.dtype.type(scale)) @ key.swapaxes(-1, -2)",
            "query.dtype.type(scale)) @ key.swapaxes(-1, -2) if len(query.shape) > 2 "
            "else key @ query.swapaxes(-1, -2) * scale",
        ),
        "value made by the key matrices": (
            "for w in (w_q, w_k, w_v)]",
            "for w in (w_q, w_k, w_k if w_k.shape == w_v.shape else w_v)]",
        ),
        "value weighted by the transposed map": (
            "return weights @ value, weights",
            "return weights.swapaxes(-1, -2) @ value, weights",
        ),
        "scale given but not used": ("(query * query.dtype.type(scale))", "query"),
        "W_O left out": (
            "merge_heads(z) @ self._w_o.astype(z.dtype, copy=False)",
            "merge_heads(z)",
        ),
        "W_O transposed where it is square": (
            'w_o.astype(dtype, order="C")',
            "(w_o.T if w_o.shape == w_o.T.shape else w_o).astype(dtype)",
        ),
        "W_O not copied": (
            'w_o.astype(dtype, order="C")',
            'w_o.astype(dtype, order="C", copy=False)',
        ),
        "b_q left out": ("(query, self.b_q), ", ""),
        "b_v left out": (", (value, self.b_v))", ")"),
        "b_k added to the query": ("(key, self.b_k)", "(query, self.b_k)"),
        "b_o left out": ("            output += self.b_o\n", "            pass\n"),
        "b_o in the contributions": (
            'return _cast("contributions", parts, dtype)',
            'return _cast("contributions", parts + (self.b_o or 0), dtype)',
        ),
        "context ignored": (
            "if context is None:\n            qkv",
            "if True:\n            qkv",
        ),
        "context asked by itself": (
            "query = x @ w_qkv[:, :columns]",
            "query = context @ w_qkv[:, :columns]",
        ),
        "maps averaged over the heads": (
            "output += self.b_o\n"
            '        return _cast("output", output, dtype), weights.astype',
            "output += self.b_o\n"
            '        return _cast("output", output, dtype), weights.mean(-3).astype',
        ),
        "heads averaged": (
            "output = merge_heads(z)",
            "output = merge_heads(z * 0 + z.mean(-3, keepdims=True))",
        ),
        "contributions with other heads' rows": (
            "z @ w_o.astype(z.dtype, copy=False)  #",
            "z @ w_o[::-1].astype(z.dtype, copy=False)  #",
        ),
        "contributions with interleaved rows": (
            "self._w_o.reshape(self.num_heads, self.d_v, self.d_model)",
            "self._w_o.reshape(self.d_v, self.num_heads, -1).swapaxes(0, 1)",
        ),
        "d_model not checked": ("if array.shape[-1] != self.d_model:", "if False:"),
        "NaN not checked": ("if not np.isfinite(array).all():", "if False:"),
        "overflow of the scores to -inf not checked": (
            "if not reach < float(np.finfo(scores.dtype).max) and",
            "if False and",
        ),
        "context of another batch not checked": (
            "np.broadcast_shapes(x.shape[:-2], context.shape[:-2])",
            "pass",
        ),
        "overflow of the output not checked": (
            "if not np.isfinite(result).all():",
            "if False:",
        ),
        "shapes of weights not checked": ("if array.shape != shape:", "if False:"),
        "d_k not checked": ("if query.shape[-1] != key.shape[-1]:", "if False:"),
        "w_k reads the query matrices": (
            "start, stop = self.num_heads * self.d_k, 2 * self.num_heads * self.d_k",
            "start, stop = 0, self.num_heads * self.d_k",
        ),
        "parameters counted without biases": (
            "+ sum(bias.size for bias in biases if bias is not None)",
            "",
        ),
        "seed ignored": ("default_rng(seed)", "default_rng()"),
        "random weights too large": (
            "rng.normal(0, d_model**-0.5, (3",
            "rng.normal(0, 1, (3",
        ),
        "results of the layer forget the dtype": (
            "dtype = x.dtype\n",
            "dtype = float\n",
        ),
    },
    "sentences": {
        "lone surrogates kept": (
            '.encode("utf-16", "surrogatepass")',
            '[:].encode("utf-8")',
        ),
        "accents not composed": (
            'sentence = unicodedata.normalize("NFC", sentence)',
            "",
        ),
        "joiner splits": (r'if char == "\u200d":', "if False:"),
        "skin tones apart": (r' or "\U0001f3fb" <= char <= "\U0001f3ff"', ""),
        "flags in halves": ("FM*FM*|", ""),
        "Chinese not cut": ('("CJK UNIFIED", "HIRAGANA", "KATAKANA")', '("HIRAGANA",)'),
        "don't in three": (r"""if char in "'\u2019-":""", "if False:"),
        "capitals not looked up": (
            "lexicon.get(plain, lexicon.get(plain.lower()))",
            "lexicon.get(plain)",
        ),
        "unknown feature accepted": ("if name not in FEATURES:", "if False:"),
        "numbers in the note": ("and any(char.isalpha() for char in token)", ""),
        "unknown words named twice": ("in dict.fromkeys(tokens)", "in tokens"),
        "sine and cosine swapped": (
            "[np.sin(angle), np.cos(angle)]",
            "[np.cos(angle), np.sin(angle)]",
        ),
        "positions of another frequency": (
            "-np.arange(0, d, 2) / d",
            "-np.arange(d // 2) / d",
        ),
        "odd d accepted": ("if d < 2 or d % 2:", "if False:"),
        "the farther the better": (
            '("cos 100", "near sin"): 500, ("sin 100", "near cos"): -500',
            '("cos 100", "near sin"): -500, ("sin 100", "near cos"): 500',
        ),
        "no agreement in the singular": ('("singular", "singular"): 30,', ""),
        "no agreement in the plural": ('("plural", "plural"): 30,', ""),
        "dead subjects": ('("action", "alive"): 30,', ""),
        "dead referents": ('("pronoun", "alive"): 30,', ""),
        "verbs as subjects": ('("verb", "subject"): -1,', ""),
        "pronouns as referents": (
            '**{("pronoun", name): -1 for name, _ in _ALIKE},',
            "",
        ),
        "no way back to the start": ('"referent": {"start": 400}}', '"referent": {}}'),
        "one step forward": ("(cos, sin): -80 *", "(cos, sin): 80 *"),
        "theirs is nobody's": (
            '"pronoun they")\n    add("the a',
            '"pronoun")\n    add("the a',
        ),
        "temperature for the biases only": ("(w_q / temperature, ", "(w_q, "),
        "temperature not for the biases": ("b_q=b_q / temperature", "b_q=b_q"),
        "temperature not checked": ("if not 0 < temperature < np.inf:", "if False:"),
        "heads bring back nothing": (
            "w_v = np.array([matrix",
            "w_v = 0 * np.array([matrix",
        ),
        "W_O writes elsewhere": (
            "[matrix(found, FOUND, COLUMNS)]",
            "[matrix(found, FOUND, COLUMNS)[::-1]]",
        ),
        "always causal": ("if causal else None", ""),
        "never causal": ("causal_mask(len(tokens)) if causal else None", "None"),
        "layer ignored": ("if layer is None:", "if True:"),
        "lexicon ignored": ("layer(embed(tokens, lexicon), ", "layer(embed(tokens), "),
        "layer and temperature accepted": ("elif temperature != 1:", "elif False:"),
        "empty sentence accepted": ("if not tokens:", "if False:"),
        "no note": ("(tokens, weights, names, note)", "(tokens, weights, names)"),
        "no start": ("tokens = [START, *tokens]", 'tokens = ["", *tokens]'),
        "maps of any shape accepted": ("weights.shape[2:] != (n, n) or ", ""),
        "maps with NaN accepted": (" or not np.isfinite(weights).all()", ""),
        "maps of one head refused": ("if weights.ndim in (2, 3):", "if False:"),
        "names for other heads": ("if len(self.head_names) not in", "if None in"),
        "entry in no row accepted": (
            "if row not in rows or column not in columns:",
            "if False:",
        ),
    },
}

# Run a module's tests on one copy of the package after the other, without the price of
# a new interpreter for each, and write down pytest's code and what was imported.
RUN = """
import contextlib, os, pathlib, sys
import pytest

test_file, *copies = sys.argv[1:]
options = ["-x", "-q", "--tb=short", "-k", "not live"]
options += ["-pno:cacheprovider", "-pno:unraisableexception"]
for copy in map(pathlib.Path, copies):
    for name in list(sys.modules):
        if name.startswith(("mha_utils", "test_")):
            del sys.modules[name]
    sys.path[0] = os.environ["PYTHONPATH"] = str(copy)
    with open(copy / "output", "w") as file, contextlib.redirect_stdout(file):
        code = pytest.main([*options, test_file])
        print(int(code), getattr(sys.modules.get("mha_utils"), "__file__", None))
"""
ENVIRONMENT = {
    "HYPOTHESIS_PROFILE": "few",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "",
    "PYTHONUTF8": "1",
}


def copy_with_fault(folder: Path, module: str, name: str | None) -> Path:
    """Copy the package and put the fault in; none if `name` is None."""
    copy = folder / f"{module}, {name}"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, copy / "mha_utils", ignore=ignored)
    if name:
        path = copy / "mha_utils" / f"{module}.py"
        text = path.read_text("utf-8").replace(*FAULTS[module][name])
        path.write_text(text, "utf-8")
    return copy


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run everything, in two processes; return what tells pytest's code for a case."""
    folder = tmp_path_factory.mktemp("faults").resolve()
    (folder / "pytest.ini").write_text("[pytest]\n")
    for path in (*HERE.glob("torch_reference.*"), *HERE.glob("test_*.py")):
        shutil.copy(path, folder)
    processes, copies = [], {}
    for module, faults in FAULTS.items():
        mine = {
            (module, name): copy_with_fault(folder, module, name)
            for name in [None, *faults]
        }
        command = [sys.executable, "-c", RUN, folder / f"test_{module}.py"]
        command += mine.values()
        processes.append(subprocess.Popen(command, env=os.environ | ENVIRONMENT))
        copies |= mine
    for process in processes:
        process.wait()

    def code_of(*case):
        output = (copies[case] / "output").read_text("utf-8")
        print(output)
        code, imported = output.splitlines()[-1].split(" ", 1)
        assert Path(imported) == copies[case] / "mha_utils" / "__init__.py"
        return int(code)

    return code_of


@pytest.mark.parametrize("module", FAULTS)
def test_package_without_a_fault_passes(run, module):
    assert run(module, None) == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in FAULTS for name in FAULTS[module]]
)
def test_fault_is_noticed(run, module, name):
    source = (PACKAGE / f"{module}.py").read_text("utf-8")
    assert source.count(FAULTS[module][name][0]) == 1, "no such text, or several"
    assert run(module, name) == pytest.ExitCode.TESTS_FAILED

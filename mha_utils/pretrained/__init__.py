"""A pretrained transformer in NumPy: what the heads of a real model attend to.

Any checkpoint whose model_type is "bert", "distilbert" or "electra" loads: they have
the same encoder. Without a folder it is all-MiniLM-L6-v2 (6 layers, 12 heads,
Apache-2.0). Loading runs straight down: `download` finds the files, `checkpoint` reads
them, `bert` is the model built from what was read, and `own` puts a reader's attention
into it. `wordpiece` and `pieces` cut a sentence for it. In the browser `website` brings
the files. Where there is no model, `stored` stands in for it, or `tiny`.
"""

from pathlib import Path

from mha_utils.pretrained.bert import PretrainedModel
from mha_utils.pretrained.checkpoint import read_checkpoint, read_files
from mha_utils.pretrained.download import SHA256, NoModelError, find_files
from mha_utils.pretrained.stored import StoredModel, read_answers
from mha_utils.pretrained.tiny import tiny_checkpoint

__all__ = [
    "SHA256",
    "NoModelError",
    "PretrainedModel",
    "StoredModel",
    "find_files",
    "load",
]


def load(
    folder: str | Path | None = None,
    *,
    stored: str | Path | None = None,
    tiny: bool = False,
) -> PretrainedModel | StoredModel:
    """Load a BERT-family checkpoint, by default all-MiniLM-L6-v2.

    Parameters
    ----------
    folder : path, optional
        Holds config.json, model.safetensors and tokenizer.json; it is taken as it is.
        The weights may be in several files with model.safetensors.index.json. Without
        a folder the files come from `find_files`.
    stored : path, optional
        A file of stored answers to go on with, in words, if no source has the model.
    tiny : bool
        Whether to go on, in words, with a tiny model of random weights if no source has
        the model and `stored` is not given. It shows only whether two ways to attend
        give the same.

    Returns
    -------
    model : PretrainedModel, or StoredModel if `stored` had to stand in

    Raises
    ------
    NoModelError
        If no source has the model and nothing may stand in. The message can be shown to
        a reader.
    FileNotFoundError, ValueError
        If `folder` lacks a file or holds no checkpoint of the BERT family.
    """
    if folder is not None:
        return PretrainedModel(read_checkpoint(read_files(Path(folder))))
    try:
        files = find_files()
    except NoModelError as error:
        if stored is not None:
            print(
                f"{error}\n\nUntil then: answers stored for a few sentences, rounded."
            )
            return StoredModel(read_answers(stored))
        if not tiny:
            raise
        print(
            f"{error}\n\nUntil then: a tiny model with random weights. What it says of "
            f"sentences means nothing. It shows only whether two ways to attend give "
            f"the same."
        )
        return PretrainedModel(tiny_checkpoint())
    return PretrainedModel(read_checkpoint(files))

"""The data of lessons: what was published of models is whole, and adds up."""

import csv

from mha_utils.data import data_file

KEPT = {  # numbers for a word in all layers, computed by hand from the papers
    "Transformer base": 6_144,
    "GPT-2 small": 18_432,
    "Llama 2 7B": 262_144,
    "Llama 2 70B": 163_840,
    "Mistral 7B": 65_536,
    "Gemma 2B": 9_216,
    "Gemma 7B": 229_376,
    "Llama 3 8B": 65_536,
    "DeepSeek-V2": 34_560,
    "Qwen2 7B": 28_672,
    "DeepSeek-V3": 35_136,
}


def test_published_models_have_sources_and_heads_that_share_equally():
    with data_file("published_models.csv").open(encoding="utf-8") as file:
        models = {row["model"]: row for row in csv.DictReader(file)}
    assert len(models) >= 8
    for row in models.values():
        assert row["source"] and row["address"].startswith("https://")
        assert int(row["heads"]) % int(row["kv_heads"]) == 0
    assert models["Mistral 7B"]["window"] == "4096"
    years = [int(row["year"]) for row in models.values()]
    assert years == sorted(years) and years[0] == 2017
    for name, numbers in KEPT.items():
        row = models[name]
        usual = 2 * int(row["kv_heads"]) * int(row["head_size"])
        in_a_layer = int(row["kept_otherwise"] or usual)
        assert int(row["layers"]) * in_a_layer == numbers, name

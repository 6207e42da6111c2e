#!/usr/bin/env python3
"""Records figures of torchmetrics: python3 tests/trainer/record_metrics.py > tests/trainer/metrics.json

"inputs" holds batches of uneven sizes by name; a row names a metric, its arguments, its inputs, and the result.
"""
import json
import sys
import warnings

import torch
import torchmetrics
from torchmetrics.text import Perplexity

SIZES = (5, 1, 0, 8, 13)
torch.manual_seed(11)


def batches(make):
    return [{"prediction": p, "target": t} for p, t in (make(n) for n in SIZES)]


def rounded(x, digits):
    return (x * 10**digits).round() / 10**digits


def absent(n):
    """Class 3 of 5 is never true and never predicted."""
    p, t = rounded(torch.rand(n, 5, dtype=torch.float64), 1), torch.randint(0, 4, (n,))
    p[:, 3] = 0
    return p, torch.where(t == 3, 4, t)


INPUTS = {
    "binary": batches(lambda n: (rounded(torch.rand(n, dtype=torch.float64), 1), torch.randint(0, 2, (n,)))),
    "binary_logits": batches(lambda n: (rounded(torch.randn(n, dtype=torch.float64) * 2, 2), torch.randint(0, 2, (n,)))),
    "only_no": batches(lambda n: (rounded(torch.rand(n, dtype=torch.float64), 1), torch.zeros(n, dtype=torch.long))),
    "only_yes": batches(lambda n: (rounded(torch.rand(n, dtype=torch.float64), 1), torch.ones(n, dtype=torch.long))),
    "classes": batches(lambda n: (rounded(torch.randn(n, 4, dtype=torch.float64), 3), torch.randint(0, 4, (n,)))),
    "labels": batches(lambda n: (torch.randint(0, 4, (n,)), torch.randint(0, 4, (n,)))),
    "absent": batches(absent),
    "pixels": batches(lambda n: (rounded(torch.randn(n, 3, 2, 2, dtype=torch.float64), 3), torch.randint(0, 3, (n, 2, 2)))),
    "several": batches(lambda n: (rounded(torch.rand(n, 3, dtype=torch.float64), 1), torch.randint(0, 2, (n, 3)))),
    "numbers": batches(lambda n: (rounded(torch.randn(n, dtype=torch.float64), 3), rounded(torch.randn(n, dtype=torch.float64) + 3, 3))),
    "pairs": batches(lambda n: (rounded(torch.randn(n, 2, dtype=torch.float64), 3), rounded(torch.randn(n, 2, dtype=torch.float64) * 2, 3))),
    "text": batches(lambda n: (rounded(torch.randn(n, 3, 6, dtype=torch.float64), 2), torch.randint(0, 6, (n, 3)))),
}
BINARY, CLASSES, LABELS = {"task": "binary"}, {"task": "multiclass", "num_classes": 4}, {"task": "multilabel", "num_labels": 3}


def rows():
    for name in ("Accuracy", "Precision", "Recall", "F1Score"):
        for inputs in ("binary", "binary_logits", "only_no", "only_yes"):
            yield name, BINARY, inputs
        yield name, BINARY | {"threshold": 0.3}, "binary"
        for average in ("micro", "macro", "weighted", "none"):
            yield name, CLASSES | {"average": average}, "classes"
            yield name, CLASSES | {"average": average}, "labels"
            yield name, CLASSES | {"average": average, "ignore_index": 2}, "classes"
            yield name, {"task": "multiclass", "num_classes": 5, "average": average}, "absent"
            yield name, {"task": "multiclass", "num_classes": 3, "average": average}, "pixels"
            yield name, LABELS | {"average": average}, "several"
        yield name, CLASSES | {"average": "micro", "top_k": 2}, "classes"
        yield name, CLASSES | {"average": "macro", "top_k": 3}, "classes"
    for normalize in ("none", "true", "pred", "all"):
        yield "ConfusionMatrix", BINARY | {"normalize": normalize}, "binary"
        yield "ConfusionMatrix", {"task": "multiclass", "num_classes": 5, "normalize": normalize}, "absent"
        yield "ConfusionMatrix", LABELS | {"normalize": normalize}, "several"
    for inputs in ("binary", "binary_logits", "only_no", "only_yes"):
        yield "AUROC", BINARY, inputs
    for average in ("macro", "weighted", "none"):
        yield "AUROC", CLASSES | {"average": average}, "classes"
        yield "AUROC", {"task": "multiclass", "num_classes": 5, "average": average}, "absent"
        yield "AUROC", {"task": "multiclass", "num_classes": 3, "average": average}, "pixels"
        yield "AUROC", LABELS | {"average": average}, "several"
    yield "AUROC", LABELS | {"average": "micro"}, "several"
    yield "AUROC", CLASSES | {"ignore_index": 1}, "classes"
    for norm in ("l1", "l2", "max"):
        yield "CalibrationError", BINARY | {"norm": norm, "n_bins": 7}, "binary_logits"
        yield "CalibrationError", CLASSES | {"norm": norm}, "classes"
        yield "CalibrationError", {"task": "multiclass", "num_classes": 3, "norm": norm, "n_bins": 4}, "pixels"
    yield "MeanAbsoluteError", {}, "numbers"
    yield "MeanSquaredError", {}, "pairs"
    yield "MeanSquaredError", {"squared": False}, "numbers"
    yield "R2Score", {}, "numbers"
    for multioutput in ("uniform_average", "raw_values", "variance_weighted"):
        yield "R2Score", {"multioutput": multioutput}, "pairs"
    yield "Perplexity", {}, "text"
    yield "Perplexity", {"ignore_index": 0}, "text"


def result(name, args, inputs):
    metric = (Perplexity if name == "Perplexity" else getattr(torchmetrics, name))(**args)
    metric.set_dtype(torch.float64)
    for batch in INPUTS[inputs]:
        if len(batch["target"]):  # torchmetrics refuses some empty batches; ours take them all
            metric.update(batch["prediction"], batch["target"])
    return metric.compute().tolist()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    lists = {name: [{k: v.tolist() for k, v in b.items()} for b in value] for name, value in INPUTS.items()}
    named = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in lists.items())
    lines = ",\n".join(
        json.dumps({"metric": n, "args": a, "inputs": i, "result": result(n, a, i)}) for n, a, i in rows())
    sys.stdout.write('{"inputs": {\n' + named + '\n},\n"rows": [\n' + lines + "\n]}\n")

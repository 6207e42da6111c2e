#!/usr/bin/env python3
"""Records what PyTorch's optimizers do: losses of 20 steps (LBFGS: 8, which are 160 evaluations at most; later it
multiplies the rounding of each dot product), and the parameters after them.

    pip install torch
    tests/optim/record_optimizers.py      writes optimizers.json beside it

The problem is a small network on fixed data, in formulas that optimizers_test.cpp repeats: element i of a tensor with
phase p is sin(1.7 i + p).
"""
import json
import pathlib

import torch

RUNS = [
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "momentum": 0.5, "eps": 1e-6}),
    ("RMSprop", {"lr": 0.01, "centered": True, "weight_decay": 0.05, "momentum": 0.9}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.3, "eps": 1e-6}),
    ("LBFGS", {"lr": 0.5, "max_iter": 4, "history_size": 5}),
    ("LBFGS", {"lr": 0.1}),
    ("LBFGS", {"lr": 1.0, "max_iter": 3, "line_search_fn": "strong_wolfe"}),
    ("LBFGS", {"lr": 1.0, "max_iter": 6, "max_eval": 4, "history_size": 2, "line_search_fn": "strong_wolfe"}),
    ("LBFGS", {"lr": 20.0, "max_iter": 5, "line_search_fn": "strong_wolfe"}),
    ("LBFGS", {"lr": 0.01, "max_iter": 5, "tolerance_grad": 1e-3, "tolerance_change": 1e-4,
               "line_search_fn": "strong_wolfe"}),
]


def waves(shape, phase):
    count = torch.Size(shape).numel()
    return torch.sin(1.7 * torch.arange(count, dtype=torch.float64) + phase).reshape(shape)


def record(name, options):
    w1, b1, w2 = (waves(*spec).requires_grad_() for spec in (((4, 3), 0.1), ((4,), 0.2), ((1, 4), 0.3)))
    x, y = waves((10, 3), 0.4), waves((10, 1), 0.5)
    optimizer = getattr(torch.optim, name)([w1, b1, w2], **options)
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = ((x @ w1.t() + b1).tanh() @ w2.t() - y).square().mean()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(8 if name == "LBFGS" else 20)]
    final = torch.cat([p.detach().flatten() for p in (w1, b1, w2)]).tolist()
    return {"optimizer": name, "options": options, "losses": losses, "calls": calls, "final": final}


def main():
    path = pathlib.Path(__file__).with_name("optimizers.json")
    path.write_text("[\n" + ",\n".join(json.dumps(record(*run)) for run in RUNS) + "\n]\n")


if __name__ == "__main__":
    main()

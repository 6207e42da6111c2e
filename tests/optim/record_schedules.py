#!/usr/bin/env python3
"""Records learning rates of PyTorch's schedulers: python3 tests/optim/record_schedules.py > tests/optim/schedules.json

A row is a scheduler ("name" and "args", whose own schedulers are rows again), the optimizer's groups, and 61 steps:
"lrs"[t][group] and, where the schedule moves it, "momentum"[t][group]. lr_scheduler_test.cpp replays them.
"""
import json
import math
import sys
import warnings

import torch
from torch.optim import lr_scheduler

STEPS = 60
FUNCTIONS = {
    "inverse_root": lambda t: 1 / math.sqrt(1 + t),
    "power": lambda t: 0.95**t,
    "sawtooth": lambda t: 1 - (t % 7) / 10,
}


def build(optimizer, row):
    args = dict(row["args"])
    kind = getattr(lr_scheduler, row["name"])
    if "lambdas" in args:
        functions = [FUNCTIONS[name] for name in args["lambdas"]]
        return kind(optimizer, functions if len(functions) > 1 else functions[0])
    if "schedulers" in args:
        inner = [build(optimizer, part) for part in args.pop("schedulers")]
        return kind(inner) if row["name"] == "ChainedScheduler" else kind(optimizer, inner, **args)
    if "scale_fn" in args:
        args["scale_fn"] = FUNCTIONS[args["scale_fn"]]
    return kind(optimizer, **args)


def record(name, lrs=(0.1,), optimizer="SGD", metrics=None, **args):
    row = {"name": name, "args": args, "optimizer": optimizer, "base_lrs": list(lrs)}
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs]
    made = torch.optim.SGD(groups, lr=0.1, momentum=0.5) if optimizer == "SGD" else torch.optim.Adam(groups)
    scheduler = build(made, row)
    moves = args.get("cycle_momentum", "cycle" in name.lower() or "cyclic" in name.lower())
    row["lrs"], momentum = [], []
    for t in range(STEPS + 1):
        row["lrs"].append([g["lr"] for g in made.param_groups])
        momentum.append([g["momentum"] if optimizer == "SGD" else g["betas"][0] for g in made.param_groups])
        made.step()
        if t == STEPS:
            break
        if metrics:
            scheduler.step(metrics[t])
        else:
            scheduler.step()
    if moves:
        row["momentum"] = momentum
    if metrics:
        row["metrics"] = metrics
    return row


def part(name, **args):
    return {"name": name, "args": args}


def rows():
    two = (0.1, 0.02)
    yield record("StepLR", two, step_size=7, gamma=0.6)
    yield record("MultiStepLR", milestones=[3, 10, 10, 41], gamma=0.3)
    yield record("ConstantLR", factor=0.25, total_iters=9)
    yield record("ConstantLR", two)
    yield record("LinearLR", start_factor=0.2, end_factor=0.9, total_iters=17)
    yield record("LinearLR")
    yield record("LinearLR", start_factor=1.0, end_factor=0.0, total_iters=50)
    yield record("ExponentialLR", two, gamma=0.9)
    yield record("PolynomialLR", total_iters=44, power=2.5)
    yield record("PolynomialLR")
    yield record("CosineAnnealingLR", two, T_max=13, eta_min=0.003)
    yield record("CosineAnnealingLR", T_max=60)
    yield record("CosineAnnealingWarmRestarts", T_0=9)
    yield record("CosineAnnealingWarmRestarts", two, T_0=4, T_mult=2, eta_min=0.001)
    yield record("OneCycleLR", max_lr=0.7, total_steps=60)
    yield record("OneCycleLR", max_lr=0.7, epochs=5, steps_per_epoch=13, three_phase=True, pct_start=0.25,
                 anneal_strategy="linear", base_momentum=0.6, max_momentum=0.99, div_factor=10.0, final_div_factor=50.0)
    yield record("OneCycleLR", two, max_lr=[0.7, 0.2], total_steps=60, cycle_momentum=False)
    yield record("OneCycleLR", optimizer="Adam", max_lr=0.01, total_steps=61)
    yield record("CyclicLR", base_lr=0.01, max_lr=0.2, step_size_up=5)
    yield record("CyclicLR", base_lr=0.01, max_lr=0.2, step_size_up=4, step_size_down=9, mode="triangular2")
    yield record("CyclicLR", two, base_lr=[0.01, 0.02], max_lr=[0.2, 0.5], step_size_up=8, mode="exp_range",
                 gamma=0.97, base_momentum=0.3, max_momentum=0.7)
    yield record("CyclicLR", base_lr=0.01, max_lr=0.2, step_size_up=5, scale_fn="inverse_root",
                 scale_mode="iterations", cycle_momentum=False)
    yield record("CyclicLR", optimizer="Adam", base_lr=0.001, max_lr=0.02, step_size_up=7, scale_fn="power",
                 scale_mode="cycle")
    yield record("LambdaLR", lambdas=["inverse_root"])
    yield record("LambdaLR", two, lambdas=["sawtooth", "power"])
    yield record("MultiplicativeLR", two, lambdas=["power"])
    warm = part("LinearLR", start_factor=0.1, total_iters=5)
    cosine = part("CosineAnnealingLR", T_max=40, eta_min=0.001)
    yield record("SequentialLR", two, schedulers=[warm, cosine], milestones=[5])
    yield record("SequentialLR", schedulers=[part("ConstantLR", factor=0.1, total_iters=2), part("ExponentialLR", gamma=0.9),
                                             part("MultiplicativeLR", lambdas=["sawtooth"]),
                                             part("CosineAnnealingWarmRestarts", T_0=6, T_mult=2),
                                             part("PolynomialLR", total_iters=8)], milestones=[4, 11, 20, 47])
    yield record("SequentialLR", schedulers=[warm, part("OneCycleLR", max_lr=0.5, total_steps=55, cycle_momentum=False)],
                 milestones=[8])
    yield record("SequentialLR", schedulers=[part("LambdaLR", lambdas=["power"]), part("StepLR", step_size=3, gamma=0.5)],
                 milestones=[30])
    yield record("ChainedScheduler", two, schedulers=[part("ConstantLR", factor=0.1, total_iters=4),
                                                      part("ExponentialLR", gamma=0.9)])
    yield record("ChainedScheduler", schedulers=[warm, cosine, part("StepLR", step_size=11, gamma=0.7)])
    falling = [1 / (1 + 0.2 * min(t, 12)) + (0.03 if t % 4 == 1 else 0) for t in range(STEPS)]
    yield record("ReduceLROnPlateau", metrics=falling, factor=0.5, patience=3)
    yield record("ReduceLROnPlateau", two, metrics=falling, factor=0.3, patience=1, threshold=0.02,
                 threshold_mode="abs", cooldown=2, min_lr=[0.004, 0.001])
    yield record("ReduceLROnPlateau", metrics=[-x for x in falling], mode="max", factor=0.5, patience=2, eps=0.002,
                 threshold_mode="abs")
    yield record("ReduceLROnPlateau", metrics=[x if t != 5 else math.nan for t, x in enumerate(falling)], mode="max",
                 factor=0.9, patience=2, min_lr=0.01)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    lines = [json.dumps(row).replace("NaN", '"nan"') for row in rows()]
    sys.stdout.write("[\n" + ",\n".join(lines) + "\n]\n")

#!/usr/bin/env python3
"""The recipe of examples/house_prices as a plain PyTorch loop: the peer that its accuracy and speed are compared with.

    python bench/house_prices.py FILE.csv TARGET [seed ...]      one line of JSON per seed, like the example's

Rows: order = randperm(rows) after manual_seed(seed); the first 20 % are for testing, the next 10 % for validation, the rest
for training.
Features, learnt from the training rows: missing numbers become the median, with a feature that says so where training rows
lack values; then standardised and cut to -6 .. 6. Beside it up to 32 bins per number column, one for every 256 training rows,
between quantiles, that fill up from 0 to 1 one after the other (piecewise linear encoding, Gorishniy et al. 2022). A text column becomes one feature per category.
Target: log(1 + y) if all are positive and the skewness is above 1; then standardised.
Network: four members side by side, whose mean is the price; each twice [Linear, LayerNorm, SiLU, Dropout 0.1], 128 and 64 units,
then Linear to 1; PyTorch's initial weights.
Training: mean squared error of every member's standardised price; AdamW, learning rate 0.004, cosine schedule by epochs, weight
decay 0.3 / (learning rate * number of steps), so that the memory of the weights is a few times as long as the run; 25 epochs in
batches of 64 (128 from 5,000 training rows). The weights of the epoch with the smallest validation MAE are kept.
Interval: quantiles of the validation rows' residuals, in the standardised target's units, added to the prediction.
"""

import csv
import json
import math
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

RECIPE = dict(hidden=(128, 64), dropout=0.1, members=4, clip=6.0, bins=32, bin_rows=256, lr=4e-3, epochs=25, coverage=0.9)


def batch_size(rows):
    return 64 if rows < 5000 else 128


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = {}
    for i, name in enumerate(header):
        cells = [r[i] for r in rows]
        try:
            columns[name] = torch.tensor([float(c) if c else math.nan for c in cells], dtype=torch.float64)
        except ValueError:
            columns[name] = cells
    return columns


def number_features(cells, train, clip, bins):
    missing = cells.isnan()
    known = cells[train][~missing[train]].sort().values
    median = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
    x = torch.where(missing, median, cells)
    scale = x[train].std(correction=0)
    x = (x - x[train].mean()) / (scale if scale > 1e-12 else 1)
    features = [x.clamp(-clip, clip)]
    edges = torch.quantile(x[train], torch.linspace(0, 1, bins + 1, dtype=x.dtype)).unique()
    if len(edges) >= 4:
        features += [((x - low) / (high - low)).clamp(0, 1) for low, high in zip(edges, edges[1:])]
    if missing[train].any():
        features.append(missing.double())
    return torch.stack(features, 1)


def encode(columns, train, clip, bins):
    """Features of all rows, with what is learnt from the training rows."""
    features = []
    for cells in columns.values():
        if torch.is_tensor(cells):
            features.append(number_features(cells, train, clip, bins))
            continue
        kept = sorted({cells[i] for i in train.tolist() if cells[i]})
        place = {c: k for k, c in enumerate(kept)}
        one_hot = torch.zeros(len(cells), len(kept), dtype=torch.float64)
        for row, cell in enumerate(cells):
            if cell in place:
                one_hot[row, place[cell]] = 1
        features.append(one_hot)
    return torch.cat(features, 1).float()


class Target:
    """log1p where it helps, then standardised; and back."""

    def __init__(self, y):
        spread = (y - y.mean()) / y.std(correction=0)
        self.log = bool(y.min() > 0 and (spread**3).mean() > 1)
        t = torch.log1p(y) if self.log else y
        self.mean, self.std = t.mean(), t.std(correction=0)

    def __call__(self, y):
        return (((torch.log1p(y) if self.log else y) - self.mean) / self.std).float()

    def inverse(self, z):
        t = z.double() * self.std + self.mean
        return torch.expm1(t) if self.log else t


class Network(nn.Module):
    def __init__(self, features, members, hidden, dropout):
        super().__init__()
        self.members = nn.ModuleList(self.member(features, hidden, dropout) for _ in range(members))

    @staticmethod
    def member(width, hidden, dropout):
        layers = []
        for units in hidden:
            layers += [nn.Linear(width, units), nn.LayerNorm(units), nn.SiLU(), nn.Dropout(dropout)]
            width = units
        return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(0))

    def each(self, x):
        return torch.stack([member(x) for member in self.members])

    def forward(self, x):
        return self.each(x).mean(0)


def fit(path, target, seed=0, **changes):
    recipe = dict(RECIPE, **changes)
    began = time.perf_counter()
    columns = read(path)
    y = columns.pop(target)
    torch.manual_seed(seed)
    order = torch.randperm(len(y))
    n_test, n_val = int(len(y) * 0.2), int(len(y) * 0.1)
    test, val, train = order[:n_test], order[n_test : n_test + n_val], order[n_test + n_val :]
    bins = min(recipe["bins"], len(train) // recipe["bin_rows"])
    x, scaled = encode(columns, train, recipe["clip"], bins), Target(y[train])
    z = scaled(y)

    model = Network(x.shape[1], recipe["members"], recipe["hidden"], recipe["dropout"])
    size = recipe.get("batch") or batch_size(len(train))
    steps = recipe["epochs"] * math.ceil(len(train) / size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe["lr"], weight_decay=0.3 / (recipe["lr"] * steps))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe["epochs"])
    best, kept, best_epoch = math.inf, None, 0
    for epoch in range(recipe["epochs"]):
        model.train()
        for rows in train[torch.randperm(len(train))].split(size):
            loss = (model.each(x[rows]) - z[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            mae = F.l1_loss(model(x[val]), z[val]).item()
        if mae < best:
            best, best_epoch, kept = mae, epoch, {k: v.clone() for k, v in model.state_dict().items()}

    model.load_state_dict(kept)
    with torch.no_grad():
        predicted = model(x)
    tail = (1 - recipe["coverage"]) / 2
    low, high = torch.quantile(z[val] - predicted[val], torch.tensor([tail, 1 - tail])).tolist()
    price, truth = scaled.inverse(predicted[test]), y[test]
    error = price - truth
    seconds = time.perf_counter() - began
    inside = (truth >= scaled.inverse(predicted[test] + low)) & (truth <= scaled.inverse(predicted[test] + high))
    return {
        "seed": seed,
        "test_r2": (1 - error.square().sum() / (truth - truth.mean()).square().sum()).item(),
        "test_rmse": error.square().mean().sqrt().item(),
        "test_mae": error.abs().mean().item(),
        "seconds": seconds,
        "coverage": inside.double().mean().item(),
        "log_target": scaled.log,
        "best_epoch": best_epoch,
    }


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for seed in map(int, sys.argv[3:] or ["0"]):
        line = fit(sys.argv[1], sys.argv[2], seed)
        print(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}), flush=True)

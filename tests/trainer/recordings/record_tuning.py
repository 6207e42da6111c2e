#!/usr/bin/env python3
"""Records what Lightning's tuners find for a tiny model.

    pip install lightning==2.6.6
    tests/trainer/recordings/record_tuning.py      writes tuning.json beside it

The model is Linear(2, 1), weights 0.1, -0.2 and 0.05, mean squared error, SGD with momentum 0.5, lr 0.01. The samples
are x = [sin(i), cos(2 i)], y = 2 x0 - x1 + 3 + 0.2 sin(3 i), batches of 4 in order. A step whose batch has more than `memory` samples is
out of memory. tests/trainer/tuner_test.cpp does the same with our trainer.
"""
import json
import logging
import pathlib
import tempfile
import warnings

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.tuner import Tuner

SWEEPS = [  # samples, max_epochs, accumulate, arguments of lr_find
    (20, 30, 1, {}),
    (20, 30, 1, {"num_training": 50, "max_lr": 100.0}),
    (20, 30, 1, {"num_training": 50, "max_lr": 100.0, "early_stop_threshold": None}),
    (20, 30, 1, {"num_training": 50, "mode": "linear", "min_lr": 0.01, "max_lr": 5.0}),
    (20, 30, 1, {"num_training": 40, "mode": "linear", "min_lr": 1e-4, "max_lr": 0.5, "early_stop_threshold": 1.5}),
    (22, 30, 2, {"num_training": 30, "min_lr": 1e-3, "max_lr": 10.0}),
    (20, 3, 1, {"num_training": 100, "min_lr": 1e-3}),
    (20, 2, 1, {"num_training": 100}),
]
# No rows whose first size is out of memory: Lightning's first trial still has the loader of the size before.
SIZES = [  # samples, batch_size before, memory, arguments of scale_batch_size
    (1000, 1, 100, {}),
    (1000, 1, 10 ** 6, {}),
    (50, 1, 10 ** 6, {}),
    (50, 60, 10 ** 6, {}),
    (1000, 1, 100, {"init_val": 3}),
    (1000, 1, 10 ** 6, {"max_trials": 3}),
    (1000, 1, 100, {"max_trials": 1}),
    (1000, 1, 10 ** 6, {"init_val": 5, "steps_per_trial": 1, "max_trials": 4}),
    (1000, 1, 100, {"mode": "binsearch"}),
    (1000, 1, 100, {"mode": "binsearch", "margin": 0.0}),
    (1000, 1, 333, {"mode": "binsearch", "margin": 0.2, "init_val": 7}),
    (1000, 1, 10 ** 6, {"mode": "binsearch", "max_trials": 4}),
    (1000, 1, 10 ** 6, {"mode": "binsearch", "max_val": 64}),
    (50, 1, 10 ** 6, {"mode": "binsearch", "margin": 0.0}),
    (1000, 1, 100, {"mode": "binsearch", "margin": 0.0, "max_trials": 9}),
]


class Model(LightningModule):
    def __init__(self, samples, batch_size=4, memory=10 ** 6):
        super().__init__()
        self.samples, self.batch_size, self.memory, self.lr = samples, batch_size, memory, 0.01
        self.layer = torch.nn.Linear(2, 1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[0.1, -0.2]]))
            self.layer.bias.copy_(torch.tensor([0.05]))

    def training_step(self, batch, batch_idx):
        x, y = batch
        if len(x) > self.memory:
            raise RuntimeError("CUDA error: out of memory")
        return (self.layer(x) - y).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.5)

    def train_dataloader(self):
        i = torch.arange(self.samples, dtype=torch.float32)
        x = torch.stack([torch.sin(i), torch.cos(2 * i)], 1)
        y = (2 * x[:, :1] - x[:, 1:] + 3) + 0.2 * torch.sin(3 * i).unsqueeze(1)
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=self.batch_size)


def trainer(**settings):
    return Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
                   accelerator="cpu", default_root_dir=tempfile.mkdtemp(), **settings)


def sweep(samples, epochs, accumulate, options):
    model = Model(samples)
    found = Tuner(trainer(max_epochs=epochs, accumulate_grad_batches=accumulate)).lr_find(model, **options)
    suggestions = [[begin, end, found.suggestion(begin, end)] for begin, end in ((10, 1), (0, 1), (3, 5))]
    return {"samples": samples, "epochs": epochs, "accumulate": accumulate, "options": options, "lr": found.results["lr"],
            "loss": found.results["loss"], "suggestions": suggestions, "model_lr": model.lr,
            "weights": torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()}


def size(samples, before, memory, options):
    model = Model(samples, before, memory)
    found = Tuner(trainer(max_epochs=30)).scale_batch_size(model, **options)
    return {"samples": samples, "before": before, "memory": memory, "options": options, "found": found,
            "batch_size": model.batch_size}


def main():
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.CRITICAL)
    rows = {"sweeps": [sweep(*run) for run in SWEEPS], "sizes": [size(*run) for run in SIZES]}
    path = pathlib.Path(__file__).with_name("tuning.json")
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in list) + "\n]" for name, list in rows.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

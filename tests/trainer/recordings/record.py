#!/usr/bin/env python3
"""Records what Lightning does for a plan: every hook, in order, with what it sees.

    pip install lightning==2.6.6
    tests/trainer/recordings/record.py PLAN.json...      writes PLAN.trace beside each

README.md describes plans and traces. The same plans drive tests/trainer/replay_test.cpp.
"""
import json
import os
import pathlib
import shutil
import sys
import tempfile
import warnings

from lightning.pytorch import Callback, Trainer
from lightning.pytorch import callbacks as pl_callbacks
from lightning.pytorch.loggers.logger import Logger

from recorded_module import (PLAIN, DataModule, Module, Recorder, add_module_hooks, at, loader_hook, metrics_of,
                             stage_text)


class Recording(Callback):
    def __init__(self, recorder, name, logs=()):
        self.recorder, self.name, self.logs = recorder, name, logs

    @property
    def state_key(self):
        return self.name

    def add(self, event, values=None):
        self.recorder.add(f"{self.name}.{event}", values)

    def log_as_planned(self, hook):
        if hook in self.logs:
            self.log(f"{self.name}_{hook}", 1.0)

    def state_dict(self):
        self.add("state_dict")
        return {"tag": self.name}

    def load_state_dict(self, state):
        self.add("load_state_dict", {"state": state})


WITH_METRICS = {"on_train_end", "on_train_epoch_end", "on_train_batch_end", "on_validation_end", "on_validation_epoch_end",
                "on_test_end"}


def add_callback_hooks():
    hooks = [n for n in PLAIN if n not in ("prepare_data", "configure_model")]
    hooks += ["on_sanity_check_start", "on_sanity_check_end", "setup", "teardown", "on_before_zero_grad",
              "on_before_backward", "on_after_backward", "on_before_optimizer_step", "on_exception",
              "on_save_checkpoint", "on_load_checkpoint"]
    hooks += [f"on_{s}_batch_{e}" for s in ("train", "validation", "test", "predict") for e in ("start", "end")]
    for name in hooks:
        def hook(self, trainer, module, *args, name=name, **more):
            event = name
            if name in ("setup", "teardown"):
                event += f" stage={stage_text(more.get('stage', args[0] if args else ''))}"
            elif "_batch_" in name:
                rest = args[2:] if name.endswith("_end") else args[1:]
                event += at(rest[0]) if "train" in name else at(rest[0], rest[1] if len(rest) > 1 else 0)
            metrics = self.name == "B" and name in WITH_METRICS
            self.add(event, {"metrics": metrics_of(trainer)} if metrics else None)
            self.log_as_planned(name)
        setattr(Recording, name, hook)


class RecordingLogger(Logger):
    def __init__(self, recorder, folder):
        super().__init__()
        self.recorder, self.folder = recorder, folder

    name, version = "log", 0

    @property
    def save_dir(self):
        return self.folder

    def log_metrics(self, metrics, step=None):
        self.recorder.add("logger.log_metrics", {"step": step, "metrics": {k: float(v) for k, v in metrics.items()}})

    def log_hyperparams(self, params, *args):
        self.recorder.add("logger.log_hyperparams", {"params": dict(params)})

    def after_save_checkpoint(self, callback):
        self.recorder.add("logger.after_save_checkpoint")

    def finalize(self, status):
        self.recorder.add("logger.finalize", {"status": status})


def make_callback(spec, recorder, folder):
    if isinstance(spec, str):
        return Recording(recorder, spec)
    (kind, arguments), = spec.items()
    arguments = dict(arguments)
    if kind == "Recorder":
        return Recording(recorder, arguments["name"], arguments["logs"])
    if kind == "GradientAccumulationScheduler":
        return pl_callbacks.GradientAccumulationScheduler({int(k): v for k, v in arguments.items()})
    if kind == "LearningRateFinder":
        arguments["num_training_steps"] = arguments.pop("num_training")
    if "dirpath" in arguments:
        arguments["dirpath"] = os.path.join(folder, arguments["dirpath"])
    return getattr(pl_callbacks, kind)(**arguments)


def make_trainer(run, recorder, folder):
    settings = {"logger": RecordingLogger(recorder, folder), "enable_progress_bar": False, "enable_model_summary": False,
                "enable_checkpointing": False, "num_sanity_val_steps": 0, "log_every_n_steps": 1, "accelerator": "cpu",
                "default_root_dir": folder}
    settings.update(run.get("trainer", {}))
    made = [make_callback(spec, recorder, folder) for spec in run.get("callbacks", ["A", "B"])]
    if any(isinstance(c, pl_callbacks.Checkpoint) for c in made):
        settings["enable_checkpointing"] = True
    trainer = Trainer(callbacks=made, **settings)
    for verb in ("save_checkpoint", "remove_checkpoint"):
        owner = trainer if verb == "save_checkpoint" else trainer.strategy
        inner = getattr(owner, verb)
        def wrapped(path, *args, inner=inner, verb=verb, **more):
            if verb == "save_checkpoint":
                recorder.add("trainer." + verb, {"file": os.path.relpath(path, folder)})
            there = os.path.exists(path)
            inner(path, *args, **more)
            if verb == "remove_checkpoint" and there:
                recorder.add("trainer." + verb, {"file": os.path.relpath(path, folder)})
        setattr(owner, verb, wrapped)
    return trainer


def record(plan):
    folder, recorder, trainer, module = tempfile.mkdtemp(), Recorder(), None, None
    recorder.leave_out = tuple("." + hook for hook in plan.get("leave_out", []))
    for number, run in enumerate(plan["runs"]):
        spec = run.get("module", {})
        entry = run.get("entry", "fit")
        recorder.lines.append(f"# run {number}: {entry}")
        if not run.get("same_trainer"):
            recorder.trainer = None
            trainer = make_trainer(run, recorder, folder)
        if not run.get("same_module"):
            kind = Module
            if "val" in spec:
                kind = type("ModuleWithValidation", (Module,), {"val_dataloader": loader_hook("val", [])})
            module = kind(recorder, spec)
        arguments = {"datamodule": DataModule(recorder, spec)} if run.get("datamodule") else {}
        checkpoint = run.get("ckpt_path")
        if checkpoint:
            arguments["ckpt_path"] = os.path.join(folder, checkpoint) if "/" in checkpoint else checkpoint
            arguments["weights_only"] = False
        if entry in ("validate", "test"):
            arguments["verbose"] = False
        try:
            getattr(trainer, entry)(module, **arguments)
        except Exception as error:
            if not run.get("fails"):
                raise
            recorder.lines.append(f"# exception {type(error).__name__}: " + str(error).replace("\n", " ").replace(folder, "<dir>"))
        files = sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*") if p.is_file())
        recorder.lines.append("# final " + json.dumps(
            {"current_epoch": trainer.current_epoch, "global_step": trainer.global_step, "weights": module.weights()}))
        recorder.lines.append("# files " + json.dumps(files))
    shutil.rmtree(folder)
    return recorder.lines


def main():
    warnings.simplefilter("ignore")
    add_module_hooks()
    add_callback_hooks()
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        lines = record(json.loads(path.read_text()))
        path.with_suffix(".trace").write_text("\n".join(lines) + "\n")
        print(f"{path.stem}: {len(lines)} lines")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes random plans and records what Lightning does with them: many settings at once, as nobody would think them up.

    pip install lightning==2.6.6
    tests/trainer/recordings/random_plans.py FOLDER FIRST_SEED COUNT
    FULMEN_RECORDINGS=FOLDER build/release/bin/unit_tests --test-case='*FULMEN_RECORDINGS*'

A seed gives the same plan for ever, as long as this file does not change. README.md describes plans and traces.
"""
import json
import pathlib
import random
import sys
import warnings

from record import add_callback_hooks, add_module_hooks, record

TEST_HOOKS = ["test_step", "on_test_batch_start", "on_test_batch_end", "on_test_start", "on_test_epoch_start",
              "on_test_epoch_end"]
STEP_HOOKS = ["training_step", "on_train_batch_start", "on_train_batch_end"]
EPOCH_HOOKS = ["on_train_epoch_start", "on_train_epoch_end", "on_train_start"]
VALIDATION_HOOKS = ["validation_step", "on_validation_batch_start", "on_validation_batch_end", "on_validation_start",
                    "on_validation_epoch_start", "on_validation_epoch_end"]


class Maker:
    def __init__(self, seed):
        self.pick = random.Random(seed)

    def maybe(self, probability):
        return self.pick.random() < probability

    def one(self, *choices):
        return self.pick.choice(choices)

    def trainer(self, module):
        t = {"max_epochs": self.one(1, 2, 2, 3, 4)}
        batches = (module.get("train", 7) + 1) // 2
        if self.maybe(0.2):
            t["max_steps"] = self.pick.randint(1, 12)
        if self.maybe(0.12):
            t["min_epochs"] = self.pick.randint(1, 3)
        if self.maybe(0.12):
            t["min_steps"] = self.pick.randint(1, 10)
        if self.maybe(0.2):
            t["limit_train_batches"] = self.one(0, 1, 2, 3, 0.5, 0.8, 1.0)
        if self.maybe(0.15):
            t["limit_val_batches"] = self.one(0, 1, 2, 0.5, 1.0)
        validates = "val" in module
        if validates and self.maybe(0.4):
            t["val_check_interval"] = self.one(0.25, 0.5, 0.7, 1, 2, 3, batches)
            if isinstance(t["val_check_interval"], int) and self.maybe(0.4):
                t["check_val_every_n_epoch"] = None
                t["val_check_interval"] = self.pick.randint(1, 9)
        if validates and "check_val_every_n_epoch" not in t and self.maybe(0.25):
            t["check_val_every_n_epoch"] = self.one(1, 2, 3)
        if self.maybe(0.35):
            t["accumulate_grad_batches"] = self.one(1, 2, 3, 4)
        if self.maybe(0.2):
            t["gradient_clip_val"] = self.one(0.0, 0.1, 1.0, 5.0)
            if self.maybe(0.5) and "skip" not in module:  # PyTorch cannot clip the values of no gradients
                t["gradient_clip_algorithm"] = "value"
        if "val" in module and self.maybe(0.4):
            t["num_sanity_val_steps"] = self.one(1, 2, -1)
        if self.maybe(0.4):
            t["log_every_n_steps"] = self.one(0, 2, 3, 5, 50)
        if self.maybe(0.06):
            t["overfit_batches"] = self.one(1, 2, 0.5)
        if self.maybe(0.05):
            t["fast_dev_run"] = self.one(True, 2, 3)
        if self.maybe(0.1):
            t["reload_dataloaders_every_n_epochs"] = self.one(1, 2)
        if "max_steps" in t and self.maybe(0.2):
            t["max_epochs"] = self.one(-1, None)
        if self.maybe(0.1):
            t["limit_test_batches"] = self.one(0, 1, 0.5)
        if self.maybe(0.1):
            t["limit_predict_batches"] = self.one(0, 1, 0.5)
        if self.maybe(0.05):
            t["inference_mode"] = False
        if self.maybe(0.05):
            t["enable_checkpointing"] = True
        if self.maybe(0.03):
            t["detect_anomaly"] = True
        return t

    def changed(self, trainer):
        """Settings of a fit that goes on with another's checkpoint: mostly the same."""
        t = {**trainer}
        if t["max_epochs"] not in (-1, None):
            t["max_epochs"] += self.one(0, 1, 2)
        if self.maybe(0.3) and "max_steps" in t:
            t["max_steps"] += self.one(0, 1, 2, 5)
        if self.maybe(0.15):
            t["accumulate_grad_batches"] = self.one(1, 2, 3)
        if self.maybe(0.1):
            t["limit_train_batches"] = self.one(1, 2, 3, 1.0)
        if self.maybe(0.1):
            t["limit_val_batches"] = self.one(0, 1, 1.0)
        if self.maybe(0.1):
            t["num_sanity_val_steps"] = self.one(0, 1, 2)
        return t

    def logs(self, with_validation, with_test):
        hooks = STEP_HOOKS * 2 + EPOCH_HOOKS + (VALIDATION_HOOKS if with_validation else [])
        hooks += TEST_HOOKS if with_test else []
        entries = []
        for i in range(self.pick.randint(1, 4)):
            entry = {"in": self.pick.choice(hooks), "name": self.one(f"m{i}", f"m{i}", f"part/m{i}"), "value": self.one("batch_idx", "epoch", 1.5, "loss")}
            if "batch" not in entry["in"] and "step" not in entry["in"] and entry["value"] in ("batch_idx", "loss"):
                entry["value"] = "epoch"
            if self.maybe(0.5):
                entry["on_epoch"] = self.one(True, True, False)
            if ("batch" in entry["in"] or "step" in entry["in"]) and self.maybe(0.5):
                entry["on_step"] = self.one(True, False)
            if self.maybe(0.3):
                entry["prog_bar"] = True
            if self.maybe(0.2):
                entry["logger"] = False
            if self.maybe(0.2):
                entry["batch_size"] = self.one(1, 3)
            if self.maybe(0.4):
                entry["reduce_fx"] = self.one("mean", "sum", "min", "max")
            if self.maybe(0.1):
                entry["add_dataloader_idx"] = False
            entries.append(entry)
        return entries

    def module(self):
        m = {"train": self.one(1, 2, 5, 7, 7, 9, 11), "double": True}
        if self.maybe(0.75):
            m["val"] = self.one([5], [3], [1], [4], [3, 5], [2, 3, 1])
        if self.maybe(0.2):
            m["test"] = self.one([1], [5], [3, 4])
        if self.maybe(0.2):
            m["predict"] = self.one([1], [5], [2, 3])
        if self.maybe(0.3):
            m["momentum"] = self.one(0.5, 0.9)
        if self.maybe(0.3):
            m["lr"] = self.one(0.001, 0.005)
        if self.maybe(0.5):
            m["also_log"] = self.logs("val" in m, "test" in m)
        special = self.pick.random()
        if special < 0.1:
            m["manual"] = {"optimizers": self.one(1, 2), "accumulate": self.one(1, 2)}
            if self.maybe(0.3):
                m["manual"]["clip"] = 0.5
            if self.maybe(0.3):
                m["manual"]["second_lr"] = 0.003
            if self.maybe(0.3) and m["manual"]["optimizers"] == 1:
                m["scheduler"] = {"kind": "StepLR", "step_size": self.one(1, 2), "interval": self.one("step", "epoch")}
                m["manual"]["schedules"] = self.maybe(0.6)
        elif special < 0.2:
            m["returns"] = self.one("dict", "dict", "nothing")
        elif special < 0.27:
            m["skip"] = self.pick.randint(0, 3)
        elif special < 0.34:
            m["combined"] = self.one("max_size_cycle", "min_size", "max_size")
            del m["train"]
        if self.maybe(0.3) and "manual" not in m:
            kind = self.one("StepLR", "StepLR", "ReduceLROnPlateau")
            s = {"kind": kind}
            if self.maybe(0.6):
                s["interval"] = self.one("step", "epoch")
            if self.maybe(0.4):
                s["frequency"] = self.one(1, 2, 3)
            if kind == "StepLR":
                s["step_size"], s["gamma"] = self.one(1, 2, 3), self.one(0.5, 0.9)
            else:
                s["monitor"] = self.one("train_loss", "train_loss_epoch", "val_loss" if "val" in m else "train_loss")
                s["patience"], s["factor"] = self.one(0, 1), self.one(0.5, 0.1)
                if self.maybe(0.4):
                    s["strict"] = False
            if self.maybe(0.2):
                s["name"] = "mine"
            if self.maybe(0.2):
                s["second"] = {"interval": self.one("step", "epoch"), "frequency": self.one(1, 2)}
            m["scheduler"] = s
        for what, probability in (("minus_one", 0.07), ("stop", 0.1), ("raise", 0.05), ("raise_in_validation", 0.04)):
            if self.maybe(probability):
                m[what] = [self.pick.randint(0, 1), self.pick.randint(0, 3)]
        if "val" in m and self.maybe(0.08):
            m["early_stopping"] = self.one("val_loss", "train_loss")
        return m

    def metric(self, module):
        names = ["train_loss", "train_loss_epoch"]
        if len(module.get("val", [])) == 1:
            names += ["val_loss", "val_loss"]
        elif "val" in module:
            names += ["val_loss/dataloader_idx_1"]
        return self.pick.choice(names)

    def checkpoint(self, module, folder):
        c = {"dirpath": folder} if folder == "b" or self.maybe(0.8) else {}
        if self.maybe(0.6):
            c["monitor"] = self.metric(module)
            c["mode"] = self.one("min", "min", "max")
            c["save_top_k"] = self.one(1, 1, 2, 3, -1, 0)
        elif self.maybe(0.3):
            c["save_top_k"] = self.one(-1, 0, 1)
        if self.maybe(0.3):
            c["filename"] = self.one("best", "{epoch:02d}", "{epoch}-{step}-{train_loss:.2f}", "{step}", "x-{val_loss:.3f}",
                                     "{train_loss_epoch:.1e}-{nothing}", "sub/{epoch}", "e{epoch}{step:04d}")
        if self.maybe(0.4):
            c["save_last"] = self.one(True, True, True, "link")
        rhythm = self.pick.random()
        if rhythm < 0.3:
            c["every_n_train_steps"] = self.pick.randint(1, 4)
        elif rhythm < 0.5:
            c["every_n_epochs"] = self.pick.randint(1, 3)
        if self.maybe(0.2):
            c["save_on_train_epoch_end"] = self.one(True, False)
        if self.maybe(0.1):
            c["save_weights_only"] = True
        if self.maybe(0.1):
            c["enable_version_counter"] = False
        if self.maybe(0.1):
            c["auto_insert_metric_name"] = False
        if self.maybe(0.1):
            c["save_on_exception"] = True
        return {"ModelCheckpoint": c}

    def stopping(self, module):
        e = {"monitor": self.metric(module), "patience": self.pick.randint(0, 3)}
        if self.maybe(0.3):
            e["min_delta"] = self.one(0.01, 0.5)
        if self.maybe(0.3):
            e["mode"] = self.one("min", "max")
        if self.maybe(0.2):
            e["stopping_threshold"] = self.one(0.5, 5.0)
        if self.maybe(0.2):
            e["divergence_threshold"] = self.one(1.0, 100.0)
        if self.maybe(0.2):
            e["check_on_train_epoch_end"] = self.one(True, False)
        if self.maybe(0.3):
            e["strict"] = False
        return {"EarlyStopping": e}

    def callbacks(self, module, trainer):
        made = ["B"]
        if self.maybe(0.3):
            made.insert(0, "A")
        if self.maybe(0.2):
            made.append({"Recorder": {"name": "C", "logs": [self.one("on_train_epoch_end", "on_train_epoch_start",
                                                                      "on_train_batch_end", "on_validation_epoch_end")]}})
        for folder in "ab":
            if self.maybe(0.35) and "fast_dev_run" not in trainer:
                made.insert(self.pick.randint(0, len(made)), self.checkpoint(module, folder))
        if self.maybe(0.2):
            made.insert(self.pick.randint(0, len(made)), self.stopping(module))
        if "manual" not in module and self.maybe(0.12):
            made.append({"LearningRateMonitor": self.one({}, {"logging_interval": "step"}, {"logging_interval": "epoch"},
                                                         {"log_momentum": True})})
        if "manual" not in module and "accumulate_grad_batches" not in trainer and self.maybe(0.08):
            made.append({"GradientAccumulationScheduler": self.one({"1": 2}, {"0": 2, "2": 3}, {"0": 3, "1": 1})})
        if self.maybe(0.06):
            made.insert(self.pick.randint(0, len(made)), {"OnExceptionCheckpoint": {"dirpath": "c"}})
        if self.maybe(0.06):
            made.append({"EMAWeightAveraging": {"decay": 0.7, "update_every_n_steps": self.one(1, 2)}})
        return made

    def plan(self):
        module = self.module()
        trainer = self.trainer(module)
        first = {"trainer": trainer, "module": module, "callbacks": self.callbacks(module, trainer)}
        if module.get("returns") == "nothing" and "gradient_clip_algorithm" in trainer:
            del trainer["gradient_clip_algorithm"]  # as for "skip"
        if self.maybe(0.2) and "combined" not in module:
            first["datamodule"] = True
        runs = [first]
        for _ in range(self.one(0, 0, 1, 1, 2)):
            kind = self.one("again", "test", "validate", "predict", "resume", "resume")
            if "combined" in module and kind == "predict":
                continue
            if kind in ("test", "validate", "predict"):
                run = {"entry": kind, "module": module, "same_trainer": True, "same_module": True}
                if kind == "validate" and "val" not in module:
                    continue
                if "datamodule" in first:
                    run["datamodule"] = True
                if self.maybe(0.2):
                    run["ckpt_path"] = self.one("best", "last")
            elif kind == "again":
                run = {"module": module, "same_trainer": True, "same_module": True}
                if "datamodule" in first:
                    run["datamodule"] = True
            else:
                run = json.loads(json.dumps(first))
                run["trainer"] = self.changed(runs[-1].get("trainer", trainer))
                run["resume_from"] = True
                for what in ("raise", "stop", "minus_one", "raise_in_validation"):
                    run["module"].pop(what, None)
                if self.maybe(0.1):
                    run["same_trainer"] = run["same_module"] = True
            runs.append(run)
        return {"about": "random", "leave_out": [], "runs": runs}


def files_at_end(lines, run):
    """The files there are after a run."""
    seen = -1
    for line in lines:
        if line.startswith("# files "):
            seen += 1
            if seen == run:
                return json.loads(line[8:])
    return []


def recorded(maker):
    """Records run by run: where Lightning raises, the plan says that it fails; a resume takes one of the files there are."""
    plan = maker.plan()
    complete, lines = [], []
    for run in plan["runs"]:
        if complete and complete[-1].get("fails") and run.get("same_trainer", False):
            continue  # what a failed trainer still knows is nobody's contract
        if run.pop("resume_from", False):
            files = [f for f in files_at_end(lines, len(complete) - 1) if f.endswith(".ckpt")]
            if not files:
                continue
            run["ckpt_path"] = maker.pick.choice(sorted(files))
        for fails in (False, True):
            if fails:
                run["fails"] = True
            try:
                lines = record({**plan, "runs": complete + [run]})
                complete.append(run)
                break
            except Exception as error:
                # Still failing: the trainer could not even be made, and there is nothing to compare.
                print("   fails:", type(error).__name__, str(error).replace("\n", " ")[:150])
    plan["runs"] = complete
    return plan, lines


def main():
    warnings.simplefilter("ignore")
    add_module_hooks()
    add_callback_hooks()
    folder, first, count = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        plan, lines = recorded(Maker(seed))
        if not plan["runs"]:
            continue
        name = folder / f"random_{seed}"
        name.with_suffix(".json").write_text(json.dumps(plan, indent=1) + "\n")
        name.with_suffix(".trace").write_text("\n".join(lines) + "\n")
        print(f"{name.stem}: {len(lines)} lines", flush=True)


if __name__ == "__main__":
    main()

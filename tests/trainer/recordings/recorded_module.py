"""The module and the data module of recorded runs: the Python side of tests/trainer/recording.h."""
import json

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch import callbacks as pl_callbacks
from lightning.pytorch.utilities import CombinedLoader

DEFAULT_LOG = [
    {"in": "training_step", "name": "train_loss", "on_step": True, "on_epoch": True, "prog_bar": True},
    {"in": "validation_step", "name": "val_loss", "prog_bar": True},
    {"in": "test_step", "name": "test_loss"},
]
LOG_OPTIONS = ("on_step", "on_epoch", "prog_bar", "logger", "batch_size", "reduce_fx", "add_dataloader_idx")


class Recorder:
    """Lines of the form `who.hook arguments | e=0 s=1 train T G | {values}`."""

    def __init__(self):
        self.lines, self.trainer, self.module, self.leave_out = [], None, None, ()

    def add(self, event, values=None):
        line = event
        hook = event[event.index("."):].replace("<", "").split(" ")[0]
        if hook in self.leave_out:
            return
        if self.trainer is not None and self.module is not None:
            stage = str(self.trainer.state.stage.value if self.trainer.state.stage else "None")
            gradients = "I" if torch.is_inference_mode_enabled() else "G" if torch.is_grad_enabled() else "N"
            mode = "T" if self.module.training else "E"
            line += f" | e={self.trainer.current_epoch} s={self.trainer.global_step} {stage} {mode} {gradients}"
        if values:
            line += " | " + json.dumps(rounded(values), separators=(",", ":"))
        self.lines.append(line)


def rounded(values):
    """float32 has no more digits than these, and traces are large."""
    if isinstance(values, dict):
        return {k: rounded(v) for k, v in values.items()}
    if isinstance(values, list):
        return [rounded(v) for v in values]
    return float(f"{values:.8g}") if isinstance(values, float) else values


def numbers(tensors):
    return [x for t in tensors for x in t.detach().flatten().tolist()]


def metrics_of(trainer):
    plain = lambda d: {k: float(v) for k, v in sorted(d.items())}
    return {name: plain(getattr(trainer, name)) for name in ("callback_metrics", "logged_metrics", "progress_bar_metrics")}


def loader_of(first, samples, shuffle=False, dtype=torch.float32):
    x = torch.tensor([[float(i), float(i + 1)] for i in range(first, first + samples)], dtype=dtype)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x[:, :1].clone()), batch_size=2, shuffle=shuffle)


def dtype_of(plan):
    return torch.float64 if plan.get("double") else torch.float32


def loaders_of(sizes, dtype):
    loaders = [loader_of(10 * i, n, dtype=dtype) for i, n in enumerate(sizes)]
    return loaders[0] if len(loaders) == 1 else loaders


def stage_text(stage):
    return getattr(stage, "value", stage)


def at(batch_idx, dataloader_idx=None):
    return f" batch_idx={batch_idx}" + ("" if dataloader_idx is None else f" dataloader_idx={dataloader_idx}")


class Module(LightningModule):
    def __init__(self, recorder, plan):
        super().__init__()
        self.recorder, self.plan = recorder, plan
        self.hyper = {"lr": plan.get("lr", 0.01), "momentum": plan.get("momentum", 0.0)}
        if plan.get("kind"):
            self.hyper["kind"] = plan["kind"]
        self.save_hyperparameters(self.hyper)
        self.layer = torch.nn.Linear(2, 1, dtype=dtype_of(plan))
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[0.1, -0.2]]))
            self.layer.bias.copy_(torch.tensor([0.05]))
        self.automatic_optimization = "manual" not in plan

    def add(self, event, values=None):
        self.recorder.add("module." + event, values)

    def forward(self, x):
        return (x * self.layer.weight).sum(1, keepdim=True) + self.layer.bias

    def loss_of(self, batch):
        a = batch["a"] if isinstance(batch, dict) else batch
        return (self(a[0]) - a[1]).square().mean()

    def weights(self):
        return numbers([self.layer.weight, self.layer.bias])

    def gradients(self):
        return None if self.layer.weight.grad is None else numbers([self.layer.weight.grad, self.layer.bias.grad])

    def log_as_planned(self, hook, loss=0.0, batch_idx=0):
        for entry in self.plan.get("log", DEFAULT_LOG) + self.plan.get("also_log", []):
            if entry["in"] != hook:
                continue
            value = entry.get("value", "loss")
            value = {"loss": loss, "batch_idx": float(batch_idx), "epoch": float(self.current_epoch)}.get(value, value)
            self.log(entry["name"], value * entry.get("times", 1.0), **{k: entry[k] for k in LOG_OPTIONS if k in entry})

    def planned_at(self, what, batch_idx):
        return self.plan.get(what) == [self.current_epoch, batch_idx]

    def training_step(self, batch, batch_idx):
        if self.planned_at("raise", batch_idx):
            self.add("training_step" + at(batch_idx))
            raise RuntimeError("boom")
        loss = self.loss_of(batch)
        seen = {"loss": loss.item()}
        skips = self.plan.get("skip", -1) == batch_idx
        if "skip" in self.plan:
            seen["returned"] = not skips
        if "combined" in self.plan:
            column = lambda b: None if b is None else b[0][:, 0].squeeze().tolist()
            seen = {"batch": {name: column(batch[name]) for name in "ab"}}
        self.add("training_step" + at(batch_idx), seen)
        if not self.automatic_optimization:
            self.learn_manually(loss, batch_idx)
        self.log_as_planned("training_step", loss.item(), batch_idx)
        returns = self.plan.get("returns", "loss")
        if skips or returns == "nothing":
            return None
        if returns == "dict":
            return {"loss": loss, "mean_x": batch[0].mean()}
        return loss

    def learn_manually(self, loss, batch_idx):
        manual = self.plan["manual"]
        window, two = manual.get("accumulate", 1), manual.get("optimizers", 1) == 2
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        if batch_idx % window == 0:
            for optimizer in optimizers:
                optimizer.zero_grad()
        self.manual_backward(loss if window == 1 else loss / window)
        if (batch_idx + 1) % window == 0:
            if "clip" in manual:
                self.clip_gradients(optimizers[0], gradient_clip_val=manual["clip"], gradient_clip_algorithm="norm")
            optimizers[0].step()
            if manual.get("schedules"):
                self.lr_schedulers().step()
            if two:
                self.add("after_first_step", {"w": self.weights()})
            if two and batch_idx // window % 2 == 1:
                optimizers[1].step()
                self.add("after_second_step", {"w": self.weights()})
        if not two:
            self.add("<training_step" + at(batch_idx), {"w": self.weights()})

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        if self.planned_at("raise_in_validation", batch_idx):
            raise RuntimeError("boom")
        loss = self.loss_of(batch).item()
        self.add("validation_step" + at(batch_idx, dataloader_idx), {"loss": loss})
        self.log_as_planned("validation_step", loss, batch_idx)

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        loss = self.loss_of(batch).item()
        self.add("test_step" + at(batch_idx, dataloader_idx), {"loss": loss})
        self.log_as_planned("test_step", loss, batch_idx)

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        prediction = self(batch[0])
        self.add("predict_step" + at(batch_idx, dataloader_idx), {"pred": prediction.squeeze().tolist()})
        return prediction

    def configure_optimizers(self):
        sgd = lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=self.hyper["momentum"])
        lr, manual = self.hyper["lr"], self.plan.get("manual", {})
        if manual.get("optimizers", 1) == 2:
            return [sgd([self.layer.weight], lr), sgd([self.layer.bias], manual.get("second_lr", lr))]
        if self.plan.get("two_optimizers"):
            return [sgd(self.parameters(), lr), sgd(self.parameters(), lr)]
        spec = self.plan.get("scheduler")
        if not spec:
            self.add("configure_optimizers")
        optimizer = sgd(self.parameters(), lr)
        if "optimizer" in self.plan:
            arguments = dict(self.plan["optimizer"])
            optimizer = getattr(torch.optim, arguments.pop("kind"))(self.parameters(), lr=lr, **arguments)
        if not spec:
            return optimizer
        if spec["kind"] == "StepLR":
            made = torch.optim.lr_scheduler.StepLR(optimizer, spec.get("step_size", 1), spec.get("gamma", 0.5))
        else:
            made = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=spec.get("factor", 0.5), patience=spec.get("patience", 0))
        config = {k: spec[k] for k in ("interval", "frequency", "monitor", "strict", "name") if k in spec}
        if "second" in spec:
            other = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.9)
            return [optimizer], [{"scheduler": made, **config}, {"scheduler": other, **spec["second"]}]
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": made, **config}}

    def configure_callbacks(self):
        self.recorder.trainer, self.recorder.module = self.trainer, self
        self.add("configure_callbacks")
        monitor = self.plan.get("early_stopping")
        return [pl_callbacks.EarlyStopping(monitor)] if monitor else []

    def train_dataloader(self):
        mode = self.plan.get("combined")
        if mode:
            dtype = dtype_of(self.plan)
            return CombinedLoader({"a": loader_of(0, 7, dtype=dtype), "b": loader_of(20, 3, dtype=dtype)}, mode)
        self.add("train_dataloader")
        return loader_of(0, self.plan.get("train", 7), self.plan.get("shuffle", False), dtype_of(self.plan))

    def lr(self):
        return self.trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_start(self, batch, batch_idx):
        self.add("on_train_batch_start" + at(batch_idx), {"lr": self.lr()} if "scheduler" in self.plan else None)
        self.log_as_planned("on_train_batch_start", 0.0, batch_idx)
        return -1 if self.planned_at("minus_one", batch_idx) else None

    def on_train_batch_end(self, outputs, batch, batch_idx):
        values = {"outputs": {k: float(v) for k, v in (outputs or {}).items()}, "w": self.weights()}
        if "scheduler" in self.plan:
            values["lr"] = self.lr()
        self.add("on_train_batch_end" + at(batch_idx), values)
        self.log_as_planned("on_train_batch_end", 0.0, batch_idx)
        if self.planned_at("stop", batch_idx):
            self.trainer.should_stop = True

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        self.add(f"optimizer_step epoch={epoch}" + at(batch_idx))
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.add("<optimizer_step")

    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
        self.add(f"optimizer_zero_grad epoch={epoch}" + at(batch_idx))
        super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def backward(self, loss):
        self.add("backward", {"loss": loss.item()})
        super().backward(loss)
        self.add("<backward")

    def on_before_backward(self, loss):
        self.add("on_before_backward", {"loss": loss.item()})

    def on_after_backward(self):
        self.add("on_after_backward", {"grad": self.gradients()})

    def on_before_optimizer_step(self, optimizer):
        self.add("on_before_optimizer_step", {"grad": self.gradients()})

    def on_before_zero_grad(self, optimizer):
        self.add("on_before_zero_grad")

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        self.add("configure_gradient_clipping",
                 {"grad": self.gradients(), "clip": gradient_clip_val, "algorithm": gradient_clip_algorithm})
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def lr_scheduler_step(self, scheduler, metric):
        self.add("lr_scheduler_step", {"metric": None if metric is None else float(metric)})
        super().lr_scheduler_step(scheduler, metric)

    def on_validation_model_train(self):
        self.add("on_validation_model_train")
        self.train()

    def on_test_model_train(self):
        self.add("on_test_model_train")
        self.train()


def loader_hook(which, otherwise):
    def hook(self):
        sizes = self.plan.get(which, otherwise)
        self.add(which + "_dataloader")
        return loaders_of(sizes, dtype_of(self.plan))
    return hook


def transfer_hook(name):
    def hook(self, batch, *rest):
        self.add(f"{name} dataloader_idx={rest[-1]}")
        base = LightningDataModule if isinstance(self, LightningDataModule) else LightningModule
        return getattr(base, name)(self, batch, *rest)
    return hook


TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
PLAIN = ["prepare_data", "configure_model", "on_fit_start", "on_fit_end", "on_train_start", "on_train_end",
         "on_train_epoch_start", "on_train_epoch_end"]
for stage in ("validation", "test", "predict"):
    PLAIN += [f"on_{stage}_start", f"on_{stage}_end", f"on_{stage}_epoch_start", f"on_{stage}_epoch_end"]
VERBS = ("on_validation_model_zero_grad", "on_validation_model_eval", "on_test_model_eval", "on_predict_model_eval")


def add_module_hooks():
    for name in PLAIN:
        def plain(self, name=name):
            self.add(name)
            self.log_as_planned(name)
        setattr(Module, name, plain)
    for name in VERBS:
        def verb(self, name=name):
            self.add(name)
            getattr(LightningModule, name)(self)
        setattr(Module, name, verb)
    for name in TRANSFERS:
        setattr(Module, name, transfer_hook(name))
        setattr(DataModule, name, transfer_hook(name))
    for name in ("setup", "teardown"):
        for kind in (Module, DataModule):
            setattr(kind, name, lambda self, stage, name=name: self.add(f"{name} stage={stage_text(stage)}"))
    for name in ("on_save_checkpoint", "on_load_checkpoint"):
        setattr(Module, name, lambda self, checkpoint, name=name: self.add(name))
    Module.test_dataloader = loader_hook("test", [4])
    Module.predict_dataloader = loader_hook("predict", [3])
    for stage in ("validation", "test", "predict"):
        def start(self, batch, batch_idx, dataloader_idx=0, stage=stage):
            self.add(f"on_{stage}_batch_start" + at(batch_idx, dataloader_idx))
            self.log_as_planned(f"on_{stage}_batch_start", 0.0, batch_idx)
        def end(self, outputs, batch, batch_idx, dataloader_idx=0, stage=stage):
            self.add(f"on_{stage}_batch_end" + at(batch_idx, dataloader_idx))
            self.log_as_planned(f"on_{stage}_batch_end", 0.0, batch_idx)
        setattr(Module, f"on_{stage}_batch_start", start)
        setattr(Module, f"on_{stage}_batch_end", end)


class DataModule(LightningDataModule):
    def __init__(self, recorder, plan):
        super().__init__()
        self.recorder, self.plan = recorder, plan

    def add(self, event, values=None):
        self.recorder.add("datamodule." + event, values)

    def prepare_data(self):
        self.add("prepare_data")

    def train_dataloader(self):
        self.add("train_dataloader")
        return loader_of(0, self.plan.get("train", 7), self.plan.get("shuffle", False), dtype_of(self.plan))

    val_dataloader = loader_hook("val", [5])
    test_dataloader = loader_hook("test", [4])
    predict_dataloader = loader_hook("predict", [3])

    def state_dict(self):
        self.add("state_dict")
        return {"dm": 1}

    def load_state_dict(self, state):
        self.add("load_state_dict", {"state": state})

    def on_exception(self, exception):
        self.add("on_exception")

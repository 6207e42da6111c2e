"""The Python side of compare.py: reads a benchmark's name a line (and a data file and target column where it needs them),
answers each with {"value": number or null}. The times are per step in nanoseconds, of house_prices in seconds.
"""

import contextlib
import json
import os
import sys
import time


def per_call(step, clock=time.process_time_ns, min_seconds=0.2):
    """Nanoseconds per call: as many calls as fill min_seconds, after a short warm-up. Processor time, or wall time for what
    runs on several threads."""
    calls = 1
    while True:
        began = clock()
        for _ in range(calls):
            step()
        elapsed = clock() - began
        if elapsed > min_seconds * 1e9:
            return elapsed / calls
        calls = max(calls * 2, int(calls * min_seconds * 1.2e9 / max(elapsed, 1)))


def small_net():
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    x, y = torch.randn(32, 8), torch.randn(32, 1)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()

    return step


def tensor_benchmark(name):
    import torch

    a, b, c = (torch.rand(1) for _ in range(3))
    if name == "add_one/no_grad":
        with torch.no_grad():
            return per_call(lambda: a + b)
    if name == "add_one/recording":
        a.requires_grad_(True)
        return per_call(lambda: a + b)
    if name == "mul_add_sum_backward":
        a.requires_grad_(True)
        b.requires_grad_(True)

        def step():
            (a * b + c).sum().backward()
            a.grad = b.grad = None

        return per_call(step)
    if name == "mlp_8_32_1_adamw":
        return per_call(small_net())
    kind, _, size = name.partition("/")
    with torch.no_grad():
        if kind == "gemm":
            m, n, k = (32, 64, 8) if size == "64x8x32" else [int(size)] * 3
            left, right = torch.rand(m, k), torch.rand(k, n)
            return per_call(lambda: torch.mm(left, right), time.perf_counter_ns)
        x = torch.rand(4096, 1024)
        if kind == "copy":
            y = torch.empty_like(x)
            return per_call(lambda: y.copy_(x), time.perf_counter_ns)
        if kind == "softmax":
            return per_call(lambda: torch.softmax(x, 1), time.perf_counter_ns)
        if kind == "layer_norm":
            weight, bias = torch.rand(1024), torch.rand(1024)
            return per_call(lambda: torch.layer_norm(x, (1024,), weight, bias), time.perf_counter_ns)
    return None


def trainer_overhead(steps=2000):
    """Nanoseconds that Lightning's fit adds to a step of the same model in a loop written by hand."""
    try:
        import lightning
    except ImportError:
        return None
    import torch

    class Small(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(8, 1)

        def training_step(self, batch, _):
            loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
            self.log("loss", loss, prog_bar=True, logger=False)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    class Batches:  # Not a list: Lightning takes its entries for loaders.
        def __iter__(self):
            return iter([(x, y)] * steps)

        def __len__(self):
            return steps

    x, y = torch.randn(32, 8), torch.randn(32, 1)
    batches = Batches()
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False
    )
    began = time.process_time_ns()
    trainer.fit(Small(), batches)
    in_trainer = time.process_time_ns() - began
    model = Small()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    began = time.process_time_ns()
    for x, y in batches:
        loss = torch.nn.functional.mse_loss(model.net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (in_trainer - (time.process_time_ns() - began)) / steps


def answer(name, *arguments):
    if name == "trainer_overhead":
        return trainer_overhead()
    if name.startswith("house_prices/"):
        if not arguments:
            return None
        import house_prices

        return house_prices.fit(arguments[0], arguments[1], seed=0)["seconds"]
    if name.startswith("language_model/"):
        import language_models

        return per_call(language_models.work(name.partition("/")[2]), time.perf_counter_ns)
    return tensor_benchmark(name)


def main():
    if sys.argv[1:] == ["first_step"]:
        small_net()()
        return
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                value = answer(*line.split())
            except Exception as error:  # A peer that fails is left out of the table.
                print(f"{line.strip()}: {error}", file=sys.stderr)
                value = None
        print(json.dumps({"value": value}), flush=True)


if __name__ == "__main__":
    main()

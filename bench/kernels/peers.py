#!/usr/bin/env python3
"""PyTorch's time for the cases of `kernels` that it has in one call, with the same names and sizes.

  peers.py FILE     writes kernel,shape,ms
Measured as `kernels` does: operations over several sets of operands recorded as one CUDA graph, 3 replays to warm up,
the median of 20.
"""
import csv
import math
import statistics
import sys

import torch
import torch.nn.functional as F

CACHE_BYTES, WARM_UPS, REPLAYS = 200e6, 3, 20
NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


def randn(*sizes, dtype=torch.float32, grad=False):
    return torch.randn(*sizes, dtype=dtype, device="cuda", requires_grad=grad)


def forward(op, *sizes, dtype=torch.float32):
    def prepare():
        x = randn(*sizes, dtype=dtype)
        return lambda: op(x)
    return prepare


def backward(op, *sizes, dtype=torch.float32):
    def prepare():
        x = randn(*sizes, dtype=dtype, grad=True)
        y = op(x)
        gy = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, x, gy, retain_graph=True)
    return prepare


def layer_norm(rows, cols, dtype, derivative):
    def prepare():
        x, weight, bias = (randn(*s, dtype=dtype, grad=derivative) for s in ((rows, cols), (cols,), (cols,)))
        if not derivative:
            return lambda: F.layer_norm(x, (cols,), weight, bias)
        y, gy = F.layer_norm(x, (cols,), weight, bias), randn(rows, cols, dtype=dtype)
        return lambda: torch.autograd.grad(y, (x, weight, bias), gy, retain_graph=True)
    return prepare


def cross_entropy(rows, classes, derivative):
    def prepare():
        x = randn(rows, classes, dtype=torch.bfloat16, grad=derivative)
        labels = torch.randint(classes, (rows,), device="cuda")
        if not derivative:
            return lambda: F.cross_entropy(x, labels)
        return lambda: torch.autograd.grad(F.cross_entropy(x, labels), x)
    return prepare


def embedding(words, width, count, derivative):
    def prepare():
        weight, at = randn(words, width, grad=derivative), torch.randint(words, (count,), device="cuda")
        if not derivative:
            return lambda: F.embedding(at, weight)
        y, gy = F.embedding(at, weight), randn(count, width)
        return lambda: torch.autograd.grad(y, weight, gy, retain_graph=True)
    return prepare


def parameter_sizes(width=768, words=50304):
    sizes = [(words, width), (1024, width), (width,), (width,)]
    return sizes + 12 * [(width,), (width,), (3 * width, width), (3 * width,), (width, width), (width,), (width,),
                         (width,), (4 * width, width), (4 * width,), (width, 4 * width), (width,)]


def adamw():
    parameters = [randn(*size, grad=True) for size in parameter_sizes()]
    for p in parameters:
        p.grad = torch.randn_like(p)
    optimizer = torch.optim.AdamW(parameters, fused=True, capturable=True)
    return optimizer.step


def cases():
    """(kernel, shape, least bytes, what makes the operands and returns the operation)"""
    n, side = 64 << 20, 8192
    flat = f"{n} float32"
    yield "copy/contiguous", flat, 8 * n, forward(torch.clone, n)
    yield "copy/transposed", f"{side}x{side} float32", 8 * side**2, forward(lambda x: x.t().contiguous(), side, side)
    yield "relu/forward", flat, 8 * n, forward(F.relu, n)
    yield "gelu/forward", flat, 8 * n, forward(F.gelu, n)
    yield "gelu/backward", flat, 12 * n, backward(F.gelu, n)
    yield "dropout/forward", flat, 8 * n, forward(lambda x: F.dropout(x, 0.1), n)
    rows, cols = 16384, 4096
    for name, dims in (("all", None), ("rows", 1), ("columns", 0)):
        yield f"sum/{name}", f"{rows}x{cols} float32", 4 * rows * cols, forward(lambda x, d=dims: torch.sum(x, d), rows, cols)
    for rows, cols, dtype in ((262144, 128, torch.float32), (16384, 4096, torch.float32), (16384, 4096, torch.bfloat16),
                              (2048, 32768, torch.float32), (1024, 131072, torch.float32)):
        shape, size = f"{rows}x{cols} {NAMES[dtype]}", rows * cols * dtype.itemsize
        yield "softmax/forward", shape, 2 * size, forward(lambda x: F.softmax(x, 1), rows, cols, dtype=dtype)
        yield "softmax/backward", shape, 3 * size, backward(lambda x: F.softmax(x, 1), rows, cols, dtype=dtype)
    for rows, cols, dtype in ((65536, 1024, torch.float32), (16384, 4096, torch.float32), (16384, 4096, torch.bfloat16),
                              (4096, 16384, torch.float32)):
        shape, size = f"{rows}x{cols} {NAMES[dtype]}", rows * cols * dtype.itemsize
        yield "layer_norm/forward", shape, 2 * size, layer_norm(rows, cols, dtype, False)
        yield "layer_norm/backward", shape, 3 * size, layer_norm(rows, cols, dtype, True)
    yield "cross_entropy/forward", "8192x50304 bfloat16", 2 * 8192 * 50304, cross_entropy(8192, 50304, False)
    yield "cross_entropy/forward and backward", "8192x50304 bfloat16", 4 * 8192 * 50304, cross_entropy(8192, 50304, True)
    shape, size = "131072 of 50304x768", 4 * 131072 * 768
    yield "embedding/forward", shape, 2 * size, embedding(50304, 768, 131072, False)
    yield "embedding/backward", shape, 2 * size, embedding(50304, 768, 131072, True)
    count = sum(math.prod(size) for size in parameter_sizes())
    yield "adamw", f"{count} float32", 28 * count, adamw
    for dtype in NAMES:
        for size in (2048, 4096, 8192):
            def prepare(dtype=dtype, size=size):
                a, b = randn(size, size, dtype=dtype), randn(size, size, dtype=dtype)
                return lambda: a @ b
            yield f"gemm/{NAMES[dtype]}", str(size), 3 * size**2 * dtype.itemsize, prepare


def milliseconds(size, prepare):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # derivatives run where their forward pass did
        sets = [prepare() for _ in range(min(24, max(1, math.ceil(CACHE_BYTES / size))))]
        for run in sets * 2:
            run()
    torch.cuda.synchronize()
    graph, kept = torch.cuda.CUDAGraph(), []
    with torch.cuda.graph(graph, stream=stream):
        for run in sets:
            kept.append(run())
    times = []
    for _ in range(WARM_UPS + REPLAYS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / len(sets))
    return statistics.median(times[WARM_UPS:])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    measured = 0
    with open(sys.argv[1], "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["kernel", "shape", "ms"])
        for kernel, shape, size, prepare in cases():
            try:
                writer.writerow([kernel, shape, f"{milliseconds(size, prepare):.6g}"])
                measured += 1
            except RuntimeError as error:  # what PyTorch cannot record is left out
                print(f"{kernel} {shape}: {str(error).splitlines()[0]}")
            file.flush()
            torch.cuda.empty_cache()
    print(f"{measured} cases of PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

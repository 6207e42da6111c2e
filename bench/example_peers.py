#!/usr/bin/env python3
"""The work of the examples as plain PyTorch programs, for scripts/examples_report; each ends with one line of JSON.

    python bench/example_peers.py images FOLDER [--seed N]        MNIST's files, packed or not
    python bench/example_peers.py text FILE [--seed N]            characters; the GPT-2 of language_models.py
    python bench/example_peers.py sensor FILE.csv [--seed N]      columns timestamp and value
    python bench/example_peers.py sentiment_words FOLDER [--seed N]               rt-polarity.pos and .neg; scikit-learn
    python bench/example_peers.py sentiment_head FOLDER --minilm FOLDER [--seed N]    also with scikit-learn
    python bench/example_peers.py sentiment_tuned FOLDER --minilm FOLDER [--seed N]
    python bench/example_peers.py embeddings FILE --minilm FOLDER [--ours FILE.npy]   a text per line

Networks, numbers of steps, optimizers and schedules are those of the examples; what PyTorch has (affine_grid, OneCycleLR, topk)
is used as its users would.
"""

import argparse
import copy
import csv
import gzip
import json
import math
import pathlib
import struct
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def read_idx(folder, name):
    path = next(p for p in (folder / name, folder / f"{name}.gz") if p.exists())
    data = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    dims = data[3]
    sizes = struct.unpack(f">{dims}I", data[4 : 4 + 4 * dims])
    return torch.frombuffer(bytearray(data[4 + 4 * dims :]), dtype=torch.uint8).reshape(sizes)


class Block(nn.Module):
    def __init__(self, before, now, stride):
        super().__init__()
        last = nn.BatchNorm2d(now)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(before, now, 3, stride, 1, bias=False), nn.BatchNorm2d(now), nn.ReLU(),
            nn.Conv2d(now, now, 3, 1, 1, bias=False), last)
        self.shortcut = nn.Identity()
        if before != now:
            self.shortcut = nn.Sequential(nn.Conv2d(before, now, 1, stride, bias=False), nn.BatchNorm2d(now))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def image_net(channels, side, classes, widths):
    layers = [nn.BatchNorm2d(channels, affine=False),
              nn.Conv2d(channels, widths[0], 3, 1 if side < 16 else 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    before = widths[0]
    for now in widths:
        layers.append(Block(before, now, 1 if before == now else 2))
        before = now
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


def augmented(x, shift, rotation, zoom):
    """Every picture moved, turned and scaled by its own random amounts."""
    n = x.shape[0]
    uniform = lambda most: (2 * torch.rand(n) - 1) * most
    angle, scale = uniform(math.radians(rotation)), 1 + uniform(zoom)
    matrix = torch.stack([torch.stack([angle.cos() / scale, -angle.sin() / scale, uniform(2 * shift)], 1),
                          torch.stack([angle.sin() / scale, angle.cos() / scale, uniform(2 * shift)], 1)], 1)
    return F.grid_sample(x, F.affine_grid(matrix, x.shape, align_corners=False), align_corners=False)


def images(arguments):
    folder = pathlib.Path(arguments.path)
    pictures, labels = read_idx(folder, "train-images-idx3-ubyte"), read_idx(folder, "train-labels-idx1-ubyte").long()
    try:
        test = read_idx(folder, "t10k-images-idx3-ubyte"), read_idx(folder, "t10k-labels-idx1-ubyte").long()
    except StopIteration:  # the test pictures are drawn
        order = torch.randperm(len(labels))
        cut = len(labels) // 5
        test = pictures[order[:cut]], labels[order[:cut]]
        pictures, labels = pictures[order[cut:]], labels[order[cut:]]
    order = torch.randperm(len(labels))
    cut = len(labels) // 10
    validation, train = order[:cut], order[cut:]
    as_floats = lambda x: x[:, None].float() / 255
    batch = 32 if len(train) < 10000 else 128
    epochs = max(10, min(60, 800000 // len(train)))
    net = image_net(1, pictures.shape[1], int(labels.max()) + 1, [32, 64, 128])
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.02)
    steps = epochs * math.ceil(len(train) / batch)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)

    def logits_of(x):
        net.eval()
        with torch.no_grad():
            return torch.cat([net(as_floats(part)) for part in x.split(256)])

    best, weights = math.inf, None
    for _ in range(epochs):
        net.train()
        for rows in train[torch.randperm(len(train))].split(batch):
            optimizer.zero_grad()
            few = len(train) < 10000
            x = augmented(as_floats(pictures[rows]), 0.07, 10 if few else 0, 0.1 if few else 0)
            F.cross_entropy(net(x), labels[rows], label_smoothing=0.05).backward()
            optimizer.step()
            scheduler.step()
        loss = F.cross_entropy(logits_of(pictures[validation]), labels[validation]).item()
        if loss < best:
            best, weights = loss, copy.deepcopy(net.state_dict())
    net.load_state_dict(weights)
    right = (logits_of(test[0]).argmax(1) == test[1]).double().mean().item()
    return {"test_accuracy": right}


def text(arguments, steps=2000, context=64, batch=12, lr=3e-3, warmup=100):
    from language_models import GPT

    data = pathlib.Path(arguments.path).read_text(encoding="utf-8")
    numbers = {c: i for i, c in enumerate(sorted(set(data)))}
    tokens = torch.tensor([numbers[c] for c in data])
    learned = len(tokens) * 9 // 10
    starts = torch.randint(learned - context, (steps, batch))
    held_out = tokens[learned:]
    ends = (len(held_out) - 1) // context * context
    inputs, targets = held_out[:ends].view(-1, context), held_out[1 : ends + 1].view(-1, context)
    net = GPT(context)
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1]},
              {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), weight_decay=0.1)
    factor = lambda step: (step + 1) / (warmup + 1) if step < warmup else 0.1 + 0.45 * (
        1 + math.cos(math.pi * min(1.0, (step - warmup) / (steps - warmup))))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    loss_of = lambda x, y: F.cross_entropy(net(x).flatten(0, 1), y.flatten())
    offsets, best = torch.arange(context), math.inf
    for step in range(steps):
        rows = starts[step][:, None] + offsets
        optimizer.zero_grad()
        loss_of(tokens[rows], tokens[rows + 1]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
        optimizer.step()
        scheduler.step()
        if (step + 1) % 250 == 0:
            with torch.no_grad():
                parts = [loss_of(x, y).item() * len(x) for x, y in zip(inputs.split(32), targets.split(32))]
            best = min(best, sum(parts) / len(inputs))
    return {"val_loss": best}


def sensor(arguments, window=24, code=4, smooth=288, epochs=100):
    with open(arguments.path, newline="", encoding="utf-8") as file:
        values = torch.tensor([float(row["value"]) for row in csv.DictReader(file)], dtype=torch.float64)
    rows = int(0.15 * len(values))
    middle = values[:rows].median()
    spread = 1.4826 * (values[:rows] - middle).abs().median()
    scaled = ((values - middle) / spread).float()
    windows = scaled[:rows].unfold(0, window, 1).contiguous()
    net = nn.Sequential(nn.Linear(window, code), nn.Linear(code, window))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in windows[torch.randperm(len(windows))].split(128):
            errors = (net(batch) - batch).square().mean(1)
            optimizer.zero_grad()
            errors.topk(max(1, round(0.9 * len(batch))), largest=False).values.mean().backward()
            optimizer.step()
        scheduler.step()

    net.requires_grad_(False)

    def error(i):
        x = scaled[i + 1 - window : i + 1][None]
        return math.sqrt((net(x) - x).square().mean().item())

    logs = []
    level = None
    for i in range(window - 1, len(values)):  # a reading at a time, as they come
        now = error(i)
        level = now if level is None else level + (now - level) / smooth
        logs.append(math.log(level))
    learned = torch.tensor(logs[: rows - window + 1])
    usual = learned.median()
    alarm = usual + 3 * 1.4826 * (learned - usual).abs().median()
    return {"alarms": sum(x > alarm.item() for x in logs[rows:])}


def reviews(arguments):
    """Texts, labels, and the rows of the example's test, validation and training parts."""
    lines = [[line.strip() for line in (pathlib.Path(arguments.path) / f"rt-polarity.{kind}").open(encoding="utf-8")]
             for kind in ("neg", "pos")]
    texts = [text for part in lines for text in part if text]
    labels = torch.tensor([float(kind) for kind, part in enumerate(lines) for text in part if text])
    order = torch.randperm(len(texts))
    test, validation = int(0.1 * len(texts)), int(0.05 * len(texts))
    return texts, labels, order.split([test, validation, len(texts) - test - validation])


def sentiment_words(arguments):
    """TF-IDF and logistic regression, which needs no validation part and so learns from that as well."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels, (test, *learned) = reviews(arguments)
    of = lambda rows: [texts[i] for i in rows]
    learned = torch.cat(learned)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)).fit(of(learned), labels[learned].numpy())
    return {"test_accuracy": model.score(of(test), labels[test].numpy())}


def padded(rows):
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(ids.shape[1]) < lengths[:, None]


def mean_of_tokens(hidden, mask):
    weight = mask[..., None].float()
    return (hidden * weight).sum(1) / weight.sum(1)


def sentiment_head(arguments):
    """Logistic regression on the means of all layers, as the example learns from them, and on the last layer's of length 1,
    which is what a sentence embedding is."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sentence_encoder import encoder, tokenizer

    texts, labels, (test, *learned) = reviews(arguments)
    tokens, net = list(map(tokenizer(arguments.minilm), texts)), encoder(arguments.minilm).eval()
    features = []
    with torch.no_grad():
        for begin in range(0, len(tokens), 32):
            ids, mask = padded(tokens[begin : begin + 32])
            features.append(torch.cat([mean_of_tokens(state, mask) for state in net(ids, mask)], 1))
    features = torch.cat(features)
    width = features.shape[1] // (len(net(ids[:1], mask[:1])))
    learned = torch.cat(learned)

    def accuracy(x, model):
        model.fit(x[learned].numpy(), labels[learned].numpy())
        return model.score(x[test].numpy(), labels[test].numpy())

    return {"test_accuracy": accuracy(features, make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))),
            "embedding_accuracy": accuracy(F.normalize(features[:, -width:]), LogisticRegression(max_iter=1000))}


def layers_of(net):
    """The embeddings' weights, and each layer's."""
    depth = {}
    for name, weight in net.named_parameters():
        number = next((int(part) for part in name.split(".") if part.isdigit()), -1)
        depth.setdefault(number, []).append(weight)
    return [depth[number] for number in sorted(depth)]


def sentiment_tuned(arguments, epochs=2, batch=32, lr=8e-5, layer_decay=0.9):
    from sentence_encoder import encoder, tokenizer

    texts, labels, (test, validation, train) = reviews(arguments)
    tokens, net = list(map(tokenizer(arguments.minilm), texts)), encoder(arguments.minilm)
    parts = layers_of(net)
    head, drop = nn.Linear(parts[-1][-1].shape[0], 1), nn.Dropout(0.1)
    groups = [{"params": part, "lr": lr * layer_decay ** (len(parts) - 1 - i)} for i, part in enumerate(parts)]
    optimizer = torch.optim.AdamW([*groups, {"params": head.parameters(), "lr": 10 * lr}], weight_decay=0.01)
    steps = epochs * math.ceil(len(train) / batch)
    factor = lambda step: min(10 * (step + 1) / steps, max(0.0, (1 - step / steps) / 0.9))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def logits_of(rows):
        ids, mask = padded([tokens[i] for i in rows])
        return head(drop(mean_of_tokens(net(ids, mask)[-1], mask)))[:, 0]

    @torch.no_grad()
    def judged(rows):
        net.eval(), drop.eval()
        return torch.cat([logits_of(part) for part in rows.split(batch)])

    best, weights = math.inf, None
    for _ in range(epochs):
        net.train(), drop.train()
        for rows in train[torch.randperm(len(train))].split(batch):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(logits_of(rows), labels[rows]).backward()
            optimizer.step()
            scheduler.step()
        loss = F.binary_cross_entropy_with_logits(judged(validation), labels[validation]).item()
        if loss < best:
            best, weights = loss, copy.deepcopy([net.state_dict(), head.state_dict()])
    net.load_state_dict(weights[0]), head.load_state_dict(weights[1])
    return {"test_accuracy": ((judged(test) > 0) == (labels[test] > 0.5)).double().mean().item()}


@torch.no_grad()
def embeddings(arguments, batch=32):
    """Texts per second, and how far numbers that another program wrote are from these."""
    import numpy

    from sentence_encoder import encoder, tokenizer

    texts = pathlib.Path(arguments.path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    tokens_of, net = tokenizer(arguments.minilm), encoder(arguments.minilm).eval()
    began = time.perf_counter()
    found = []
    for begin in range(0, len(texts), batch):
        ids, mask = padded([tokens_of(text) for text in texts[begin : begin + batch]])
        found.append(F.normalize(mean_of_tokens(net(ids, mask)[-1], mask)))
    figures = {"texts_per_second": len(texts) / (time.perf_counter() - began)}
    if arguments.ours:
        figures["largest_difference"] = (torch.cat(found) - torch.from_numpy(numpy.load(arguments.ours))).abs().max().item()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    works = ["images", "text", "sensor", "sentiment_words", "sentiment_head", "sentiment_tuned", "embeddings"]
    parser.add_argument("work", choices=works)
    parser.add_argument("path")
    parser.add_argument("--minilm", help="folder with config.json, model.safetensors and vocab.txt")
    parser.add_argument("--ours", help="an array [texts, width]")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    print(json.dumps(globals()[arguments.work](arguments)))


if __name__ == "__main__":
    main()

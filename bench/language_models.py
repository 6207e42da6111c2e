"""The work of language_models.cpp in PyTorch, written as one would by hand: a GPT-2 after nanoGPT with a cache of keys and
values, and torch.nn.LSTM. peers.py measures it; run by itself it prints how long generation takes, as one line of JSON.
"""

import json
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCABULARY, LAYERS, HEADS, WIDTH = 65, 4, 4, 128


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn, self.attn_out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.ln_2, self.fc, self.fc_out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, cache=None, at=0):
        rows, n, _ = x.shape
        split = self.attn(self.ln_1(x)).split(WIDTH, 2)
        q, k, v = (t.view(rows, n, HEADS, WIDTH // HEADS).transpose(1, 2) for t in split)
        if cache is not None:
            keys, values = cache
            keys[:, :, at : at + n], values[:, :, at : at + n] = k, v
            k, v = keys[:, :, : at + n], values[:, :, : at + n]
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=n > 1)
        x = x + self.attn_out(seen.transpose(1, 2).reshape(rows, n, WIDTH))
        return x + self.fc_out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, context):
        super().__init__()
        self.context = context
        self.wte, self.wpe = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(context, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, 0, 0.02 / math.sqrt(2 * LAYERS) if name.endswith("_out.weight") else 0.02)

    def forward(self, tokens, caches=None, at=0):
        x = self.wte(tokens) + self.wpe(torch.arange(at, at + tokens.shape[1]))
        for i, block in enumerate(self.h):
            x = block(x, caches[i] if caches else None, at)
        return F.linear(self.ln_f(x if caches is None else x[:, -1:]), self.wte.weight)

    @torch.no_grad()
    def generate(self, tokens, count, cached=True):
        """`count` more tokens, greedily."""
        shape = (len(tokens), HEADS, self.context, WIDTH // HEADS)
        caches = [(torch.zeros(shape), torch.zeros(shape)) for _ in self.h] if cached else None
        read = 0
        for _ in range(count):
            logits = self(tokens[:, read:], caches, read)
            read = tokens.shape[1] if cached else 0
            tokens = torch.cat([tokens, logits[:, -1].argmax(1, keepdim=True)], 1)
        return tokens


def gpt_step():
    model = GPT(64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens = torch.randint(VOCABULARY, (12, 65))

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(tokens[:, :-1]).reshape(-1, VOCABULARY), tokens[:, 1:].reshape(-1)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def lstm_step():
    model = nn.LSTM(256, 256, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = torch.randn(64, 32, 256)

    def step():
        optimizer.zero_grad()
        model(x)[0].square().mean().backward()
        optimizer.step()

    return step


def generation(cached):
    model = GPT(320).eval()
    start = torch.ones(1, 1, dtype=torch.int64)
    return lambda: model.generate(start, 256, cached)


def work(name):
    """A function that does it once."""
    torch.manual_seed(0)
    if name == "gpt_step":
        return gpt_step()
    if name == "lstm_step":
        return lstm_step()
    return generation(cached=name == "generate")


def best_ms(function, rounds):
    function()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


if __name__ == "__main__":
    cached, plain = best_ms(work("generate"), 10), best_ms(work("generate_without_cache"), 3)
    print(json.dumps({"generate_ms": cached, "without_cache_ms": plain, "times_faster_with_cache": plain / cached}))

#!/usr/bin/env python3
"""Writes gpt.json: the losses of two GPT-2s in PyTorch, from the same seeds as language_model_test.cpp's: a small one that
learns by plain gradient descent, and one of nanoGPT's size for a CPU that learns by AdamW."""
import json
import math
import pathlib

import torch
import torch.nn.functional as F


class Layer(torch.nn.Module):
    """y = x W + b with W [in, out]."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(inputs, outputs).normal_(0, 0.02))
        self.bias = torch.nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Block(torch.nn.Module):
    def __init__(self, heads, width):
        super().__init__()
        self.heads = heads
        self.ln_1, self.attn, self.attn_out = torch.nn.LayerNorm(width), Layer(width, 3 * width), Layer(width, width)
        self.ln_2, self.fc, self.fc_out = torch.nn.LayerNorm(width), Layer(width, 4 * width), Layer(4 * width, width)

    def forward(self, x):
        rows, n, width = x.shape
        split = self.attn(self.ln_1(x)).split(width, 2)
        q, k, v = (t.view(rows, n, self.heads, width // self.heads).transpose(1, 2) for t in split)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_out(seen.transpose(1, 2).reshape(rows, n, width))
        return x + self.fc_out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT(torch.nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.wte, self.wpe = torch.nn.Embedding(vocabulary, width), torch.nn.Embedding(context, width)
        self.h = torch.nn.ModuleList(Block(heads, width) for _ in range(layers))
        self.ln_f = torch.nn.LayerNorm(width)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, 0, 0.02 / math.sqrt(2 * layers) if name.endswith("_out.weight") else 0.02)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)


def loss_of(model, tokens):
    logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.reshape(-1, logits.shape[2]), tokens[:, 1:].reshape(-1))


def gradient_descent():
    torch.manual_seed(7)
    model, losses = GPT(31, 12, 2, 4, 32), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(20):
        loss = loss_of(model, torch.randint(31, (4, 13)))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def adamw():
    torch.manual_seed(8)
    model, losses = GPT(65, 64, 4, 4, 128), []
    weights = list(model.parameters())
    groups = [
        {"params": [w for w in weights if w.dim() > 1]},
        {"params": [w for w in weights if w.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    for _ in range(20):
        first, step = torch.randint(65, (12, 1)), torch.randint(1, 5, (12, 1))
        loss = loss_of(model, (first + step * torch.arange(65)) % 65)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return losses


def main():
    path = pathlib.Path(__file__).parent / "gpt.json"
    record = {"recorded with": f"torch {torch.__version__}", "losses": gradient_descent(), "adamw": adamw()}
    path.write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()

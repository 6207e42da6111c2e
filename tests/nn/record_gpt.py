#!/usr/bin/env python3
"""Writes gpt.json: the losses of a small GPT-2 in PyTorch, from the same seed as language_model_test.cpp's."""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

VOCABULARY, CONTEXT, LAYERS, HEADS, WIDTH = 31, 12, 2, 4, 32


class Layer(torch.nn.Module):
    """y = x W + b with W [in, out]."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(inputs, outputs).normal_(0, 0.02))
        self.bias = torch.nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn, self.attn_out = torch.nn.LayerNorm(WIDTH), Layer(WIDTH, 3 * WIDTH), Layer(WIDTH, WIDTH)
        self.ln_2, self.fc, self.fc_out = torch.nn.LayerNorm(WIDTH), Layer(WIDTH, 4 * WIDTH), Layer(4 * WIDTH, WIDTH)

    def forward(self, x):
        rows, n, _ = x.shape
        q, k, v = (t.view(rows, n, HEADS, WIDTH // HEADS).transpose(1, 2) for t in self.attn(self.ln_1(x)).split(WIDTH, 2))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_out(seen.transpose(1, 2).reshape(rows, n, WIDTH))
        return x + self.fc_out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = torch.nn.Embedding(VOCABULARY, WIDTH), torch.nn.Embedding(CONTEXT, WIDTH)
        self.h = torch.nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_f = torch.nn.LayerNorm(WIDTH)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, 0, 0.02 / math.sqrt(2 * LAYERS) if name.endswith("_out.weight") else 0.02)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)


def main():
    torch.manual_seed(7)
    model, losses = GPT(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(20):
        tokens = torch.randint(VOCABULARY, (4, CONTEXT + 1))
        loss = F.cross_entropy(model(tokens[:, :-1]).reshape(-1, VOCABULARY), tokens[:, 1:].reshape(-1))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path = pathlib.Path(__file__).parent / "gpt.json"
    path.write_text(json.dumps({"recorded with": f"torch {torch.__version__}", "losses": losses}) + "\n")


if __name__ == "__main__":
    main()

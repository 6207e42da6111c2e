#!/usr/bin/env python3
"""Writes gpt2.safetensors and gpt2.json: a tiny GPT-2 as transformers saves it, and what it says about two texts.

pip install torch transformers
"""
import json
import pathlib
import tempfile

import torch
import transformers


def main():
    torch.manual_seed(5)
    config = transformers.GPT2Config(vocab_size=19, n_positions=10, n_embd=8, n_layer=2, n_head=2)
    model = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():  # large enough for every part to matter, biases and norms included
            weight.add_(torch.randn_like(weight), alpha=0.3)
    tokens = torch.randint(19, (2, 10))
    with torch.no_grad():
        logits = model(tokens).logits
    folder = pathlib.Path(__file__).parent
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        (folder / "gpt2.safetensors").write_bytes((pathlib.Path(saved) / "model.safetensors").read_bytes())
    record = {
        "recorded with": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "tokens": tokens.tolist(),
        "logits": [[[round(x, 6) for x in place] for place in row] for row in logits.tolist()],
    }
    (folder / "gpt2.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()

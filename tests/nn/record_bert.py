#!/usr/bin/env python3
"""Writes bert.json: what Hugging Face's BertModel makes of a small model, whose weights come from the same seed as
bert_test.cpp's. Needs torch and transformers."""
import json
import pathlib

import torch
import transformers

CONFIG = dict(vocab_size=29, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
              max_position_embeddings=12, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
LENGTHS = [7, 12, 1, 4]


def main():
    model = transformers.BertModel(transformers.BertConfig(**CONFIG))
    torch.manual_seed(5)
    names = [name for name, _ in model.named_parameters()]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.randn(weight.shape) * 0.3 + (1 if name.endswith("LayerNorm.weight") else 0))
    ids, types = torch.randint(1, 29, (len(LENGTHS), 12)), torch.randint(2, (len(LENGTHS), 12))
    mask = torch.arange(12) < torch.tensor(LENGTHS)[:, None]
    out = model(ids * mask, attention_mask=mask.long(), token_type_ids=types)
    hidden = out.last_hidden_state * mask[:, :, None]
    mean = hidden.sum(1) / mask.sum(1, keepdim=True)
    embedding = torch.nn.functional.normalize(mean)
    (embedding[:, 3].sum() + out.pooler_output[:, 2].square().sum()).backward()
    path = pathlib.Path(__file__).parent / "bert.json"
    path.write_text(json.dumps({
        "recorded with": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "names": names,
        "first token": hidden[:, 0].tolist(),
        "pooled": out.pooler_output.tolist(),
        "embeddings": embedding.tolist(),
        "gradient norms": [weight.grad.norm().item() for weight in model.parameters()],
    }) + "\n")


if __name__ == "__main__":
    main()

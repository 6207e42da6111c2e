"""MiniLM and its like in PyTorch, for example_peers.py: Hugging Face's transformers where it is installed, else the same network
and tokenizer written as one would by hand.

    encoder(folder)     a module: (ids, mask) -> what goes into the first layer and what comes out of each, [rows, n, width]
    tokenizer(folder)   a function: text -> numbers of its tokens, at most 256
"""

import json
import pathlib
import struct
import unicodedata

import torch
import torch.nn as nn
import torch.nn.functional as F

try:
    import transformers
except ImportError:
    transformers = None


class Layer(nn.Module):
    def __init__(self, width, heads, inside, eps):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.seen, self.seen_norm = nn.Linear(width, width), nn.LayerNorm(width, eps)
        self.inside, self.out, self.out_norm = nn.Linear(width, inside), nn.Linear(inside, width), nn.LayerNorm(width, eps)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x, keys):
        rows, n, width = x.shape
        q, k, v = (f(x).view(rows, n, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value))
        seen = F.scaled_dot_product_attention(q, k, v, keys, dropout_p=0.1 if self.training else 0.0)
        x = self.seen_norm(x + self.dropout(self.seen(seen.transpose(1, 2).reshape(rows, n, width))))
        return self.out_norm(x + self.dropout(self.out(F.gelu(self.inside(x)))))


class Encoder(nn.Module):
    NAMES = {"attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
             "attention.output.dense": "seen", "attention.output.LayerNorm": "seen_norm", "intermediate.dense": "inside",
             "output.dense": "out", "output.LayerNorm": "out_norm"}

    def __init__(self, folder):
        super().__init__()
        config = json.loads((folder / "config.json").read_text())
        width, eps = config["hidden_size"], config["layer_norm_eps"]
        self.words = nn.Embedding(config["vocab_size"], width)
        self.positions = nn.Embedding(config["max_position_embeddings"], width)
        self.types = nn.Embedding(config["type_vocab_size"], width)
        self.norm, self.dropout = nn.LayerNorm(width, eps), nn.Dropout(0.1)
        shape = width, config["num_attention_heads"], config["intermediate_size"], eps
        self.layers = nn.ModuleList(Layer(*shape) for _ in range(config["num_hidden_layers"]))
        self.load_state_dict(dict(self.own_names(read_safetensors(folder / "model.safetensors"))))

    def own_names(self, tensors):
        first = {"word_embeddings": "words", "position_embeddings": "positions", "token_type_embeddings": "types",
                 "LayerNorm": "norm"}
        for name, tensor in tensors.items():
            path, _, kind = name.removeprefix("bert.").rpartition(".")
            if path.startswith("embeddings."):
                yield f"{first[path.removeprefix('embeddings.')]}.{kind}", tensor
            elif path.startswith("encoder.layer."):
                number, _, part = path.removeprefix("encoder.layer.").partition(".")
                yield f"layers.{number}.{self.NAMES[part]}.{kind}", tensor

    def embed(self, ids):
        return self.dropout(self.norm(self.words(ids) + self.types.weight[0] + self.positions.weight[: ids.shape[1]]))

    def forward(self, ids, mask):
        states = [self.embed(ids)]
        for layer in self.layers:
            states.append(layer(states[-1], mask[:, None, None]))
        return states


def read_safetensors(path):
    """Tensors of float32 by name."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, values = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    found = {}
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            begin, end = about["data_offsets"]
            found[name] = torch.frombuffer(values, dtype=torch.float32, count=(end - begin) // 4, offset=begin)
            found[name] = found[name].view(about["shape"])
    return found


class FromTransformers(nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.bert = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False)

    def forward(self, ids, mask):
        return self.bert(ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states


def encoder(folder):
    folder = pathlib.Path(folder)
    return FromTransformers(folder) if transformers else Encoder(folder)


def words_of(text):
    """Lower case without accents, cut at blanks and punctuation."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    is_mark = lambda c: unicodedata.category(c).startswith("P") or c in "$+<=>^`|~"
    return "".join(f" {c} " if is_mark(c) else c for c in plain).split()


def tokenizer(folder, longest=256):
    folder = pathlib.Path(folder)
    if transformers:
        made = transformers.BertTokenizerFast.from_pretrained(folder)
        return lambda text: made(text, truncation=True, max_length=longest)["input_ids"]
    numbers = {token: i for i, token in enumerate((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())}

    def pieces(word):
        found, at = [], 0
        while at < len(word):
            names = ((("##" if at else "") + word[at:end], end) for end in range(len(word), at, -1))
            piece, at = next(((numbers[name], end) for name, end in names if name in numbers), (None, at))
            if piece is None:
                return [numbers["[UNK]"]]
            found.append(piece)
        return found

    return lambda text: [numbers["[CLS]"], *[p for w in words_of(text) for p in pieces(w)][: longest - 2], numbers["[SEP]"]]

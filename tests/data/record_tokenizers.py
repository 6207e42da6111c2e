#!/usr/bin/env python3
"""Writes tokenizers.json: what the reference tokenizers make of texts that tokenizer_test.cpp makes, too.

  pip install tiktoken tokenizers unicodedata2==16.0.0
  tests/data/record_tokenizers.py [folder with GPT-2's vocab.bpe and encoder.json]

Of 10,000 random texts only a hash of all token numbers is kept, of a few all numbers. GPT-2's part is recorded when its
folder is given.
"""
import json
import pathlib
import sys

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
TEXTS = 10_000
PIECES = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "the ", " the", "ing", " 1234", "<|endoftext|>", "  ", "\r\n",
          "...", "é", "e\u0301", "İ", "Σ", "각", "ﬁ"]
SPACES = " \n\t\r\u00a0\u2003\u3000\u0085\u2028\u200b\u000b"


class Random:
    """Knuth's 64-bit linear congruential generator (MMIX)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (self.state >> 33) % limit


def random_character(random):
    choice = random.below(10)
    if choice < 3:
        return chr(32 + random.below(95))
    if choice == 3:
        return SPACES[random.below(len(SPACES))]
    if choice == 4:
        return chr(random.below(0x3000))
    if choice == 5:
        code = random.below(0x110000)
        return chr(code if code < 0xD800 or code > 0xDFFF else 0x4E00 + code % 256)
    if choice == 6:
        return chr(0x300 + random.below(0x70))
    if choice == 7:
        return chr(0xAC00 + random.below(11172))
    if choice == 8:
        return chr(0x1F300 + random.below(0x300))
    return PIECES[random.below(len(PIECES))]


def random_text(random):
    return "".join(random_character(random) for _ in range(random.below(30)))


def fnv(numbers, state=0xcbf29ce484222325, width=4):
    """FNV-1a over the numbers' bytes, `width` each, lowest first."""
    for number in numbers:
        for byte in number.to_bytes(width, "little"):
            state = ((state ^ byte) * 0x100000001b3) & (2**64 - 1)
    return state


def summary(encode):
    random, state, first = Random(1), 0xcbf29ce484222325, []
    for i in range(TEXTS):
        ids = encode(random_text(random))
        state = fnv([len(ids), *ids], state)
        if i < 12:
            first.append(ids)
    return {"hash": str(state), "first": first}


def training_text():
    """Words of a small grammar, so that many pairs repeat and some tie."""
    random, stems = Random(7), ["walk", "talk", "jump", "über", "naïve", "cat", "dog", "日本", "run", "don't", "12", "aaaa"]
    ends = ["ing", "ed", "s", "", "'ll", "er"]
    return " ".join(stems[random.below(len(stems))] + ends[random.below(len(ends))] + ",.\n"[:random.below(3)]
                    for _ in range(3000))


def trained_bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, min_frequency=2, initial_alphabet=alphabet, special_tokens=[],
                                  show_progress=False)
    tokenizer.train_from_iterator([training_text()], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return {"text_hash": str(fnv(training_text().encode(), width=1)), "merges": merges,
            **summary(lambda text: tokenizer.encode(text).ids)}


def word_pieces():
    """The vocabulary of the test: special tokens, characters of several scripts alone and inside words, some words."""
    ranges = [(0x21, 0x7F), (0xA1, 0x180), (0x391, 0x450), (0x1100, 0x1113), (0x1161, 0x1176), (0x11A8, 0x11C3),
              (0x4E00, 0x4F00), (0x1F300, 0x1F600), (0x2010, 0x2040)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "##the", "ing", "##ing", "end", "##of", "##text", "##oft"]
    for first, last in ranges:
        tokens += [prefix + chr(code) for code in range(first, last) for prefix in ("", "##")]
    return tokens


def newer_characters():
    """[first, last] of characters that the tokenizers package, whose tables are of Unicode 8, groups as punctuation,
    accents or controls differently from ours; in the texts for WordPiece an x stands in their place."""
    import unicodedata2
    split, clean = pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(lowercase=False)
    strip = normalizers.BertNormalizer(lowercase=False, strip_accents=True, clean_text=False, handle_chinese_chars=False)
    found = []
    for code in range(0xA0, 0x110000):
        character, category = chr(code), unicodedata2.category(chr(code))
        if category in ("Cs", "Zs", "Zl", "Zp") or unicodedata2.decomposition(character) or 0xAC00 <= code < 0xD800:
            continue
        punctuation = len(split.pre_tokenize_str(f"a{character}a")) == 3
        dropped = clean.normalize_str(character) == ""
        accent = strip.normalize_str(character) == ""
        if (punctuation, dropped, accent) != (category[0] == "P", category in ("Cf", "Co") or code == 0xFFFD,
                                              category == "Mn"):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return found + [[0x2B820, 0x2B91F]]  # ideographs to BERT; the package says 2B920 where BERT says 2B820


def without_newer(text, newer):
    return "".join("x" if any(first <= ord(c) <= last for first, last in newer) else c for c in text)


def word_piece(lowercase, newer):
    vocabulary = {token: i for i, token in enumerate(word_pieces())}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return summary(lambda text: tokenizer.encode(without_newer(text, newer)).ids)


def gpt2(folder):
    import tiktoken
    byte_of, other = {}, 0x100
    for byte in range(256):
        printable = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xFF and byte != 0xAD
        byte_of[chr(byte) if printable else chr(other)] = byte
        other += not printable
    numbers = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    special = numbers.pop("<|endoftext|>")
    ranks = {bytes(byte_of[c] for c in token): number for token, number in numbers.items()}
    encoding = tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks,
                                 special_tokens={"<|endoftext|>": special})
    return summary(encoding.encode_ordinary)


def main():
    path = HERE / "tokenizers.json"
    recorded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    random, newer = Random(1), newer_characters()
    recorded |= {"recorded with": f"tokenizers {tokenizers.__version__}",
                 "texts": str(fnv("".join(random_text(random) for _ in range(TEXTS)).encode(), width=1)),
                 "trained_bpe": trained_bpe(), "newer": newer,
                 "word_piece": word_piece(True, newer), "word_piece_cased": word_piece(False, newer)}
    if len(sys.argv) > 1:
        recorded["gpt2"] = gpt2(pathlib.Path(sys.argv[1]))
    path.write_text(json.dumps(recorded, ensure_ascii=True, indent=None, separators=(",", ":")).replace('],', '],\n') + "\n")


if __name__ == "__main__":
    main()

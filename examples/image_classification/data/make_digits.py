"""Writes the digits beside this file from PyPI's scikit-learn (pip install --no-deps scikit-learn): python make_digits.py"""
import gzip
import importlib.util
import pathlib
import struct

# The package is found, not imported: that would need SciPy.
package = pathlib.Path(importlib.util.find_spec("sklearn").origin).parent
with gzip.open(package / "datasets" / "data" / "digits.csv.gz", "rt") as file:
    rows = [[int(float(cell)) for cell in line.split(",")] for line in file]
assert len(rows) == 1797 and all(len(row) == 65 and max(row[:64]) <= 16 and 0 <= row[64] <= 9 for row in rows)

here = pathlib.Path(__file__).parent
images = bytes((255 * value + 8) // 16 for row in rows for value in row[:64])
(here / "train-images-idx3-ubyte").write_bytes(struct.pack(">HBBIII", 0, 8, 3, len(rows), 8, 8) + images)
(here / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, len(rows)) + bytes(row[64] for row in rows))

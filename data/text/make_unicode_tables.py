#!/usr/bin/env python3
"""Writes unicode_kinds.cpp and unicode_decompositions.cpp, which lie beside this file: what tokenizers must know of every
character, as of one version of Unicode.

Python's own unicodedata is as old as Python; the package unicodedata2 comes in every version:
  pip install unicodedata2==16.0.0 && data/text/make_unicode_tables.py
"""
import pathlib

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

LAST = 0x10FFFF


def kind(code):
    category = unicodedata.category(chr(code))
    if category == "Mn":
        return 0
    if category == "Cn":
        return 8
    return 1 + "LNPSZCM".index(category[0])


def runs(value, bits):
    """(first code point << bits | value) wherever the value changes."""
    found, last = [], None
    for code in range(LAST + 1):
        now = value(code)
        if now != last:
            found.append(code << bits | now)
            last = now
    return found


def lowercase(code):
    """The lowercase of a character; of one that is newer than Python, the small letter of the same name."""
    character = chr(code)
    if 0xD800 <= code <= 0xDFFF:
        return character
    if character.lower() == character and unicodedata.category(character) == "Lu":
        try:
            return unicodedata.lookup(unicodedata.name(character, "").replace("CAPITAL", "SMALL"))
        except KeyError:
            return character
    return character.lower()


def lower_runs():
    """[first, last, step, distance] of characters whose lowercase is one other character."""
    found = []
    for code in range(LAST + 1):
        lower = lowercase(code)
        if code == 0x130:  # its lowercase is two characters, which unicode.cpp knows
            continue
        if len(lower) != 1 or ord(lower) == code:
            continue
        distance = ord(lower) - code
        if found and found[-1][3] == distance:
            first, last, step, _ = found[-1]
            gap = code - last
            if gap <= 2 and (step == gap or first == last):
                found[-1] = [first, code, gap, distance]
                continue
        found.append([code, code, 1, distance])
    return found


def decompositions():
    """[character, first, second or 0] of canonical decompositions, one step; Hangul syllables follow a rule."""
    found = []
    for code in range(LAST + 1):
        text = unicodedata.decomposition(chr(code))
        if text and not text.startswith("<"):
            parts = [int(part, 16) for part in text.split()]
            found.append([code, *parts, *[0] * (2 - len(parts))])
    return found


def table(name, type_name, numbers, form="{:#x}", width=118):
    numbers = list(numbers)
    lines, line = [], ""
    for number in numbers:
        item = form.format(number) + ","
        if len(line) + len(item) > width:
            lines.append(line)
            line = ""
        line += item
    return "\n".join([f"const {type_name} {name}[] = {{", *lines, line, "};",
                      f"const int {name}_count = {len(numbers)};"])


def write(name, *parts):
    top = (f"// Made by make_unicode_tables.py from the facts of Unicode {unicodedata.unidata_version}; do not edit.\n"
           "// clang-format off\n#include <fulmen/data/text/unicode_tables.h>\n\nnamespace fulmen::data::unicode {")
    text = "\n\n".join([top, *parts, "}  // namespace fulmen::data::unicode"]) + "\n"
    (pathlib.Path(__file__).parent / name).write_text(text, encoding="utf-8")


def main():
    write("unicode_kinds.cpp",
          f'const char* const version = "{unicodedata.unidata_version}";',
          table("kind_runs", "uint32_t", runs(kind, 4)),
          table("combining_runs", "uint32_t", runs(lambda code: unicodedata.combining(chr(code)), 8)),
          table("lower_runs", "int32_t", (n for run in lower_runs() for n in run), "{}"))
    write("unicode_decompositions.cpp",
          table("decompositions", "uint32_t", (n for one in decompositions() for n in one)))


if __name__ == "__main__":
    main()

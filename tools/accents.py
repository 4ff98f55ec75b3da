"""Writes src/ml/transform/text/accents.txt: what is left of each character without its accents.

One line for each character that changes: the character, and the rest of the line is its compatibility decomposition
(NFKD) without combining characters. Syllables of Hangul are not in it, they follow a rule.
Run from the repository's root: python3 tools/accents.py
"""

import sys
import unicodedata

lines = []
for code in range(0x80, 0x110000):
    if 0xAC00 <= code <= 0xD7A3 or 0xD800 <= code <= 0xDFFF:
        continue
    sign = chr(code)
    rest = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    if rest != sign:
        assert "\n" not in sign + rest
        lines.append(sign + rest)
with open("src/ml/transform/text/accents.txt", "w") as file:
    file.write("\n".join(lines) + "\n")
print(len(lines), "characters, Unicode", unicodedata.unidata_version, file=sys.stderr)

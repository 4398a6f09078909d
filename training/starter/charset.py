"""The characters that the dense head names. Class 0 is blank; unknown characters share the last class."""

CHARS = [chr(c) for c in range(32, 127)] + list("…–—•’“”×→€£°©·✓")
CLASS = {c: i + 1 for i, c in enumerate(CHARS)}
OTHER = len(CHARS) + 1
CLASSES = len(CHARS) + 2
SPACE = CLASS[" "]


def class_of(char):
    return CLASS.get(char, OTHER)

"""Measures of text: edit distance and character error rate."""


def edits(a, b):
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def flat(text):
    """Rows and runs of spaces count as one space: layout is not what the character error rate measures."""
    return " ".join(text.split())


def error_rate(pairs):
    """Edits per true character over (truth, answer) pairs; an answer far too long costs at most its truth twice."""
    wrong = total = 0
    for truth, answer in pairs:
        truth, answer = flat(truth), flat(answer)
        wrong += min(edits(truth, answer[:3 * len(truth) + 20]), 2 * len(truth))
        total += len(truth)
    return wrong / max(1, total)

"""How answers speak of screens: sentences about a tree, and the same sentences read back."""


class Unread(Exception):
    """The element's text was missed by the reader: an answer that would quote it is not given."""


KIND_WORDS = {"dialog": "dialog", "form": "form", "settings": "settings page", "table": "table", "list": "list", "menu": "menu",
              "editor": "code editor", "terminal": "terminal", "log": "log", "trace": "error trace", "chat": "chat",
              "page": "web page", "chart": "chart", "toolbar": "window with a toolbar", "mobile": "mobile screen"}
COUNTED = ["button", "field", "checkbox", "switch", "radio", "tab", "link", "item", "menu item", "row", "message", "line", "bar"]
IMPORTANT = ["error", "heading", "button", "field", "checkbox", "switch", "radio", "tab"]
SAID = ["heading", "text", "error", "message", "button", "field", "checkbox", "switch", "radio", "tab", "link", "item",
        "menu item", "header", "row", "line", "bar"]
NOT_A_SCREEN = "This is not a screen."
NO_TEXT = "There is no text in the image."
NO_DIFFERENCE = "There are no differences."


def counts(root):
    """The most frequent roles, as ("button", 2), at most two."""
    found = [(role, len(root.all(role))) for role in COUNTED]
    return sorted([f for f in found if f[1]], key=lambda f: -f[1])[:2]


def plural(role, n):
    return f"{n} {role}" + ("" if n == 1 else "es" if role.endswith("x") or role.endswith("ch") else "s")


def states(node):
    """A node's states in words, in a fixed order."""
    s, out = node.state, []
    if "checked" in s:
        out.append("checked" if s["checked"] == "yes" else "not checked")
    if "on" in s:
        out.append("on" if s["on"] == "yes" else "off")
    return out + [k for k in ("selected", "focused", "disabled") if s.get(k)] + (["wrong"] if s.get("error") else [])


def brief(screen, spell):
    """Pieces of one sentence; `spell(text, box)` makes a Spelled piece with places."""
    if not screen.painter.lines and not screen.root.children:
        return [NOT_A_SCREEN]
    out = [f"A {'dark' if screen.dark else 'light'} {KIND_WORDS[screen.kind]}"]
    if screen.root.text:
        out += readable(lambda: [' titled "', spell(screen.root.text, screen.root.box), '"'])
    found = [plural(role, n) for role, n in counts(screen.root)]
    return out + [" with " + " and ".join(found) if found else "", "."]


def statement(node, spell):
    out = [f'{node.role} "', spell(node.text, node.box), '"']
    if node.state.get("value"):
        out += [': "', spell(node.state["value"], node.box), '"']
    return out + ["".join(f", {s}" for s in states(node))]


def full(screen, spell, roles=SAID, most=24):
    """The brief sentence, then a line for each element."""
    out = brief(screen, spell)
    for node in [n for n in screen.root.walk() if n.role in roles and (n.text or n.state.get("value"))][:most]:
        out += readable(lambda: ["\n", *statement(node, spell)])
    return out


def readable(say):
    """The pieces, or none where a text in them was not read: what cannot be quoted is left out."""
    try:
        return say()
    except Unread:
        return []


def normal(screen, spell):
    return full(screen, spell, IMPORTANT, 6)


def place_words(box, width, height):
    """Where the middle of a box lies, by thirds."""
    x, y = (box[0] + box[2]) / 2 / width, (box[1] + box[3]) / 2 / height
    row, column = ["top", "middle", "bottom"][min(2, int(3 * y))], ["left", "center", "right"][min(2, int(3 * x))]
    return f"{row} {column}"

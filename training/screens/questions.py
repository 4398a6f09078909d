"""Questions about a screen with their answers, straight from its tree."""
import re

from starter.parts import parts

from . import wordings
from .widgets import ACTIONS, LABELS

MARKED = {"checkbox": ("checked", "checked"), "radio": ("checked", "checked"), "switch": ("on", "on")}
SELECTABLE = {"tab": "tab", "row": "row", "item": "item", "menu item": "menu item"}


def ask(rng, screen, spell, forms=None):
    """One (kind, question, pieces) at random among those that the screen allows; None where all would quote unread text."""
    forms = forms or FORMS
    made = [allowed(f, rng, screen, spell) for f in rng.sample(forms, len(forms))]
    return next((m for m in made if m), None)


def allowed(form, rng, screen, spell):
    try:
        return form(rng, screen, spell)
    except wordings.Unread:
        return None


def quoted(spell, text, box):
    return ['"', spell(text, box), '"']


def title(rng, screen, spell):
    if not screen.root.text:
        return None
    return "title", "What is the title?", quoted(spell, screen.root.text, screen.root.box)


def how_many(rng, screen, spell):
    role = rng.choice([r for r, _ in wordings.counts(screen.root)] + ["button", "field"])
    return "count", f"How many {wordings.plural(role, 2)[2:]} are there?", [str(len(screen.root.all(role)))]


def state(rng, screen, spell):
    nodes = screen.root.all(*MARKED)
    if not nodes:
        return None
    node = rng.choice(nodes)
    key, word = MARKED[node.role]
    return "state", f'Is the {node.role} "{node.text}" {word}?', ["Yes." if node.state[key] == "yes" else "No."]


def enabled(rng, screen, spell):
    nodes = screen.root.all("button", "checkbox", "switch", "menu item")
    if not nodes:
        return None
    node = rng.choice([n for n in nodes if n.state.get("disabled")] or nodes)
    return "state", f'Is the {node.role} "{node.text}" disabled?', ["Yes." if node.state.get("disabled") else "No."]


def value(rng, screen, spell):
    nodes = screen.root.all("field")
    if not nodes:
        return None
    node = rng.choice(nodes)
    held = node.state.get("value")
    return "value", f'What is in the field "{node.text}"?', quoted(spell, held, node.box) if held else ["It is empty."]


def error(rng, screen, spell):
    nodes = screen.root.all("error")
    return "error", "Is there an error?", ['Yes: "', spell(nodes[0].text, nodes[0].box), '"'] if nodes else ["No."]


def selected(rng, screen, spell):
    nodes = [n for n in screen.root.all(*SELECTABLE) if n.state.get("selected")]
    if not nodes:
        return None
    return "selected", f"Which {nodes[0].role} is selected?", quoted(spell, nodes[0].text, nodes[0].box)


def where(rng, screen, spell):
    nodes = screen.root.all("button", "field", "checkbox", "switch", "heading", "link")
    if not nodes:
        return None
    node = rng.choice(nodes)
    _, _, width, height = screen.root.box
    box = shown_box(screen, node) if node.role == "heading" else node.box
    return "where", f'Where is the {node.role} "{node.text}"?', [wordings.place_words(box, width, height) + "."]


def shown_box(screen, node):
    """Of its letters: a heading is often as wide as its page, which nobody sees."""
    boxes = [line[1:] for line, part in zip(screen.painter.lines, parts(screen)) if part and part.node is node]
    return [f(b[i] for b in boxes) for i, f in enumerate((min, min, max, max))] if boxes else node.box


def colour(rng, screen, spell):
    nodes = [n for n in screen.root.all("button") if n.state.get("colour")]
    if not nodes:
        return None
    return "color", f'What color is the button "{nodes[0].text}"?', [nodes[0].state["colour"] + "."]


def theme(rng, screen, spell):
    return "theme", "Is the theme light or dark?", ["dark." if screen.dark else "light."]


def there(rng, screen, spell):
    """Is something there? Half of the time it is not."""
    role = rng.choice(["button", "field"])
    have = [n.text for n in screen.root.all(role)]
    name = rng.choice(have) if have and rng.random() < 0.5 else rng.choice(ACTIONS if role == "button" else LABELS)
    return "there", f'Is there a {role} "{name}"?', ["Yes." if name in have else "No."]


def absent(rng, screen, spell):
    """A question about a field that is not there."""
    have = {n.text for n in screen.root.all("field")}
    name = rng.choice([x for x in LABELS if x not in have])
    return "absent", f'What is in the field "{name}"?', [f"There is no such field."]


def first_line(rng, screen, spell):
    nodes = screen.root.all("line", "error", "item", "message")
    if not nodes:
        return None
    return "first", f"What does the first {nodes[0].role} say?", quoted(spell, nodes[0].text, nodes[0].box)


UNKNOWN = """Who made this?;What was here before?;What happens when I press the button?;Which browser is this?;How long did it take?;
What is behind this window?;Who is looking at this?;What will the next page show?;Why is this so?;When was this opened?""".replace("\n", "").split(";")


def unknown(rng, screen, spell):
    """What a picture cannot answer."""
    return "unknown", rng.choice(UNKNOWN), ["I cannot tell."]


def may_be_pressed(rng, screen, spell):
    """Of any of them, so that one disabled button does not answer for all."""
    nodes = screen.root.all("button", "checkbox", "switch", "menu item")
    if not nodes:
        return None
    node = rng.choice(nodes)
    return "state", f'Is the {node.role} "{node.text}" disabled?', ["Yes." if node.state.get("disabled") else "No."]


# The same questions in other words.
PHRASES = [(r"What is the title\?", ["What is this called?", "Which title does it have?", "What does the title say?"]),
           (r"How many (.*) are there\?", [r"How many \1 do you see?", r"Count the \1.", r"How many \1?"]),
           (r'Is the [a-z ]+ ("[^"]*") (checked|on|disabled)\?', [r"Is \1 \2?"]),
           (r'What is in the field ("[^"]*")\?', [r"What does the field \1 contain?", r"What is the value of \1?"]),
           (r"Is there an error\?", ["Are there errors?", "Is something wrong?", "Does it show an error?"]),
           (r"Which (.*) is selected\?", [r"Which \1 is highlighted?", r"What is the selected \1?"]),
           (r'Where is the [a-z ]+ ("[^"]*")\?', [r"Where is \1?", r"Where do I find \1?"]),
           (r'What color is the button ("[^"]*")\?', [r"What colour is the button \1?", r"Which color does \1 have?"]),
           (r"Is the theme light or dark\?", ["Is it light or dark?", "Which theme is this?", "Light or dark?"]),
           (r'Is there a (button|field) ("[^"]*")\?', [r"Is there a \2 \1?", r"Do you see a \1 \2?"])]


def reworded(rng, question, share=0.25):
    for pattern, others in PHRASES if rng.random() < share else []:
        if re.fullmatch(pattern, question):
            return re.sub(pattern, rng.choice(others), question)
    return question


FORMS = [title, how_many, state, enabled, value, error, selected, where, colour, theme, there, absent, first_line]
TRAINED = [*FORMS, *FORMS, may_be_pressed, may_be_pressed, selected, where, where, state, colour, value, theme, unknown]

"""Kinds of screens built from elements. Each function draws into a pen and opens the root node."""
from starter import wording

from . import widgets as w
from .content import (CHAT, CODE, COLUMNS, ERRORS, MENUS, cell_value, code_lines, figure, log_lines, terminal_lines, title,
                      trace_lines)
from .pen import Flow, height, whole_words


def frame(rng, pen, role, name, margin=None):
    """The root with a title bar (or none); returns the flow below it."""
    painter, t = pen.painter, pen.theme
    margin = rng.randint(6, 18) if margin is None else margin
    pen.draw.rectangle((0, 0, painter.width, painter.height), fill=t.back)
    pen.open(role, name, (0, 0, painter.width, painter.height))
    y = 0
    if name:
        face = t.face(rng.choice([1.0, 1.2]), bold=rng.random() < 0.7)
        y = height(face) + 10
        if role == "window":
            pen.draw.rectangle((0, 0, painter.width, y), fill=t.panel)
            for i in range(3):
                pen.draw.ellipse((painter.width - 18 * (i + 1), y // 2 - 5, painter.width - 18 * i - 8, y // 2 + 5), outline=t.faint)
        text, _ = pen.text(margin, 5, name, face, room=painter.width - margin - (60 if role == "window" else 8))
        pen.root.text = text
    gap = rng.choice([t.gap // 2 + 2, t.gap // 2 + 2, t.gap, 3 * t.gap // 2])
    return Flow(margin, y + rng.randint(4, 12), painter.width - margin, painter.height - 3, gap)


def dialog(rng, pen):
    failed = rng.random() < 0.35
    flow = frame(rng, pen, "dialog", rng.choice(ERRORS) if failed else title(rng))
    if failed:
        w.alert(pen, flow, rng.choice(ERRORS))
    for _ in range(rng.randint(1, 2)):
        w.paragraph(pen, flow, wording.sentence(rng))
    if rng.random() < 0.4:
        w.check(rng, pen, flow, "checkbox")
    w.buttons(rng, pen, flow)


def form(rng, pen):
    flow = frame(rng, pen, rng.choice(["window", "page", "dialog"]), title(rng))
    for _ in range(rng.randint(1, 5)):
        w.field(rng, pen, flow)
    for _ in range(rng.randint(0, 2)):
        w.check(rng, pen, flow, rng.choice(["checkbox", "radio"]))
    if rng.random() < 0.25:
        w.alert(pen, flow, rng.choice(ERRORS))
    w.buttons(rng, pen, flow)
    if rng.random() < 0.3:
        w.link(rng, pen, flow, rng.choice(["Forgot password?", "Create an account", "Learn more", "Need help?"]))


def settings(rng, pen):
    flow = frame(rng, pen, rng.choice(["window", "page"]), rng.choice(["Settings", "Preferences", "Network", "Privacy", "Display", "Account", "General"]))
    if rng.random() < 0.4:
        w.tabs(rng, pen, flow, rng.sample(MENUS, rng.randint(2, 4)))
    role = rng.choice(["switch", "checkbox", "switch", "radio"])
    for _ in range(rng.randint(2, 8)):
        if rng.random() < 0.15:
            w.heading(pen, flow, wording.phrase(rng, 2).capitalize(), 1.1)
        w.check(rng, pen, flow, role)
    w.buttons(rng, pen, flow, rng.randint(1, 2))


def table(rng, pen):
    flow = frame(rng, pen, rng.choice(["window", "page"]), title(rng))
    names = rng.sample(COLUMNS, rng.randint(2, 4))
    wide = flow.width / len(names)
    t, node = pen.theme, pen.open("table", "", (flow.x0, flow.y, flow.x1, flow.y))
    selected = rng.randrange(1, 12)
    for r in range(rng.randint(3, 14)):
        top = flow.take(height(t.face()) + 4)
        if top is None:
            break
        if r == selected:
            pen.draw.rectangle((flow.x0, top, flow.x1, top + height(t.face()) + 4), fill=t.line)
        cells = names if r == 0 else [cell_value(rng, n) for n in names]
        drawn = [pen.text(flow.x0 + i * wide + 3, top + 2, c, t.face(bold=r == 0), room=wide - 8)[0] for i, c in enumerate(cells)]
        pen.node("header" if r == 0 else "row", " | ".join(drawn), (flow.x0, top, flow.x1, flow.y), selected=r == selected)
        pen.draw.line((flow.x0, flow.y - 2, flow.x1, flow.y - 2), fill=t.line)
    node.box = (node.box[0], node.box[1], node.box[2], flow.y)
    pen.close()


def listing(rng, pen):
    flow = frame(rng, pen, rng.choice(["window", "page"]), title(rng))
    make = rng.choice([lambda: wording.path(rng), lambda: wording.phrase(rng, 4), lambda: wording.identifier(rng), lambda: wording.file(rng)])
    selected = rng.randrange(14)
    for i in range(rng.randint(3, 12)):
        top = flow.take(height(pen.theme.face()) + 2)
        if top is None:
            break
        if i == selected:
            pen.box((flow.x0 - 4, top, flow.x1, top + height(pen.theme.face()) + 2), fill=pen.theme.accent)
        ink = (255, 255, 255) if i == selected else None
        text, box = pen.text(flow.x0, top + 1, make(), pen.theme.face(), ink, room=flow.width)
        pen.node("item", text, box, selected=i == selected)


def menu(rng, pen):
    t, face = pen.theme, pen.theme.face()
    flow = frame(rng, pen, "menu", "")
    hover = rng.randrange(10)
    for i, name in enumerate(rng.sample(MENUS + w.ACTIONS, rng.randint(4, 10))):
        top = flow.take(height(face) + 4)
        if top is None:
            break
        disabled = rng.random() < 0.15
        if i == hover:
            pen.box((flow.x0 - 4, top, flow.x1 + 4, top + height(face) + 4), fill=t.line)
        text, box = pen.text(flow.x0 + 4, top + 2, name, face, t.faint if disabled else t.ink)
        key = f"Ctrl+{rng.choice('ABCDEFGHKNOPSVWXZ')}"
        if rng.random() < 0.4 and box[2] + face.width(key) + 20 < flow.x1:
            pen.text(flow.x1 - face.width(key), top + 2, key, face, t.faint)
        pen.node("menu item", text, box, selected=i == hover, disabled=disabled)


def editor(rng, pen):
    lines(rng, pen, "editor", rng.choice([wording.path(rng), ""]), code_lines(rng, rng.choice(list(CODE))), numbers=rng.random() < 0.6)


def terminal(rng, pen):
    pen.theme.back, pen.theme.ink, pen.theme.dark = (16, 18, 22), (215, 220, 215), True
    lines(rng, pen, "terminal", rng.choice(["Terminal", "bash", ""]), terminal_lines(rng))


def log(rng, pen):
    lines(rng, pen, "log", rng.choice(["Log", "Output", "Console", "", ""]), log_lines(rng))


def trace(rng, pen):
    lines(rng, pen, rng.choice(["terminal", "log"]), "", trace_lines(rng), wrong=True)


def lines(rng, pen, role, name, content, numbers=False, wrong=False):
    flow = frame(rng, pen, role, name, margin=6)
    flow.gap = rng.choice([0, 1, 3])
    face, t = pen.theme.face(mono=True, scale=rng.choice([0.85, 1.0])), pen.theme
    for i, text in enumerate(content):
        top = flow.take(height(face))
        if top is None:
            break
        x = flow.x0
        if numbers:
            _, box = pen.text(x, top, str(i + 1), face, t.faint)
            x += face.width("000")
        bad = wrong or "ERROR" in text or "rror:" in text
        indent = len(text) - len(text.lstrip())
        shown, box = pen.text(x + indent * face.width(" "), top, text.lstrip(), face, t.error if bad and rng.random() < 0.7 else None,
                              room=flow.x1 - x - indent * face.width(" "))
        if shown:
            pen.node("error" if bad and i == 0 or "ERROR" in text else "line", shown, box)


def chat(rng, pen):
    flow = frame(rng, pen, rng.choice(["window", "page"]), rng.choice(CHAT))
    t, face = pen.theme, pen.theme.face()
    while (top := flow.take(height(face) + 12)) is not None:
        mine = rng.random() < 0.5
        text = whole_words(wording.sentence(rng), face, flow.width * 0.75)
        wide = min(face.width(text), flow.width * 0.75)
        x = flow.x1 - wide - 16 if mine else flow.x0
        pen.box((x, top, x + wide + 16, top + height(face) + 10), fill=t.accent if mine else t.panel, radius=9)
        text, box = pen.text(x + 8, top + 5, text, face, (255, 255, 255) if mine else t.ink, room=wide + 1)
        pen.node("message", text, box, side="right" if mine else "left")


def page(rng, pen):
    t, face = pen.theme, pen.theme.face()
    flow = frame(rng, pen, "page", "")
    top = flow.take(height(face) + 4)
    x = flow.x0
    for name in rng.sample(MENUS, rng.randint(2, 5)):
        if x + face.width(name) > flow.x1:
            break
        _, box = pen.text(x, top, name, face, t.accent)
        pen.node("link", name, box)
        x = box[2] + 16
    made = w.heading(pen, flow, title(rng), rng.choice([1.4, 1.8]))
    pen.root.text = made.text if made else ""
    if rng.random() < 0.3:
        cards(rng, pen, flow)
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.25:
            w.heading(pen, flow, wording.phrase(rng, 3).capitalize(), 1.15)
        for _ in range(rng.randint(1, 3)):
            w.paragraph(pen, flow, wording.sentence(rng) + " " + wording.sentence(rng))
    if rng.random() < 0.6:
        w.buttons(rng, pen, flow)


def cards(rng, pen, flow):
    """A row of two to four cards, each a name over a figure."""
    t, count = pen.theme, rng.randint(2, 4)
    name_face, face = t.face(rng.choice([1.0, 1.15]), bold=rng.random() < 0.5), t.face(rng.choice([1.0, 1.0, 1.4]))
    pad, wide = t.gap, rng.uniform(0.6, 1.0) * flow.width / count
    high = height(name_face) + height(face) + 2 * pad + 2
    top = flow.take(high)
    if top is None:
        return
    for i in range(count):
        x = flow.x0 + i * wide
        room = wide - pad - 2 * pad
        pen.box((x, top, x + wide - pad, top + high), fill=t.panel, outline=t.line)
        name, box = pen.text(x + pad, top + pad, wording.phrase(rng, 1).capitalize(), name_face, room=room)
        if name:
            pen.node("heading", name, box)
        value, box = pen.text(x + pad, box[3] + 2, figure(rng), face, room=room)
        if value:
            pen.node("text", value, box)


def chart(rng, pen):
    flow = frame(rng, pen, rng.choice(["window", "page"]), title(rng))
    t, face, count = pen.theme, pen.theme.face(0.85), rng.randint(3, 6)
    bottom = flow.y1 - height(face) - 4
    wide = flow.width / count
    node = pen.open("chart", "", (flow.x0, flow.y, flow.x1, flow.y1))
    for i in range(count):
        value = rng.randint(5, 99)
        top = bottom - max(2, bottom - flow.y - height(face) - 2) * value / 100
        x = flow.x0 + i * wide
        pen.draw.rectangle((x + wide * 0.2, top, x + wide * 0.8, bottom), fill=t.accent)
        pen.text(x + wide * 0.2, top - height(face), str(value), face)
        name, box = pen.text(x + 2, bottom + 2, rng.choice("Mon Tue Wed Thu Fri Jan Feb Mar Apr Q1 Q2 Q3 Q4 A B C".split()), face, room=wide)
        pen.node("bar", name, (x, top, x + wide, bottom), value=str(value))
    node.state["bars"] = len(node.children)
    pen.close()


def toolbar(rng, pen):
    """A window with a row of tools above a document."""
    flow = frame(rng, pen, "window", title(rng))
    w.buttons(rng, pen, flow, rng.randint(3, 5))
    if rng.random() < 0.5:
        w.tabs(rng, pen, flow, rng.sample(MENUS, 3))
    for _ in range(rng.randint(1, 6)):
        w.paragraph(pen, flow, wording.sentence(rng))


def mobile(rng, pen):
    """A phone's screen: a header, cards with a line of detail, a bar of places at the bottom."""
    flow = frame(rng, pen, "page", title(rng), margin=10)
    t, face, small = pen.theme, pen.theme.face(), pen.theme.face(0.85)
    flow.y1 -= height(small) + 10
    while (top := flow.take(height(face) + height(small) + 10)) is not None:
        pen.box((flow.x0, top, flow.x1, top + height(face) + height(small) + 8), fill=t.panel)
        name, box = pen.text(flow.x0 + 8, top + 3, wording.phrase(rng, 2).capitalize(), face, room=flow.width - 16)
        pen.text(flow.x0 + 8, box[3], wording.phrase(rng, 4), small, t.faint, room=flow.width - 16)
        pen.node("item", name, (flow.x0, top, flow.x1, flow.y))
    places = rng.sample(MENUS, 3)
    selected = rng.randrange(3)
    for i, name in enumerate(places):
        name, box = pen.text(flow.x0 + i * flow.width / 3, flow.y1 + 8, name, small, t.accent if i == selected else t.faint, room=flow.width / 3)
        pen.node("tab", name, box, selected=i == selected)


KINDS = {"dialog": (dialog, 14), "form": (form, 14), "settings": (settings, 12), "table": (table, 10), "list": (listing, 8),
         "menu": (menu, 6), "editor": (editor, 8), "terminal": (terminal, 6), "log": (log, 4), "trace": (trace, 4),
         "chat": (chat, 6), "page": (page, 10), "chart": (chart, 4),
         "toolbar": (toolbar, 5), "mobile": (mobile, 5)}

"""The elements of screens. Each takes its place from a flow and returns its node, or None if there was no room."""
from starter import wording

from .pen import height, whole_words

LABELS = """Name;Email;Password;Username;First name;Last name;Phone;Address;City;Country;Company;Website;Search;Title;
Description;Port;Host;Project;Language;Time zone;Account;Card number;Amount;Date;Branch;Tag;Subject;To;From""".replace("\n", "").split(";")
ACTIONS = """OK;Cancel;Save;Delete;Close;Submit;Sign in;Log in;Apply;Next;Back;Continue;Retry;Send;Add;Remove;Edit;Open;
Upload;Download;Yes;No;Create;Update;Reset;Copy;Share;Install;Skip;Done;Discard;Export;Save changes""".replace("\n", "").split(";")
OPTIONS = """Remember me;Dark mode;Notifications;Auto save;Show hidden files;Enable sync;Use proxy;Two-factor login;
Send reports;Accept terms;Start at login;Wi-Fi;Bluetooth;Location;Sound;Airplane mode;Auto update;Line numbers;
Word wrap;Spell check;Public profile;Email alerts;Keep me signed in;Compact view""".replace("\n", "").split(";")


def label(rng, known):
    return rng.choice(known) if rng.random() < 0.6 else wording.phrase(rng, 2).capitalize()


def heading(pen, flow, text, scale=1.3):
    face = pen.theme.face(scale, bold=True)
    top = flow.take(height(face))
    if top is None:
        return None
    text, box = pen.text(flow.x0, top, text, face, room=flow.width)
    return pen.node("heading", text, box)


def paragraph(pen, flow, text, ink=None, role="text", scale=1.0):
    """One line; text too long for it mostly ends at a word, sometimes with …"""
    face = pen.theme.face(scale)
    top = flow.take(height(face))
    if top is None:
        return None
    if len(text) % 4:
        text = whole_words(text, face, flow.width)
    text, box = pen.text(flow.x0, top, text, face, ink, room=flow.width)
    return pen.node(role, text, box)


def button(pen, x, y, text, primary=False, disabled=False, focused=False):
    """At a point; returns the node, whose box tells how wide it became."""
    t, face, text = pen.theme, pen.theme.face(), pen.replace.get(text, text)
    box = (x, y, x + face.width(text) + 2 * t.gap + 4, y + height(face) + 8)
    fill = t.line if disabled else t.accent if primary else t.panel
    pen.box(box, fill=fill, outline=t.accent if focused else t.line, width=2 if focused else 1)
    ink = t.faint if disabled else (255, 255, 255) if primary else t.ink
    pen.text(x + t.gap + 2, y + 4, text, face, ink)
    return pen.node("button", text, box, disabled=disabled, focused=focused,
                    colour=t.accent_name if primary and not disabled else None)


def buttons(rng, pen, flow, count=None):
    """A row of buttons, the primary one last or first."""
    face = pen.theme.face()
    top = flow.take(height(face) + 9)
    if top is None:
        return
    x, names = flow.x0, rng.sample(ACTIONS, count or rng.randint(1, 3))
    primary = rng.choice(names)
    for name in names:
        if x + face.width(name) + 2 * pen.theme.gap + 6 > flow.x1:
            break
        made = button(pen, x, top, name, name == primary, rng.random() < 0.12, rng.random() < 0.1)
        x = made.box[2] + pen.theme.gap


def field(rng, pen, flow, text=None, value=None):
    """A label above (or before) a box with a value, a placeholder or nothing."""
    t, face = pen.theme, pen.theme.face()
    high = height(face)
    top = flow.take(2 * high + 12)
    if top is None:
        return None
    text, _ = pen.text(flow.x0, top, text or label(rng, LABELS), face, room=flow.width)
    box = (flow.x0, top + high + 2, min(flow.x1, flow.x0 + rng.randint(140, 320)), top + 2 * high + 10)
    focused, error = rng.random() < 0.15, rng.random() < 0.1
    pen.box(box, fill=t.back, outline=t.error if error else t.accent if focused else t.line, width=2 if focused or error else 1)
    value = value if value is not None else rng.choice(["", wording.piece(rng), wording.email(rng), wording.word(rng)])
    if "password" in text.lower():
        value = "•" * len(value)
    value, _ = pen.text(flow.x0 + 6, top + high + 6, value, face, room=box[2] - box[0] - 12)
    return pen.node("field", text, box, value=value or None, focused=focused, error=error)


def check(rng, pen, flow, role, text=None):
    """A checkbox, radio button or switch with its label."""
    t, face = pen.theme, pen.theme.face()
    high = height(face)
    top = flow.take(high + 2)
    if top is None:
        return None
    on, disabled, side = rng.random() < 0.5, rng.random() < 0.1, max(11, round(high * 0.75))
    y, wide = top + (high - side) // 2, side * (2 if role == "switch" else 1)
    text = text or label(rng, OPTIONS)
    on = on != (text == pen.flip)
    mark(pen, role, (flow.x0, y, flow.x0 + wide, y + side), on, t.faint if disabled else t.accent)
    text, box = pen.text(flow.x0 + wide + 8, top, text, face, t.faint if disabled else t.ink,
                         room=flow.width - wide - 8)
    state = {"on" if role == "switch" else "checked": "yes" if on else "no"}
    return pen.node(role, text, (flow.x0, top, box[2], box[3]), disabled=disabled, **state)


def mark(pen, role, box, on, colour):
    t, (x0, y0, x1, y1) = pen.theme, box
    side = y1 - y0
    if role == "switch":
        pen.box(box, fill=colour if on else t.line, radius=side // 2)
        x = x1 - side if on else x0
        pen.draw.ellipse((x + 2, y0 + 2, x + side - 2, y1 - 2), fill=(255, 255, 255))
    elif role == "radio":
        pen.draw.ellipse(box, fill=t.back, outline=colour if on else t.faint)
        if on:
            pen.draw.ellipse((x0 + 3, y0 + 3, x1 - 3, y1 - 3), fill=colour)
    else:
        pen.box(box, fill=colour if on else t.back, outline=colour if on else t.faint, radius=2)
        if on:
            points = [(x0 + side * 0.2, y0 + side * 0.5), (x0 + side * 0.42, y0 + side * 0.75), (x0 + side * 0.8, y0 + side * 0.25)]
            pen.draw.line(points, fill=(255, 255, 255), width=2)


def tabs(rng, pen, flow, names):
    t, face = pen.theme, pen.theme.face()
    top = flow.take(height(face) + 8)
    if top is None:
        return
    x, selected = flow.x0, rng.randrange(len(names))
    for i, name in enumerate(names):
        wide = face.width(name)
        if x + wide > flow.x1:
            break
        _, box = pen.text(x, top, name, face, t.accent if i == selected else t.faint)
        if i == selected:
            pen.draw.rectangle((x, box[3] + 3, x + wide, box[3] + 5), fill=t.accent)
        pen.node("tab", name, box, selected=i == selected)
        x += wide + 2 * t.gap
    pen.draw.line((flow.x0, top + height(face) + 6, flow.x1, top + height(face) + 6), fill=t.line)


def link(rng, pen, flow, text):
    return paragraph(pen, flow, text, pen.theme.accent, "link")


def alert(pen, flow, text, error=True):
    """A tinted strip with a message."""
    t, face = pen.theme, pen.theme.face()
    top = flow.take(height(face) + 10)
    if top is None:
        return None
    ink = t.error if error else t.accent
    box = (flow.x0, top, flow.x1, top + height(face) + 8)
    pen.box(box, fill=tuple((3 * b + i) // 4 if not t.dark else (5 * b + i) // 6 for b, i in zip(t.back, ink)), outline=ink)
    text, _ = pen.text(flow.x0 + 8, top + 4, text, face, t.ink, room=flow.width - 16)
    return pen.node("error" if error else "message", text, box)

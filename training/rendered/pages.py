"""Kinds of pages. Each function takes a Maker and returns (kind, title, body)."""
from html import escape

from screens.content import CHAT, CODE, COLUMNS, ERRORS, MENUS, cell_value, code_lines, figure, log_lines, terminal_lines, title, trace_lines
from starter import wording

from .parts import WRONG


def lead(m, text):
    return m.heading(text)


def login(m):
    head = m.rng.choice(["Welcome back", "Log in", "Sign in to continue", "Account login", "Hello again", title(m.rng)])
    failed = m.some(0.35)
    body = lead(m, head) + (m.alert(m.rng.choice(ERRORS)) if failed else "")
    body += m.field(m.rng.choice(["Username", "Email address", "Work email", "Email"]), wrong=failed and m.some(0.5)) + m.field("Password", m.rng.choice(["", "x" * m.rng.randint(4, 12)]), wrong=False)
    body += m.option("checkbox", m.rng.choice(["Remember me", "Keep me signed in", "Remember this device"])) if m.some(0.6) else ""
    body += m.buttons(names=m.rng.sample(["Log in", "Sign in", "Continue", "Create account", "Cancel", "Use a passkey"], m.rng.randint(1, 2)))
    return "form", head, body + (m.link(m.rng.choice(["Forgot password?", "Create an account", "Need help?", "Lost your key?"])) if m.some(0.6) else "")


def signup(m):
    head = m.rng.choice(["Create account", "Sign up", "Register", "Join the team", title(m.rng)])
    wrong = m.some(0.6)
    body = lead(m, head) + "".join(m.field(wrong=wrong and m.some(0.4)) for _ in range(m.rng.randint(2, 6)))
    return "form", head, body + "".join(m.option("checkbox") for _ in range(m.rng.randint(0, 2))) + m.buttons()


def form(m):
    head = title(m.rng)
    body = lead(m, head) + "".join(m.field() for _ in range(m.rng.randint(1, 6)))
    body += m.options(m.rng.randint(2, 4), "radio") if m.some(0.5) else ""
    body += m.option("checkbox") if m.some(0.3) else ""
    return "form", head, (m.alert(m.rng.choice(ERRORS)) if m.some(0.2) else "") + body + m.buttons()


def settings(m):
    head = m.rng.choice(["Settings", "Preferences", "Notifications", "Network", "Accessibility", "Account settings", "General", "Editor options"])
    role = m.rng.choice(["checkbox", "checkbox", "switch", "radio", "radio", None])
    body = lead(m, head) + (m.tabs(m.rng.sample(MENUS, m.rng.randint(2, 4))) if m.some(0.25) else "")
    for _ in range(m.rng.randint(1, 3)):
        body += m.heading(wording.phrase(m.rng, 2).capitalize(), 2) if m.some(0.3) else ""
        body += m.options(m.rng.randint(2, 4), role)
        body += m.field() if m.some(0.12) else ""
    return "settings", head, body + (m.buttons(m.rng.randint(1, 2)) if m.some(0.7) else "")


def phone_settings(m):
    """A list of switches with details, a bar of places at the bottom."""
    head = m.rng.choice(["Settings", "Wi-Fi", "Notifications", "Sounds", "Privacy", "Display", "Battery"])
    where, role = "after", m.rng.choice(["switch", "switch", "checkbox"])
    body = lead(m, head) + "".join(f'<div class="card" style="margin-bottom:6px">{m.options(m.rng.randint(1, 3), role, where)}</div>' for _ in range(m.rng.randint(2, 5)))
    return "settings", head, body + bottom_bar(m)


def bottom_bar(m):
    names, chosen = m.rng.sample(MENUS, m.rng.randint(3, 4)), m.rng.randrange(3)
    cells = "".join(f'<span class="tab" data-role="tab" {"aria-selected=true" if i == chosen else ""}>{n}</span>' for i, n in enumerate(names))
    return f'<div style="position:fixed;bottom:0;left:0;right:0;display:flex;justify-content:space-around;padding:4px;background:{m.kit.panel};border-top:1px solid {m.kit.line}">{cells}</div>'


def phone(m):
    head = title(m.rng)
    cards = "".join(f'<div class="card" data-role="item" data-text="{(name := escape(wording.phrase(m.rng, 2).capitalize()))}" style="margin-bottom:6px"><div>{name}</div>'
                    f'<small data-role="">{escape(wording.phrase(m.rng, 4))}</small></div>' for _ in range(m.rng.randint(3, 9)))
    return "mobile", head, lead(m, head) + cards + bottom_bar(m)


def confirm(m):
    head = m.rng.choice(["Save changes?", "Delete project?", "Discard draft?", "Overwrite?", "Log out?", "Remove member?", "Update available", title(m.rng)])
    body = lead(m, head) + "".join(m.paragraph() for _ in range(m.rng.randint(1, 2)))
    body += m.option("checkbox") if m.some(0.3) else m.options(m.rng.randint(2, 3), "radio") if m.some(0.3) else ""
    body += m.buttons(m.rng.randint(1, 3))
    return "dialog", head, m.rng.choice(['{}', '{}', '<div class="card">{}</div>']).format(body)


def failure(m):
    head = m.rng.choice(ERRORS)
    body = lead(m, head) + m.alert(m.rng.choice(ERRORS) + m.rng.choice([".", "", f" ({m.rng.randrange(999)})"])) + (m.paragraph() if m.some(0.5) else "")
    return "dialog", head, body + m.buttons(m.rng.randint(1, 3))


def table(m):
    head, names = title(m.rng), m.rng.sample(COLUMNS, m.rng.randint(2, 5))
    rows = [[cell_value(m.rng, n) for n in names] for _ in range(m.rng.randint(3, 16))]
    body = lead(m, head) + m.table(names, rows, m.rng.randrange(len(rows)) if m.some(0.7) else None)
    return "table", head, body + (m.buttons(m.rng.randint(1, 2)) if m.some(0.2) else "")


def listing(m):
    head = m.rng.choice(["Files", "Downloads", "Inbox", "Search results", "Playlist", "Contacts", "Recent", "Projects", title(m.rng)])
    make = m.rng.choice([wording.file, wording.file, wording.path, lambda r: wording.phrase(r, 4).capitalize(), wording.identifier])
    names = [make(m.rng) for _ in range(m.rng.randint(3, 12))]
    return "list", head, lead(m, head) + m.listing(names, chosen=m.rng.randrange(len(names)) if m.some(0.75) else None)


def todo(m):
    head = m.rng.choice(["To do", "Shopping list", "Checklist", "Today's tasks", "Sprint goals", title(m.rng)])
    body = "".join(m.option("checkbox", wording.phrase(m.rng, 3).capitalize()) for _ in range(m.rng.randint(3, 8)))
    return "list", head, lead(m, head) + body + (m.buttons(m.rng.randint(1, 2)) if m.some(0.7) else "")


def menu(m):
    names = m.rng.sample(MENUS + ["Copy link", "New tab", "Save as...", "Find in page", "Full screen", "Sort by name", "Move to folder", "Take screenshot", "Word count", "Sign out",
                                  "Open with...", "Inspect", "Bookmark this", "Close window", "Rename...", "Compare with..."], m.rng.randint(4, 10))
    keys = m.some(0.4)
    key = lambda i: f'<span class="faint" data-role="" style="float:right">Ctrl+{m.rng.choice("ABDEFGHKLMNOPST")}</span>' if keys and m.some(0.6) else ""
    body = m.listing(names, "menu item", m.rng.randrange(len(names)) if m.some(0.8) else None, key)
    return "menu", "", f'<div class="card" style="padding:3px 0;{m.rng.choice(["", "width:max-content;min-width:150px;", "max-width:260px;"])}">{body}</div>'


COLOURS = {True: ["#c792ea", "#82aaff", "#c3e88d", "#f78c6c", "#89ddff"], False: ["#7b30d0", "#0550ae", "#116329", "#953800", "#0a6c74"]}


def coloured(m, text, share=0.35):
    """The words of a line, some of them coloured as an editor or a shell would."""
    colours = COLOURS[m.kit.dark]
    return "".join(f'<span style="color:{m.rng.choice(colours)}">{escape(w)}</span>' if w.strip() and m.some(share) else escape(w) for w in split(text))


def split(text):
    out = [""]
    for a, b in zip(text, text[1:] + " "):
        out[-1] += a
        if a == " " or b == " ":
            out.append("")
    return out


def pre(m, lines, numbers=False, wrong=lambda t: False, vivid=0.35):
    rows = []
    for i, text in enumerate(lines):
        number = f'<span class="faint" data-role="" style="display:inline-block;width:2.6em">{i + 1}</span>' if numbers else ""
        bad = wrong(text)
        body = escape(text) if bad else coloured(m, text, vivid)
        rows.append(f'{number}<span data-role="{"error" if bad else "line"}" class="{"bad" if bad and m.some(0.8) else ""}">{body}</span>' if text.strip() else "")
    return "<pre>" + "\n".join(rows) + "</pre>"


def editor(m):
    lines = code_lines(m.rng, m.rng.choice(list(CODE)), m.rng.randint(5, 24))
    tabs = m.tabs([wording.file(m.rng) for _ in range(m.rng.randint(1, 3))]) if m.some(0.3) else ""
    return "editor", "", tabs + pre(m, lines, m.some(0.5), vivid=m.rng.choice([0, 0.3, 0.5]))


def terminal(m):
    return "terminal", "", pre(m, terminal_lines(m.rng, m.rng.randint(4, 22)), wrong=lambda t: "error:" in t, vivid=m.rng.choice([0, 0, 0.25]))


def log(m):
    return "log", "", pre(m, log_lines(m.rng, m.rng.randint(5, 24)), wrong=lambda t: "ERROR" in t, vivid=m.rng.choice([0, 0, 0.2]))


def trace(m):
    lines = trace_lines(m.rng)
    return "trace", "", pre(m, lines, wrong=lambda t: "Error:" in t or "Exception:" in t, vivid=0)


def nav(m):
    names = m.rng.sample(MENUS, m.rng.randint(2, 5))
    style = m.rng.choice(["margin-bottom:8px", f"background:{m.kit.panel};padding:6px 10px;margin:-8px -8px 8px", f"border-bottom:1px solid {m.kit.line};padding-bottom:5px;margin-bottom:8px"])
    return f'<div class="row" style="{style}">{"".join(m.link(n) for n in names)}</div>'


def article(m):
    head = title(m.rng) if m.some(0.5) else wording.phrase(m.rng, 3).capitalize()
    body = (nav(m) if m.some(0.7) else "") + lead(m, head)
    for _ in range(m.rng.randint(1, 4)):
        body += m.heading(wording.phrase(m.rng, 3).capitalize(), 2) if m.some(0.3) else ""
        body += "".join(m.paragraph(" ".join(wording.sentence(m.rng) for _ in range(m.rng.choice([1, 1, 2])))) for _ in range(m.rng.randint(1, 3)))
    return "page", head, body + (m.buttons(m.rng.randint(1, 2)) if m.some(0.6) else "")


def dashboard(m):
    head = m.rng.choice(["Dashboard", "Overview", "Analytics", "This week", "Status", "Traffic", "Health"])
    order = m.some(0.75)
    cards = ""
    for _ in range(m.rng.randint(2, 5)):
        name, number = m.heading(wording.phrase(m.rng, 2).capitalize(), 2), said_number(m)
        cards += f'<div class="card" style="flex:1">{name + number if order else number + name}</div>'
    body = (nav(m) if m.some(0.3) else "") + lead(m, head) + f'<div class="row" style="align-items:stretch;margin-bottom:8px">{cards}</div>'
    body += m.paragraph() if m.some(0.6) else ""
    return "page", head, body + (m.buttons(m.rng.randint(1, 2)) if m.some(0.6) else "")


def said_number(m):
    size = m.rng.choice([1, 1, 1.4, 1.8])
    return f'<p data-role="text" style="font-size:{size}em;margin:0">{figure(m.rng)}</p>'


def tabbed(m):
    names = m.rng.sample(MENUS, m.rng.randint(2, 5))
    head = wording.phrase(m.rng, 2).capitalize()
    return "page", head, m.tabs(names) + lead(m, head) + "".join(m.paragraph() for _ in range(m.rng.randint(1, 4))) + (m.buttons() if m.some(0.3) else "")


def gone(m):
    head = m.rng.choice(["404", "500", "403", "Page not found", "Oops", "502", "Not allowed"])
    return "page", head, lead(m, head) + said_error(m) + m.paragraph() + (m.buttons(1) if m.some(0.7) else "")


def said_error(m):
    return f'<p data-role="error" class="{"bad" if m.some(0.7) else ""}">{escape(m.rng.choice(ERRORS + WRONG) + ".")}</p>'


def chat(m):
    who = m.rng.choice(CHAT)
    bubbles = "".join(f'<div class="bubble {"mine" if m.some(0.45) else ""}" data-role="message">{escape(wording.sentence(m.rng))}</div>' for _ in range(m.rng.randint(3, 8)))
    write = m.field("Message", "", False) if m.some(0.15) else ""
    return "chat", who, lead(m, who) + bubbles + write


def toolbar(m):
    head = title(m.rng)
    body = lead(m, head) + m.buttons(m.rng.randint(3, 5)) + "".join(m.paragraph() for _ in range(m.rng.randint(1, 4)))
    return "toolbar", head, body


def chart(m):
    head, count = title(m.rng), m.rng.randint(3, 6)
    names = m.rng.sample("Mon Tue Wed Thu Fri Jan Feb Mar Apr Q1 Q2 Q3 Q4".split(), count)
    bars = "".join(f'<div style="flex:1;text-align:center;align-self:flex-end"><small data-role="">{(v := m.rng.randint(5, 99))}</small>'
                   f'<div style="height:{v}px;background:{m.kit.accent}"></div><span data-role="bar" data-value="{v}">{n}</span></div>' for n in names)
    return "chart", head, lead(m, head) + f'<div class="row" style="align-items:flex-end">{bars}</div>'


PAGES = {login: 10, signup: 8, form: 6, settings: 14, confirm: 8, failure: 6, table: 8, listing: 7, todo: 6, menu: 6, editor: 6, terminal: 5, log: 4, trace: 2,
         article: 7, dashboard: 7, tabbed: 5, gone: 4, chat: 5, toolbar: 2, chart: 2, phone_settings: 2, phone: 2}
TALL = {phone_settings: 6, phone: 6, settings: 4, login: 3, signup: 3, chat: 3, listing: 3, todo: 2, article: 2, dashboard: 1, form: 2, confirm: 1, menu: 1}
ROOTS = {"dialog": "dialog", "toolbar": "window", "menu": "menu", "editor": "editor", "terminal": "terminal", "log": "log"}


def document(m, make):
    """A whole HTML document; on a large screen sometimes beside a side bar."""
    kind, head, body = make(m)
    pad = m.rng.randint(6, 18)
    focus = "<script>document.querySelector('input,button:not(:disabled)')?.focus()</script>" if m.some(0.15) else ""
    return (f'<!doctype html><meta charset="utf-8">{m.kit.css()}<body style="padding:{pad}px" data-kind="{kind}" data-root="{ROOTS.get(kind, "page")}" '
            f'data-title="{escape(head)}" data-dark="{"yes" if m.kit.dark else "no"}">{body}{focus}</body>')

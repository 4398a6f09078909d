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
    return "terminal", "", pre(m, terminal_lines(m.rng, m.rng.randint(4, 22)), wrong=lambda t: any(w in t for w in ("error:", "Error:", "fatal:")), vivid=m.rng.choice([0, 0, 0.25]))


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


def sectioned(m):
    """Settings in sections, each with its heading; options with a line that explains them."""
    head, body = m.rng.choice(["Settings", "Preferences", "Privacy & security", "Notifications", "Account", title(m.rng)]), ""
    role = m.rng.choice(["switch", "checkbox", None])
    for _ in range(m.rng.randint(1, 4)):
        body += m.heading(wording.phrase(m.rng, 2).capitalize(), 2) if m.some(0.8) else ""
        for _ in range(m.rng.randint(1, 3)):
            body += m.option(role, where="after" if m.some(0.6) else None) + (f'<p data-role="text" class="faint">{escape(wording.sentence(m.rng))}</p>' if m.some(0.5) else "")
    return "settings", head, lead(m, head) + body + (m.buttons(m.rng.randint(1, 2)) if m.some(0.5) else "")


def plans(m):
    """Cards beside each other: a heading, a price, a button each; products of a shop likewise."""
    head, names = m.rng.choice(["Pricing", "Choose a plan", "Our products", "New arrivals", "Templates", title(m.rng)]), m.rng.random() < 0.5
    action = m.rng.choice(["Add to cart", "Choose", "Buy now", "Select", "Start free trial", "Details"])
    cards = ""
    for i in range(m.rng.randint(2, 4)):
        name = m.heading(m.rng.choice(["Free", "Pro", "Team", "Business", "Starter", "Basic"]) if names else wording.phrase(m.rng, 2).capitalize(), m.rng.choice([2, 3]))
        price = f'<p data-role="text" style="font-size:{m.rng.choice([1, 1.3, 1.7])}em">{m.rng.choice("$€£")}{m.rng.randrange(1, 400)}{m.rng.choice(["", ".00", ".99", " / month"])}</p>'
        cards += f'<div class="card" style="flex:1">{name}{price}{m.paragraph(wording.phrase(m.rng, 4).capitalize()) if m.some(0.5) else ""}{m.button(action, m.some(0.4))}</div>'
    return "page", head, (nav(m) if m.some(0.4) else "") + lead(m, head) + f'<div class="row" style="align-items:stretch;flex-wrap:nowrap">{cards}</div>'


def details(m):
    """What something is, as names and contents beside each other."""
    head = m.rng.choice(["Profile", "Order details", "Invoice", "System information", "About this device", "Shipment", title(m.rng)])
    rows = "".join(f'<div style="display:flex;margin-bottom:4px"><span data-role="text" class="faint" style="width:40%">{escape(wording.phrase(m.rng, 2).capitalize())}</span>'
                   f'<span data-role="text">{escape(m.rng.choice([wording.piece, wording.date, wording.number, wording.email])(m.rng)[:24])}</span></div>' for _ in range(m.rng.randint(3, 9)))
    body = m.rng.choice(["{}", '<div class="card">{}</div>']).format(rows)
    return "page", head, (nav(m) if m.some(0.4) else "") + lead(m, head) + body + (m.buttons(m.rng.randint(1, 2)) if m.some(0.6) else "")


def results(m):
    """What was found: each a link with a text under it."""
    head = m.rng.choice(["Search results", "Articles", "Questions", "Latest news", "Help topics"])
    found = "".join(f'<div style="margin-bottom:8px">{m.link(wording.phrase(m.rng, 4).capitalize())}<br>{said_small(m)}</div>' for _ in range(m.rng.randint(2, 6)))
    return "page", head, lead(m, head) + found


def said_small(m):
    return f'<span data-role="text" class="{"faint" if m.some(0.6) else ""}">{escape(wording.sentence(m.rng))}</span>'


def nothing(m):
    """A page that has nothing to show yet."""
    head = m.rng.choice(["No results", "Nothing here yet", "Inbox zero", "No projects yet", "All done", "You are offline"])
    at = m.rng.choice(["center", "left"])
    return "page", head, f'<div style="text-align:{at};padding-top:{m.rng.choice([10, 30, 60])}px">{lead(m, head)}{m.paragraph()}{m.button(primary=m.some(0.7))}</div>'


def notices(m):
    """Messages above a page's content: a good one, one that something failed, or one that merely says."""
    said = "".join(m.alert(m.rng.choice(ERRORS) + ".") if m.some(0.5) else m.alert(m.rng.choice(SUCCESS), "message") for _ in range(m.rng.randint(1, 2)))
    kind, head, body = m.rng.choice([article, table, form, listing])(m)
    return kind, head, said + body


SUCCESS = """Changes saved.;Your order was placed.;Welcome back!;Message sent.;Profile updated.;Upload complete.;Payment received.;Copied to clipboard.;
Invitation sent.;Backup finished.;You are now subscribed.;File deleted.;Connected.;Update installed.""".replace("\n", "").split(";")


def columns(m):
    """A form in two columns, like an address or a checkout."""
    head = m.rng.choice(["Checkout", "Shipping address", "Billing", "New customer", "Edit profile", "Job application", title(m.rng)])
    fields = "".join(m.field() for _ in range(m.rng.randint(3, 8)))
    body = f'<div style="display:grid;grid-template-columns:1fr 1fr;gap:0 16px">{fields}</div>'
    body += m.options(m.rng.randint(2, 3), "radio") if m.some(0.4) else ""
    body += m.option("checkbox") if m.some(0.5) else ""
    return "form", head, (m.alert(m.rng.choice(ERRORS)) if m.some(0.2) else "") + lead(m, head) + body + m.buttons()


def steps(m):
    """One step of several, said in a line above the form."""
    n = m.rng.randint(2, 5)
    said = m.rng.choice(["Step {} of {}", "{} / {}", "Page {} of {}"]).format(m.rng.randint(1, n), n)
    kind, head, body = m.rng.choice([signup, form, columns])(m)
    return kind, head, f'<p data-role="text" class="faint">{said}</p>' + body


def centred(m):
    """A dialog or a form in the middle of an empty or dimmed window."""
    kind, head, body = m.rng.choice([login, confirm, failure, confirm, signup])(m)
    shade = m.rng.choice(["", f"background:{m.kit.line};", "background:#0006;", f"background:{m.kit.back};"])
    return kind, head, (f'<div style="position:fixed;inset:0;{shade}display:flex;align-items:center;justify-content:center">'
                        f'<div class="card" style="width:{m.rng.choice([280, 320, 360, 420])}px;max-width:96%">{body}</div></div>')


def paper(m):
    """A table with a button or a link in each row's place, pages below and a field above."""
    kind, head, body = table(m)
    above = f'<div class="row">{m.field(m.rng.choice(["Search", "Filter", "Find"]), wrong=False)}{m.button()}</div>' if m.some(0.5) else ""
    below = "".join(m.link(n) for n in ["Previous", "1", "2", "3", "Next"]).replace("</a><a", "</a> <a") if m.some(0.5) else m.paragraph(f"Showing {m.rng.randrange(1, 20)} of {m.rng.randrange(20, 900)}")
    return kind, head, above + body + f'<p style="margin-top:6px">{below}</p>'


def beside(m):
    """Something beside a side bar, below a bar with the application's name: what large windows show."""
    make = m.rng.choice([article, settings, sectioned, table, paper, dashboard, form, columns, listing, notices, details, chat, todo, plans, editor, log])
    kind, head, body = make(m)
    names = m.rng.sample(MENUS + ["Overview", "Reports", "Customers", "Orders", "Team", "Inbox", "Calendar", "Settings"], m.rng.randint(3, 8))
    links = m.listing(names, "item", m.rng.randrange(len(names)) if m.some(0.7) else None) if m.some(0.5) else "".join(f"<div style='padding:3px 8px'>{m.link(n)}</div>" for n in names)
    bar = (f'<div class="row" style="justify-content:space-between;padding:8px 12px;background:{m.rng.choice([m.kit.panel, m.kit.accent + ";color:#fff", m.kit.back])};border-bottom:1px solid {m.kit.line}">'
           f'<b data-role="text">{escape(wording.phrase(m.rng, 1).capitalize())}</b>{m.button() if m.some(0.5) else ""}</div>') if m.some(0.7) else ""
    width = m.rng.choice([140, 180, 220])
    return kind, head, (f'<div style="margin:-6px">{bar}<div style="display:flex"><div style="width:{width}px;flex:none;padding:8px;border-right:1px solid {m.kit.line};background:{m.kit.panel}">{links}</div>'
                        f'<div style="flex:1;padding:10px 16px;{m.rng.choice(["", "max-width:760px;"])}">{body}</div></div></div>')


PAGES = {login: 10, signup: 8, form: 6, settings: 12, confirm: 8, failure: 6, table: 8, listing: 7, todo: 6, menu: 6, editor: 6, terminal: 6, log: 6, trace: 2,
         article: 7, dashboard: 7, tabbed: 5, gone: 4, chat: 5, toolbar: 2, chart: 2, phone_settings: 2, phone: 2, sectioned: 5, plans: 4, details: 3, results: 4,
         nothing: 2, notices: 5, columns: 3, steps: 2, centred: 5, paper: 3, beside: 3}
WIDE = PAGES | {beside: 45, centred: 10, paper: 6, plans: 6}
TALL = {phone_settings: 6, phone: 6, settings: 4, login: 3, signup: 3, chat: 3, listing: 3, todo: 2, article: 2, dashboard: 1, form: 2, confirm: 1, menu: 1, sectioned: 4, details: 2, results: 2, nothing: 1, notices: 2, centred: 2, plans: 1}
ROOTS = {"dialog": "dialog", "toolbar": "window", "menu": "menu", "editor": "editor", "terminal": "terminal", "log": "log"}


def document(m, make):
    """A whole HTML document."""
    kind, head, body = make(m)
    pad = m.rng.randint(6, 18)
    focus = "<script>document.querySelector('input,button:not(:disabled)')?.focus()</script>" if m.some(0.15) else ""
    return (f'<!doctype html><meta charset="utf-8">{m.kit.css()}<body style="padding:{pad}px" data-kind="{kind}" data-root="{ROOTS.get(kind, "page")}" '
            f'data-title="{escape(head)}" data-dark="{"yes" if m.kit.dark else "no"}">{body}{focus}</body>')

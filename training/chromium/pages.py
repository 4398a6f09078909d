"""Parametrised pages and applications for evaluation. `data-role` marks what the ground truth names."""
from html import escape

from .kits import css

PEOPLE = "Maria Lopez;Jon Snow;Aiko Tanaka;Peter Berg;Fatima Noor;Lucas Meyer;Ines Costa;Omar Haddad;Kate Bishop;Tom Baker".split(";")
PRODUCTS = "Desk lamp;Coffee grinder;Wool blanket;Mountain bike;USB cable;Water bottle;Notebook A5;Garden hose;Running shoes;Tea kettle".split(";")
FILES = "report-final.pdf;budget_2024.xlsx;IMG_2031.jpg;notes.txt;main.cpp;Makefile;holiday.mp4;invoice-77.pdf;todo.md;backup.tar.gz".split(";")
SENTENCES = """The museum opens at nine every morning.;Rain is expected over the northern hills.;Two trains were late because of snow.
The garden needs water twice a week.;Our new bakery sells bread and cakes.;Please bring a valid ticket with you.
Students can borrow up to six books.;The bridge will be closed until Friday.;Fresh coffee is served all day long.
A small boat crossed the quiet lake.""".replace("\n", ";").split(";")
TASKS = "Call the plumber;Renew passport;Water the plants;Book flights;Pay rent;Clean the kitchen;Fix the bike;Buy stamps".split(";")


def part(tag, role, text, attributes="", **kw):
    return f'<{tag} data-role="{role}" {attributes}>{escape(text)}</{tag}>'


def button(rng, text, primary=False, accent=""):
    off = "" if primary or rng.random() > 0.15 else "disabled"
    return f'<button data-role="button" {off} {f"class=primary data-colour={accent}" if primary else ""}>{escape(text)}</button>'


def field(rng, text, value="", kind="text", wrong=False):
    return (f'<label>{escape(text)}<input data-role="field" data-text="{escape(text)}" type="{kind}" value="{escape(value)}" '
            f'{"aria-invalid=true" if wrong else ""}></label>')


def option(rng, role, text):
    kind = "radio" if role == "radio" else "checkbox"
    return f'<label class="option" data-role="{role}"><input type="{kind}" {rng.choice(["", "checked"])}> {escape(text)}</label>'


def login(rng, accent):
    wrong = rng.random() < 0.4
    site = rng.choice(["Sign in", "Welcome to Harbor", "Member login", "Log in to Orchid"])
    return "form", site, f"""{part('h1', 'heading', site)}{part('div', 'error', 'Wrong email or password.', 'class=alert') if wrong else ''}
{field(rng, 'Email', rng.choice(['', 'maria@harbor.io', 'jon@winter.org']), wrong=wrong)}{field(rng, 'Password', rng.choice(['', 'secret77']), 'password')}
{option(rng, 'checkbox', 'Stay signed in')}<p>{button(rng, 'Sign in', True, accent)}{button(rng, 'Register')}</p>{part('a', 'link', 'Reset my password', 'href=#')}"""


def settings(rng, accent):
    names = rng.sample(["Night light", "Sound effects", "Share my location", "Weekly summary", "Low power mode", "Sync photos", "Show previews", "Allow calls"], rng.randint(3, 6))
    head = rng.choice(["Display", "Privacy", "Phone settings", "Your preferences"])
    role = rng.choice(["checkbox", "checkbox", "radio"])
    return "settings", head, part("h1", "heading", head) + "".join(option(rng, role, n) for n in names) + f"<p>{button(rng, 'Apply', True, accent)}{button(rng, 'Restore defaults')}</p>"


def confirm(rng, accent):
    file = rng.choice(FILES)
    head = rng.choice(["Delete this file?", "Leave the page?", "Replace the copy?", "Empty the trash?"])
    return "dialog", head, f"""{part('h1', 'heading', head)}{part('p', 'text', f'This affects {file} only.')}{part('p', 'text', 'You cannot undo this.')}
{option(rng, 'checkbox', 'Do not ask again')}<p>{button(rng, 'Keep')}{button(rng, head.split()[0], True, accent)}</p>"""


def failure(rng, accent):
    head, why = rng.choice([("Upload stopped", "The server closed the connection."), ("No internet", "Check the cable and try again."),
                            ("Disk almost full", "Only 120 MB are left on this drive."), ("Payment failed", "Your card was declined by the bank.")])
    return "dialog", head, f"{part('h1', 'heading', head)}{part('div', 'error', why, 'class=alert')}{part('p', 'text', f'Code: E{rng.randrange(100, 999)}')}<p>{button(rng, 'Try again', True, accent)}{button(rng, 'Details')}{button(rng, 'Close')}</p>"


def orders(rng, accent):
    head = rng.choice(["Recent orders", "Stock list", "Customers"])
    rows = "".join(f'<tr data-role="row" {"aria-selected=true" if i == 2 else ""}><td>{rng.randrange(1000, 9999)}</td><td>{rng.choice(PEOPLE)}</td><td>{rng.choice(PRODUCTS)}</td><td>{rng.randrange(5, 400)}.{rng.randrange(10, 99)}</td></tr>'
                   for i in range(rng.randint(4, 14)))
    return "table", head, f"{part('h1', 'heading', head)}<table><tr data-role=header><th>No.</th><th>Name</th><th>Item</th><th>Price</th></tr>{rows}</table>"


def files(rng, accent):
    pick = rng.randrange(5)
    rows = "".join(f'<div data-role="item" {"aria-selected=true" if i == pick else ""} style="padding:3px 8px">{f}</div>' for i, f in enumerate(rng.sample(FILES, rng.randint(5, 9))))
    return "list", "Documents", part("h1", "heading", "Documents") + rows


def menu(rng, accent):
    names = rng.sample(["Undo typing", "Redo", "Cut", "Paste", "Select all", "Zoom in", "Print...", "Page setup", "Reload", "Properties"], rng.randint(5, 9))
    return "menu", "", '<div class="menu card">' + "".join(f'<div data-role="menu item" {"aria-selected=true" if i == 1 else ""}>{n}</div>' for i, n in enumerate(names)) + "</div>"


def code(rng, accent):
    samples = [["function area(w, h) {", "  return w * h;", "}", "const room = area(4, 7);", "console.log(room);"],
               ["def mean(values):", "    total = sum(values)", "    return total / len(values)", "", "print(mean([3, 5, 8]))"],
               ["SELECT name, city", "FROM clients", "WHERE age > 30", "ORDER BY name;"],
               ["#include <stdio.h>", "int main(void) {", "  puts(\"hello\");", "  return 0;", "}"]]
    text = [line for s in rng.sample(samples, 2) for line in s]
    return "editor", "", "<pre>" + "\n".join(f'<span data-role="line">{escape(line)}</span>' if line else "" for line in text) + "</pre>"


def terminal(rng, accent):
    text = ["$ ls src", rng.choice(FILES), rng.choice(FILES), "$ make all", "cc -O2 main.c -o app", f"main.c:{rng.randrange(9, 99)}: error: expected ';'", "make: *** [app] Error 1", "$ df -h /home", "Used 61% of 250G"]
    return "terminal", "", "<pre>" + "\n".join(f'<span data-role="{"error" if " error: " in t else "line"}" class="{"error" if "rror" in t else ""}">{escape(t)}</span>' for t in text[:rng.randint(4, 9)]) + "</pre>"


def log(rng, accent):
    text = [f"2024-0{rng.randrange(1, 9)}-1{rng.randrange(9)} 0{rng.randrange(9)}:{rng.randrange(10, 59)}:{rng.randrange(10, 59)} {rng.choice(['INFO started worker', 'INFO job done', 'WARN slow query', 'ERROR lost database'])} {rng.randrange(1, 400)}" for _ in range(9)]
    return "log", "", "<pre>" + "\n".join(f'<span data-role="{"error" if "ERROR" in t else "line"}">{t}</span>' for t in text) + "</pre>"


def article(rng, accent):
    head = rng.choice(["City news", "Travel guide", "Library notes", "Weather report"])
    body = "".join(part("p", "text", s) for s in rng.sample(SENTENCES, rng.randint(3, 7)))
    return "page", head, f"<nav>{''.join(part('a', 'link', n, 'href=#') for n in rng.sample(['Start', 'News', 'Shop', 'Events', 'Login'], 3))}</nav>{part('h1', 'heading', head)}{body}<p>{button(rng, 'Read more', True, accent)}</p>"


def chat(rng, accent):
    body = "".join(f'<div class="bubble {rng.choice(["mine", ""])}" data-role="message">{s}</div>' for s in rng.sample(SENTENCES, rng.randint(3, 6)))
    who = rng.choice(PEOPLE)
    return "chat", who, part("h1", "heading", who) + body


def missing(rng, accent):
    number, text = rng.choice([("404", "This page does not exist."), ("500", "The server made a mistake."), ("403", "You may not see this page."), ("503", "We are down for repairs.")])
    return "page", number, f"{part('h1', 'heading', number)}{part('p', 'error', text, 'class=error')}{part('p', 'text', 'Go back or write to us.')}{button(rng, 'Home page', True, accent)}"


def checkout(rng, accent):
    return "form", "Delivery", f"""{part('h1', 'heading', 'Delivery')}{field(rng, 'Full name', rng.choice(PEOPLE))}{field(rng, 'Street', rng.choice(['Oak Lane 12', 'Main Road 7', '']))}
{field(rng, 'Post code', str(rng.randrange(10000, 99999)), wrong=rng.random() < 0.3)}{option(rng, 'radio', 'Express, 2 days')}{button(rng, 'Pay now', True, accent)}"""


def todo(rng, accent):
    return "list", "My tasks", part("h1", "heading", "My tasks") + "".join(option(rng, "checkbox", t) for t in rng.sample(TASKS, rng.randint(3, 7))) + f"<p>{button(rng, 'Add task', True, accent)}</p>"


def tabs(rng, accent):
    names = rng.sample(["Overview", "Members", "Files", "Wiki", "Issues", "Charts"], 4)
    row = "".join(f'<span data-role="tab" {"aria-selected=true" if i == 1 else ""}>{n}</span>' for i, n in enumerate(names))
    return "page", names[1], f"<div class=tabs>{row}</div>{part('h1', 'heading', names[1])}" + "".join(part("p", "text", s) for s in rng.sample(SENTENCES, 3))


def dashboard(rng, accent):
    cards = "".join(f'<div class="card">{part("h2", "heading", n)}{part("p", "text", v)}</div>' for n, v in rng.sample([("Visits", "12,408"), ("Sales", "$3,190"), ("Errors", "17"), ("Uptime", "99.98%"), ("Users", "842")], 3))
    return "page", "Today", f"{part('h1', 'heading', 'Today')}<div class=row>{cards}</div>{part('p', 'text', rng.choice(SENTENCES))}{button(rng, 'Refresh')}"


PAGES = [login, settings, confirm, failure, orders, files, menu, code, terminal, log, article, chat, missing, checkout, todo, tabs, dashboard]


def page(rng, make, size, focus=True):
    """A whole HTML document."""
    dark = rng.random() < 0.4
    style, accent = css(rng, dark, size)
    kind, title, body = make(rng, accent)
    root = {"dialog": "dialog", "form": "page"}.get(kind, "page")
    focused = "<script>document.querySelector('input,button:not(:disabled)')?.focus()</script>" if focus and rng.random() < 0.3 else ""
    return (f'<!doctype html><meta charset="utf-8">{style}<body data-kind="{kind}" data-root="{root}" data-title="{escape(title)}" '
            f'data-dark="{"yes" if dark else "no"}">{body}{focused}</body>')

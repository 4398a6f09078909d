"""Pieces of HTML with what they are in `data-` attributes; kits.py gives them their looks."""
from html import escape

from screens.widgets import ACTIONS, LABELS, OPTIONS
from starter import wording

MORE_ACTIONS = """Continue to payment;Add to cart;Start free trial;Publish;Archive;Duplicate;Rename;Refresh list;Restart now;Later;Approve;Reject;Invite;
Follow;Subscribe;Merge;Deploy;Rollback;Run tests;Connect;Disconnect;Mute;Join;Leave;Verify;Resend code;Select file;Clear;Filter;Preview""".replace("\n", "").split(";")
MORE_LABELS = """Email address;Full legal name;Display name;Confirm password;New password;Zip;State;Street address;Order number;Coupon;Quantity;Phone number;Birthday;
Nickname;Server URL;API key;Region;Department;Message;Comment;Reference;IBAN;VAT number;Hostname;Time;Budget;Category;Repository name;Work email""".replace("\n", "").split(";")
MORE_OPTIONS = """Remember this device;I agree to the terms;Send me news;Use dark theme;Automatic backups;Play sounds;Show line numbers;Developer mode;Share usage data;
Auto-lock;Touch ID;Mobile data;Do not disturb;Read receipts;Large text;High contrast;Battery saver;Roaming;Gift wrap;Pick up in store;Same as billing address;
Private repository;Include archived;Overwrite existing files;Run in background;Require approval;Hotspot;Haptic feedback;Face unlock""".replace("\n", "").split(";")
WRONG = """Must be at least 8 characters;This field is required;Enter a valid email;Already taken;Does not match;Use letters and digits only;Too short;Not a valid number;
Please choose a date;Invalid phone number;Unknown postal code;Required""".replace("\n", "").split(";")


def label(rng, known):
    return rng.choice(known) if rng.random() < 0.7 else wording.phrase(rng, 2).capitalize()


def said(tag, role, text, attributes=""):
    return f'<{tag} data-role="{role}" {attributes}>{escape(text)}</{tag}>'


class Maker:
    """Makes the elements of one page. kit: see kits.Kit."""

    def __init__(self, rng, kit):
        self.rng, self.kit, self.count = rng, kit, 0

    def some(self, share):
        return self.rng.random() < share

    def button(self, text=None, primary=False, off=0.1):
        text = text or self.action()
        disabled = "" if self.rng.random() > (0.3 * off if primary else off) else "disabled"
        look = f'class="primary" data-colour="{self.kit.accent_name}"' if primary else ""
        return f'<button data-role="button" {look} {disabled}>{escape(text)}</button>'

    def action(self):
        return self.rng.choice(ACTIONS + MORE_ACTIONS) if self.some(0.85) else wording.phrase(self.rng, 2).capitalize()

    def buttons(self, count=None, names=None):
        names = names or self.rng.sample(ACTIONS + MORE_ACTIONS, count or self.rng.choice([1, 2, 2, 3]))
        primary = self.rng.choice([0, len(names) - 1, self.rng.randrange(len(names)), None])
        return f'<div class="row end">{"".join(self.button(n, i == primary) for i, n in enumerate(names))}</div>'

    def field(self, text=None, value=None, wrong=None, kind=None):
        rng = self.rng
        text = text or label(rng, LABELS + MORE_LABELS)
        self.count += 1
        kind = kind or ("password" if "assword" in text else "text")
        if value is None:
            value = rng.choice(["", "", wording.piece(rng), wording.phrase(rng, 2), wording.email(rng), wording.number(rng)])[:26]
        wrong = rng.random() < 0.1 if wrong is None else wrong
        hint = f'placeholder="{escape(wording.phrase(rng, 3))}"' if not value and self.some(0.3) else ""
        off = "disabled" if self.some(0.06) else ""
        name = f'<span data-names="f{self.count}">{escape(text)}{rng.choice(["", "", "", ":"])}</span>'
        after = said("small", "error", rng.choice(WRONG)) if wrong and self.some(0.7) else ""
        control = (f'<input id="f{self.count}" data-role="field" data-text="{escape(text)}" type="{kind}" value="{escape(value)}" {hint} {off} '
                   f'{"aria-invalid=true" if wrong else ""}>')
        if value and kind == "text" and not wrong and self.some(0.12):
            control = f'<select id="f{self.count}" data-role="field" data-text="{escape(text)}" {off}><option>{escape(value)}</option></select>'
        tag = rng.choice(["label", "div"])
        return f'<{tag} class="f">{name}{control}{after}</{tag}>'

    def option(self, role=None, text=None, where=None):
        """A checkbox, radio button or switch, its mark before or after the text."""
        rng = self.rng
        role = role or rng.choice(["checkbox", "radio", "switch"])
        text = text or label(rng, OPTIONS + MORE_OPTIONS)
        on, off = rng.random() < 0.5, rng.random() < 0.08
        if role == "switch":
            mark = f'<span class="s {"on" if on else ""}"></span>'
        else:
            mark = f'<input class="m" type="{role}" {"checked" if on else ""} {"disabled" if off else ""}>'
        state = f'data-on="{"yes" if on else "no"}" data-disabled="{"yes" if off else ""}"'
        body = f'<span class="{"faint" if off else ""}">{escape(text)}</span>'
        where = where or ("after" if role == "switch" and self.some(0.5) else "before")
        style = (f"display:flex;gap:8px;align-items:center;margin:{rng.choice([2, 4, 6])}px 0;"
                 + ("justify-content:space-between;" if where == "after" else "") + ("opacity:.55;" if off and role == "switch" else ""))
        if where == "before" and role != "switch" and self.some(0.6):
            style = f"display:block;margin:{rng.choice([2, 4, 6])}px 0;"
        return f'<label data-role="{role}" {state} style="{style}">{mark + " " + body if where == "before" else body + mark}</label>'

    def options(self, count, role=None, where=None):
        names = self.rng.sample(OPTIONS + MORE_OPTIONS, count)
        return "".join(self.option(role, n, where) for n in names)

    def link(self, text):
        return said("a", "link", text, 'href="#"')

    def heading(self, text, level=1):
        return said(f"h{level}", "heading", text)

    def paragraph(self, text=None, role="text"):
        return said("p", role, text or wording.sentence(self.rng))

    def alert(self, text, role="error"):
        good = f'style="background:{"#123524" if self.kit.dark else "#e7f6ec"};border-color:#2e7d32;color:inherit"' if role == "message" else ""
        return said("div", role, text, f'class="alert" {good}')

    def tabs(self, names):
        chosen = self.rng.randrange(len(names))
        cells = "".join(f'<span class="tab" data-role="tab" {"aria-selected=true" if i == chosen else ""}>{escape(n)}</span>' for i, n in enumerate(names))
        return f'<div class="tabs">{cells}</div>'

    def listing(self, names, role="item", chosen=None, extra=lambda i: ""):
        rows = "".join(f'<div data-role="{role}" {"aria-selected=true" if i == chosen else ""} data-text="{escape(n)}">'
                       f'<span>{escape(n)}</span>{extra(i)}</div>' for i, n in enumerate(names))
        return f'<div class="pick">{rows}</div>'

    def table(self, names, rows, chosen=None, boxes=False):
        head = "".join(f"<th>{escape(n)}</th>" for n in names)
        body = "".join(f'<tr data-role="row" {"aria-selected=true" if i == chosen else ""}>{"".join(f"<td>{self.cell(c)}</td>" for c in r)}</tr>'
                       for i, r in enumerate(rows))
        return f'<table><tr data-role="header">{head}</tr>{body}</table>'

    def cell(self, text):
        if text in ("Failed", "Closed") and self.some(0.5):
            return f'<span class="bad">{text}</span>'
        return f'<span class="good">{text}</span>' if text in ("Active", "Paid", "Done") and self.some(0.5) else escape(text)

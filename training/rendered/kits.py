"""Looks in the manner of common UI kits, put together at random: colours, fonts, buttons, fields, marks."""
from screens.theme import ACCENTS

SHADES = {"blue": ["#1a73e8", "#3b82f6", "#2962ff", "#0a84ff", "#1f6feb"], "green": ["#16a34a", "#2e7d32", "#1a7f37", "#22a565"],
          "purple": ["#7c3aed", "#8e44ad", "#9333ea", "#6f42c1"], "red": ["#dc2626", "#d32f2f", "#c62828", "#e11d48"],
          "orange": ["#ea580c", "#ef6c00", "#f57c00", "#d9680b"], "teal": ["#0d9488", "#00897b", "#0f8a8a"],
          "gray": ["#4b5563", "#6c757d", "#57606a", "#5f6368"]}
assert set(SHADES) == set(ACCENTS)
LIGHT = [("#ffffff", "#f6f8fa", "#1f2328", "#656d76", "#d0d7de"), ("#fafafa", "#ffffff", "#212121", "#757575", "#e0e0e0"),
         ("#f8fafc", "#ffffff", "#0f172a", "#64748b", "#cbd5e1"), ("#ffffff", "#f1f3f4", "#202124", "#5f6368", "#dadce0"),
         ("#f0f0f0", "#ffffff", "#000000", "#606060", "#adadad"), ("#fffdf7", "#f5efe0", "#2b2417", "#7d7360", "#ddd3bd"),
         ("#f3f6fb", "#ffffff", "#16233b", "#5b6b86", "#c9d4e6"), ("#ececec", "#f7f7f7", "#222222", "#777777", "#c4c4c4")]
DARK = [("#121212", "#1e1e1e", "#e6e6e6", "#9e9e9e", "#333333"), ("#0d1117", "#161b22", "#e6edf3", "#8b949e", "#30363d"),
        ("#202124", "#2d2e31", "#e8eaed", "#9aa0a6", "#3c4043"), ("#1e1e2e", "#28283d", "#cdd6f4", "#a0a8c8", "#45475a"),
        ("#0f172a", "#1e293b", "#e2e8f0", "#94a3b8", "#334155"), ("#2b2b2b", "#3c3f41", "#cfcfcf", "#8c8c8c", "#555555"),
        ("#000000", "#1c1c1e", "#ffffff", "#98989f", "#38383a"), ("#1a1a1a", "#262626", "#fafafa", "#a3a3a3", "#404040")]
SANS = ["Lato", "Open Sans", "Roboto", "DejaVu Sans", "Liberation Sans", "Noto Sans", "Inter", "Cantarell", "FreeSans", "Nimbus Sans",
        "Quicksand", "Arimo", "URW Gothic", "Noto Sans Display", "system-ui"]
SERIF = ["Liberation Serif", "DejaVu Serif", "Noto Serif", "FreeSerif", "P052", "C059", "Tinos"]
MONO = ["DejaVu Sans Mono", "Liberation Mono", "JetBrains Mono", "Fira Code", "Hack", "Noto Mono", "FreeMono", "Cousine", "mononoki"]
TICK = "url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M3 8.5l3 3 7-7' fill='none' stroke='{0}' stroke-width='2.4'/%3E%3C/svg%3E\")"


class Kit:
    def __init__(self, rng, size, dark=None):
        self.rng, self.size = rng, size
        self.dark = rng.random() < 0.45 if dark is None else dark
        self.scheme = "dark" if self.dark and rng.random() < 0.5 else "light"      # many dark pages leave native controls light
        self.back, self.panel, self.ink, self.faint, self.line = rng.choice(DARK if self.dark else LIGHT)
        self.accent_name = rng.choice(list(SHADES))
        self.accent = rng.choice(SHADES[self.accent_name])
        self.radius = rng.choice([0, 2, 3, 4, 5, 6, 8, 10, 16])
        self.font = rng.choice(SANS if rng.random() < 0.93 else SERIF)
        self.mono = rng.choice(MONO)
        self.fields = rng.choice(["boxed", "boxed", "filled", "underlined", "native", "native"])
        self.buttons = rng.choice(["soft", "outlined", "native", "raised", "flat", "soft"])
        self.primary = rng.choice(["filled", "filled", "filled", "outlined"])
        self.marks = rng.choice(["native", "native", "native", "tinted", "tinted", "own"])
        self.switches = rng.choice(["pill", "pill", "square", "slim"])
        self.chosen = rng.choice(["panel", "accent", "tint", "bar", "faint", "faint", "bold"])
        self.red = rng.choice(["#ff8a80", "#f87171", "#ff7b72"] if self.dark else ["#b91c1c", "#c62828", "#d1242f", "#a61b1b"])

    def css(self):
        rules = [self.base(), self.button_rules(), self.field_rules(), self.mark_rules(), self.switch_rules(), self.chosen_rules()]
        return "<style>" + "\n".join(rules) + "</style>"

    def base(self):
        r = self.rng
        return f"""* {{ box-sizing: border-box; }} html {{ color-scheme: {self.scheme}; }}
body {{ margin: 0; font: {self.size}px/{r.choice([1.3, 1.4, 1.5, 1.6])} '{self.font}', sans-serif; background: {self.back}; color: {self.ink}; overflow: hidden; }}
h1 {{ font-size: {r.choice([1.15, 1.3, 1.5, 1.75])}em; font-weight: {r.choice([500, 600, 700, 400])}; margin: 0 0 {r.choice([.3, .5, .7])}em; }}
h2 {{ font-size: {r.choice([1, 1.1, 1.2])}em; margin: .5em 0 .25em; font-weight: 600; }} p {{ margin: 0 0 {r.choice([.4, .6, .8])}em; }}
a {{ color: {'#8ab4f8' if self.dark and r.random() < .5 else self.accent}; {'text-decoration: none;' if r.random() < .5 else ''} }}
small, .faint {{ color: {self.faint}; font-size: {r.choice(['.85em', '.9em', '1em'])}; }} .bad {{ color: {self.red}; }} .good {{ color: {'#6fcf97' if self.dark else '#1b7f3b'}; }}
.card {{ border: 1px solid {self.line}; border-radius: {self.radius}px; padding: {r.choice([8, 10, 14])}px; background: {self.panel}; {'box-shadow: 0 1px 4px #0003;' if r.random() < .4 else ''} }}
.alert {{ padding: 6px 10px; border-radius: {self.radius}px; margin: 0 0 8px; {self.alert_look()} }}
.row {{ display: flex; gap: {r.choice([6, 8, 12, 16])}px; align-items: center; flex-wrap: wrap; }} .end {{ justify-content: {r.choice(['flex-end', 'flex-start', 'flex-start', 'center'])}; }}
table {{ border-collapse: collapse; width: {r.choice(['100%', '100%', 'auto'])}; }} td, th {{ text-align: left; padding: {r.choice([2, 4, 6])}px {r.choice([6, 8, 12])}px; {self.cell_look()} }}
th {{ font-weight: 600; {f'background: {self.panel};' if r.random() < .5 else ''} {f'color: {self.faint};' if r.random() < .3 else ''} }}
pre {{ font: {max(11, self.size - r.choice([0, 1]))}px/{r.choice([1.25, 1.4, 1.5])} '{self.mono}', monospace; margin: 0; white-space: pre; }}
.bubble {{ border-radius: {r.choice([6, 12, 18])}px; padding: 5px 11px; background: {self.panel}; border: 1px solid {self.line}; display: table; margin: 4px 0; max-width: 75%; }}
.mine {{ background: {self.accent}; color: #fff; border-color: {self.accent}; margin-left: auto; }}"""

    def cell_look(self):
        return self.rng.choice([f"border-bottom: 1px solid {self.line};", f"border: 1px solid {self.line};", ""])

    def alert_look(self):
        r = self.rng.random()
        tint = "#4a2326" if self.dark else "#fdecea"
        if r < .35:
            return f"background: {tint}; border: 1px solid {self.red};"
        if r < .6:
            return f"background: {tint}; border-left: 4px solid {self.red};"
        if r < .8:
            return "background: #c62828; color: #fff;"
        return f"color: {self.red}; padding: 0; font-weight: 600;"

    def button_rules(self):
        look = {"soft": f"border: 1px solid {self.line}; background: {self.panel}; color: {self.ink};",
                "outlined": f"border: 1px solid {self.accent}; background: transparent; color: {self.ink if self.dark else self.accent};",
                "raised": f"border: 1px solid {self.line}; background: linear-gradient({self.panel}, {self.line}); color: {self.ink};",
                "flat": f"border: 0; background: transparent; color: {self.ink if self.dark else self.accent}; font-weight: 600;",
                "native": ""}[self.buttons]
        shape = "" if self.buttons == "native" else f"padding: {self.rng.choice([3, 5, 7, 9])}px {self.rng.choice([9, 12, 16, 20])}px; border-radius: {self.radius}px;"
        primary = (f"background: {self.accent}; border: 1px solid {self.accent}; color: #fff;" if self.primary == "filled" else
                   f"background: transparent; border: 2px solid {self.accent}; color: {self.accent if not self.dark else self.ink};")
        return (f"button {{ font: inherit; {shape} {look} }} button.primary {{ {primary} }} "
                f"button:disabled {{ {self.rng.choice(['opacity: .45;', 'opacity: .55;', f'background: {self.line}; color: {self.faint}; border-color: {self.line};'])} }} "
                f"button:focus-visible, input:focus-visible, button:focus, input:focus {{ outline: {self.rng.choice([2, 2, 3])}px solid {self.accent}; outline-offset: {self.rng.choice([0, 1, 2])}px; }}")

    def field_rules(self):
        r = self.rng
        look = {"boxed": f"border: 1px solid {self.line}; border-radius: {self.radius}px; background: {self.back}; color: {self.ink};",
                "filled": f"border: 0; border-bottom: 2px solid {self.line}; border-radius: {min(4, self.radius)}px; background: {self.panel}; color: {self.ink};",
                "underlined": f"border: 0; border-bottom: 1px solid {self.faint}; background: transparent; color: {self.ink};", "native": ""}[self.fields]
        shape = "" if self.fields == "native" else f"padding: {r.choice([3, 5, 7])}px {r.choice([4, 8, 10])}px;"
        place = r.choice(["display: block; margin: 2px 0 8px;", "display: block; margin: 2px 0 8px;", "margin: 0 0 6px 8px;"])
        return (f".f input, .f select, .f textarea {{ font: inherit; {shape} {look} width: {r.choice([150, 190, 220, 260])}px; max-width: 100%; {place} }} "
                f"[aria-invalid=true] {{ {r.choice([f'border: 1px solid {self.red} !important;', f'border: 2px solid {self.red} !important;', f'outline: 1px solid {self.red};'])} }} "
                f".f {{ display: block; {r.choice(['', '', f'color: {self.faint};', 'font-weight: 600;'])} }} .f small {{ display: block; margin: -5px 0 7px; color: {self.red}; font-weight: 400; }}")

    def mark_rules(self):
        side = self.rng.choice([0, 0, 14, 16, 18, 20])
        size = f"width: {side}px; height: {side}px;" if side else ""
        if self.marks == "own":
            return (f".m {{ appearance: none; width: {side or 15}px; height: {side or 15}px; border: 1.5px solid {self.faint}; border-radius: {min(4, self.radius)}px; background: {self.back}; vertical-align: -3px; margin: 0 6px 0 0; }} "
                    f".m[type=radio] {{ border-radius: 50%; }} .m[type=checkbox]:checked {{ background: {self.accent} {TICK.format('white')}; border-color: {self.accent}; }} "
                    f".m[type=radio]:checked {{ border: {self.rng.choice([4, 5])}px solid {self.accent}; }}")
        tint = f"accent-color: {self.accent};" if self.marks == "tinted" else ""
        return f".m {{ {size} {tint} vertical-align: {self.rng.choice(['middle', 'baseline', '-2px'])}; }}"

    def switch_rules(self):
        high = self.rng.choice([14, 16, 18, 20, 22])
        wide, round_ = round(high * self.rng.choice([1.7, 1.85, 2])), 0 if self.switches == "square" else high
        bar = f"height: {high}px;" if self.switches != "slim" else f"height: {high - 4}px; margin-top: 2px; margin-bottom: 2px;"
        return (f".s {{ display: inline-block; position: relative; width: {wide}px; {bar} border-radius: {round_}px; background: {self.faint if self.rng.random() < .6 else self.line}; vertical-align: middle; flex: none; }} "
                f".s::after {{ content: ''; position: absolute; left: 2px; top: 2px; width: {high - 4}px; bottom: 2px; border-radius: {round_}px; background: #fff; box-shadow: 0 0 2px #0006; }} "
                f".s.on {{ background: {self.accent}; }} .s.on::after {{ left: auto; right: 2px; }} .off2 {{ opacity: .45; }}")

    def chosen_rules(self):
        shade = self.panel if self.panel != self.back else self.line
        look = {"panel": f"background: {self.line};", "faint": f"background: {shade}; {self.rng.choice(['', 'font-weight: 600;', 'font-weight: 700;'])}", "accent": f"background: {self.accent}; color: #fff;",
                "tint": f"background: {self.accent}{'55' if self.dark else '2e'};", "bold": f"font-weight: {self.rng.choice([600, 700])};", "bar": f"border-left: 4px solid {self.accent}; background: {self.panel}; font-weight: 600;"}[self.chosen]
        tab = self.rng.choice([f"border-bottom: 3px solid {self.accent}; color: {self.accent if not self.dark else self.ink};", f"background: {self.accent}; color: #fff; border-radius: {self.radius}px;",
                               f"background: {self.panel}; border: 1px solid {self.line}; border-bottom-color: transparent; font-weight: 600;", f"background: {shade}; font-weight: 600;", f"border-bottom: 2px solid {self.ink}; font-weight: 700;"])
        return (f".pick [aria-selected=true], tr[aria-selected=true] {{ {look} }} .tab {{ display: inline-block; padding: 4px {self.rng.choice([8, 12, 16])}px; }} "
                f".tab[aria-selected=true] {{ {tab} }} .tabs {{ border-bottom: 1px solid {self.line}; margin-bottom: 8px; }} "
                f".pick > div {{ padding: {self.rng.choice([2, 4, 6])}px {self.rng.choice([6, 10])}px; {self.rng.choice(['', '', f'border-bottom: 1px solid {self.line};'])} }}")

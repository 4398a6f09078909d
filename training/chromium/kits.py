"""Looks of common UI kits, as CSS. None of this is shared with the training generator."""

FONTS = ["Lato", "Open Sans", "Roboto", "DejaVu Sans", "Liberation Sans", "Noto Sans", "Inter", "Cantarell", "Liberation Serif"]
MONO = ["DejaVu Sans Mono", "Liberation Mono", "JetBrains Mono", "Fira Code", "Hack"]

# name: (radius, button padding, field border, accent name, accent, shadow)
KITS = {
    "bootstrap": (4, "6px 12px", "1px solid {line}", "blue", "#0d6efd", "none"),
    "material": (4, "8px 16px", "1px solid {line}", "purple", "#6750a4", "0 1px 3px #0004"),
    "fluent": (2, "5px 18px", "1px solid {line}", "blue", "#0067c0", "none"),
    "tailwind": (8, "8px 14px", "1px solid {line}", "green", "#15803d", "0 1px 2px #0002"),
    "classic": (0, "3px 10px", "2px inset {line}", "gray", "#5a6270", "none"),
    "ant": (6, "5px 15px", "1px solid {line}", "red", "#cf1322", "none"),
}


def css(rng, dark, size):
    """A stylesheet and the accent's name."""
    radius, padding, border, name, accent, shadow = KITS[rng.choice(list(KITS))]
    back, panel, ink, faint, line = (("#1b1d22", "#272a31", "#e8e8ea", "#9aa0a8", "#484c55") if dark else
                                     ("#ffffff", "#f3f4f6", "#1f2328", "#6b7280", "#cdd1d6"))
    border = border.format(line=line)
    return f"""<style>
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: {rng.randint(8, 16)}px; font: {size}px/1.45 '{rng.choice(FONTS)}', sans-serif; background: {back}; color: {ink}; overflow: hidden; }}
h1 {{ font-size: {rng.choice([1.3, 1.5])}em; margin: 0 0 .5em; }} h2 {{ font-size: 1.15em; margin: .7em 0 .3em; }} p {{ margin: 0 0 .6em; }}
button {{ font: inherit; padding: {padding}; border-radius: {radius}px; border: 1px solid {line}; background: {panel}; color: {ink}; margin-right: 8px; box-shadow: {shadow}; }}
button.primary {{ background: {accent}; border-color: {accent}; color: #fff; }} button:disabled {{ opacity: .5; }}
button:focus, input:focus {{ outline: 2px solid {accent}; outline-offset: 1px; }}
input:not([type=checkbox]):not([type=radio]), select {{ font: inherit; padding: 4px 8px; border: {border}; border-radius: {radius}px; background: {back}; color: {ink}; width: 220px; display: block; margin: 2px 0 8px; }}
[aria-invalid=true] {{ border-color: #d33 !important; }} .error {{ color: {'#ff8080' if dark else '#b3261e'}; }}
.alert {{ padding: 6px 10px; border: 1px solid #d55; border-radius: {radius}px; background: {'#4a2326' if dark else '#fdecea'}; margin-bottom: 8px; }}
label.option {{ display: block; margin: 4px 0; accent-color: {accent}; }} .faint {{ color: {faint}; }} a {{ color: {accent if not dark else '#8ab4f8'}; }}
table {{ border-collapse: collapse; width: 100%; }} td, th {{ text-align: left; padding: 4px 8px; border-bottom: 1px solid {line}; }}
[aria-selected=true] {{ background: {panel}; font-weight: 600; }} .tabs span {{ padding: 4px 10px; display: inline-block; }}
.card {{ border: 1px solid {line}; border-radius: {radius}px; padding: 10px; background: {panel}; }} .row {{ display: flex; gap: 10px; }}
pre {{ font: {max(12, size - 1)}px/1.4 '{rng.choice(MONO)}', monospace; margin: 0; }} .bubble {{ border-radius: 12px; padding: 5px 10px; background: {panel}; display: table; margin: 5px 0; }}
.bubble.mine {{ background: {accent}; color: #fff; margin-left: auto; }} nav a {{ margin-right: 14px; }} .bar {{ display: flex; justify-content: space-between; }}
.menu div {{ padding: 4px 10px; }}
</style>""", name

// Reads the page's ground truth: text lines with boxes (CSS pixels), and the elements marked data-role with their states.
(() => {
  const shown = (r) => r.width > 1 && r.height > 1 && r.left >= 0 && r.top >= 0 && r.right <= innerWidth + 1 && r.bottom <= innerHeight + 1;
  const box = (r) => [r.left, r.top, r.right, r.bottom].map((v) => Math.round(v * 10) / 10);
  const union = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
  const lines = [];
  const add = (text, r, size) => {
    const last = lines.at(-1), b = box(r);
    const level = last && Math.abs((last.box[1] + last.box[3] - b[1] - b[3]) / 2) < size * 0.5;
    if (level && b[0] - last.box[2] < size * 0.7 && b[0] - last.box[2] > -2) {
      last.text += (b[0] - last.box[2] > size * 0.12 ? " " : "") + text;
      last.box = union(last.box, b);
    } else lines.push({ text, box: b, size });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, style = getComputedStyle(node.parentElement);
    if (style.visibility === "hidden" || node.parentElement.closest("textarea,option,script,style")) continue;
    for (const word of node.data.matchAll(/\S+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const rects = [...range.getClientRects()].filter((r) => r.width > 0);
      if (rects.length && rects.every(shown)) add(style.textTransform === "uppercase" ? word[0].toUpperCase() : word[0], rects[0], parseFloat(style.fontSize));
    }
  }
  for (const input of document.querySelectorAll("input:not([type=checkbox]):not([type=radio]),select")) {
    const r = input.getBoundingClientRect(), style = getComputedStyle(input), size = parseFloat(style.fontSize);
    const text = input.tagName === "SELECT" ? input.selectedOptions[0].text : input.type === "password" ? "•".repeat(input.value.length) : input.value || input.placeholder;
    if (!text || !shown(r)) continue;
    const context = document.createElement("canvas").getContext("2d");
    context.font = style.font;
    const left = r.left + parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth), middle = (r.top + r.bottom) / 2;
    lines.push({ text, size, box: [left, middle - size * 0.6, Math.min(r.right, left + context.measureText(text).width), middle + size * 0.6] });
  }
  const state = (el) => {
    const control = el.matches("input,button,select") ? el : el.querySelector("input") ?? el, out = {};
    const marked = control.matches("input[type=checkbox],input[type=radio]");
    if (marked) out[el.dataset.role === "switch" ? "on" : "checked"] = control.checked ? "yes" : "no";
    if (control.disabled) out.disabled = true;
    if (document.activeElement === control && control !== document.body) out.focused = true;
    if (el.getAttribute("aria-selected") === "true") out.selected = true;
    if (el.getAttribute("aria-invalid") === "true") out.error = true;
    if (el.dataset.colour && !control.disabled) out.colour = el.dataset.colour;
    if (el.matches("input:not([type=checkbox]):not([type=radio]),select") && control.value) out.value = control.type === "password" ? "•".repeat(control.value.length) : control.value;
    return out;
  };
  const nodes = [...document.querySelectorAll("[data-role]")].filter((el) => shown(el.getBoundingClientRect())).map((el) => ({
    role: el.dataset.role, box: box(el.getBoundingClientRect()), state: state(el),
    text: (el.dataset.text ?? (el.dataset.role === "row" || el.dataset.role === "header" ? [...el.children].map((c) => c.innerText.trim()).join(" | ") : el.innerText)).trim().replace(/\s+/g, " "),
  }));
  const root = document.body.dataset;
  return { kind: root.kind, role: root.root ?? "page", title: root.title ?? "", dark: root.dark === "yes", lines, nodes, width: innerWidth, height: innerHeight };
})();

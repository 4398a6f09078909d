// What a page shows: text lines character by character (CSS pixels) with the element each belongs to, and the elements with states.
// data-role marks an element, data-role="" text that belongs to none, data-names="ID" the name of a field, data-text its text.
(() => {
  const shown = (r) => r.width > 0.5 && r.height > 1 && r.left >= 0 && r.top >= 0 && r.right <= innerWidth + 0.5 && r.bottom <= innerHeight + 0.5;
  const box = (r) => [r.left, r.top, r.right, r.bottom].map((v) => Math.round(v * 10) / 10);
  const elements = [...document.querySelectorAll("[data-role]")].filter((e) => e.dataset.role && shown(e.getBoundingClientRect()));
  const index = new Map(elements.map((e, i) => [e, i]));
  const owner = (e) => {
    const name = e.closest("[data-names]");
    const of = name ? document.getElementById(name.dataset.names) : e.closest("[data-role]");
    return of && index.has(of) ? index.get(of) : -1;
  };
  const lines = [];
  const add = (char, r, size, node, value, first) => {
    const last = lines.at(-1);
    const level = last && last.node === node && Math.abs((last.box[1] + last.box[3] - r.top - r.bottom) / 2) < size * 0.5;
    const gap = last ? r.left - last.box[2] : 0;
    if (level && gap < size * 0.7 && gap > -2) {
      if (first && gap > size * 0.12) { last.text += " "; last.at.push(Math.round((last.box[2] + r.left) * 5) / 10); }
      last.text += char;
      last.at.push(Math.round((r.left + r.right) * 5) / 10);
      last.box = [last.box[0], Math.min(last.box[1], r.top), r.right, Math.max(last.box[3], r.bottom)];
    } else lines.push({ text: char, at: [Math.round((r.left + r.right) * 5) / 10], box: [r.left, r.top, r.right, r.bottom], size, node, value });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    const text = walker.currentNode, parent = text.parentElement;
    if (parent.closest("textarea,option,script,style")) continue;
    const style = getComputedStyle(parent), size = parseFloat(style.fontSize), node = owner(parent);
    for (const word of text.data.matchAll(/\S+/g)) {
      const rects = [];
      for (let i = 0; i < word[0].length; i++) {
        range.setStart(text, word.index + i);
        range.setEnd(text, word.index + i + 1);
        rects.push(range.getBoundingClientRect());
      }
      if (rects.every(shown)) rects.forEach((r, i) => add(word[0][i], r, size, node, false, i === 0));
    }
  }
  const pen = document.createElement("canvas").getContext("2d");
  for (const input of document.querySelectorAll("input:not([type=checkbox]):not([type=radio]),select")) {
    const r = input.getBoundingClientRect(), style = getComputedStyle(input), size = parseFloat(style.fontSize);
    const value = input.tagName === "SELECT" ? input.selectedOptions[0].text : input.type === "password" ? "•".repeat(input.value.length) : input.value;
    const text = value || input.placeholder;
    if (!text || !shown(r)) continue;
    pen.font = style.font;
    let left = r.left + parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth);
    const top = (r.top + r.bottom) / 2 - size * 0.6, right = r.right - 4, node = value ? index.get(input) ?? -1 : -1;
    const line = { text: "", at: [], box: [left, top, left, top + size * 1.2], size, node, value: true };
    for (const char of text) {
      const wide = pen.measureText(char).width;
      if (left + wide > right) break;
      line.text += char;
      line.at.push(Math.round((left + wide / 2) * 10) / 10);
      line.box[2] = left += wide;
    }
    if (line.text.trim()) lines.push(line);
  }
  const state = (e) => {
    const control = e.matches("input,button,select") ? e : e.querySelector("input") ?? e, out = {};
    if (e.dataset.on) out[e.dataset.role === "switch" ? "on" : "checked"] = control.matches?.("[type=checkbox],[type=radio]") ? (control.checked ? "yes" : "no") : e.dataset.on;
    if (control.disabled || e.dataset.disabled) out.disabled = true;
    if (document.activeElement === control && control !== document.body) out.focused = true;
    if (e.getAttribute("aria-selected") === "true") out.selected = true;
    if (e.getAttribute("aria-invalid") === "true") out.error = true;
    if (e.dataset.colour && !control.disabled) out.colour = e.dataset.colour;
    if (e.dataset.value) out.value = e.dataset.value;
    return out;
  };
  const nodes = elements.map((e) => {
    const role = e.dataset.role, s = state(e), own = lines.filter((l) => l.node === index.get(e));
    const value = own.filter((l) => l.value).map((l) => l.text).join(" ");
    if (role === "field" && value) s.value = value;
    const cells = role === "row" || role === "header" ? [...e.children].map((c) => c.innerText.trim()).join(" | ") : null;
    return { role, box: box(e.getBoundingClientRect()), state: s, text: (e.dataset.text ?? cells ?? e.innerText).trim().replace(/\s+/g, " ") };
  });
  const root = document.body.dataset;
  return { kind: root.kind, role: root.root, title: root.title ?? "", dark: root.dark === "yes", nodes,
    lines: lines.map((l) => ({ ...l, box: l.box.map((v) => Math.round(v * 10) / 10) })) };
})();

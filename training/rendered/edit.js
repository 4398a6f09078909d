// One edit of the shown page: a mark flipped or a text replaced. SEED picks it. Returns {index, form} of the element, or null.
(() => {
  const shown = (r) => r.width > 0.5 && r.height > 1 && r.left >= 0 && r.top >= 0 && r.right <= innerWidth + 0.5 && r.bottom <= innerHeight + 0.5;
  const elements = [...document.querySelectorAll("[data-role]")].filter((e) => e.dataset.role && shown(e.getBoundingClientRect()));
  const marked = elements.filter((e) => e.dataset.on), texts = elements.filter((e) => ["button", "heading", "text", "item", "line", "message", "link", "tab", "menu item", "error"].includes(e.dataset.role) && e.innerText.trim());
  if (marked.length && SEED % 3) {
    const e = marked[SEED % marked.length], input = e.querySelector("input");
    e.dataset.on = e.dataset.on === "yes" ? "no" : "yes";
    if (input) input.checked = !input.checked;
    else e.querySelector(".s").classList.toggle("on");
    return { index: elements.indexOf(e), form: "mark" };
  }
  if (!texts.length) return null;
  const e = texts[SEED % texts.length], inner = e.querySelector("span") ?? e;
  inner.innerText = WORDS;
  if (e.dataset.text) e.dataset.text = WORDS;
  return { index: elements.indexOf(e), form: "text" };
})();

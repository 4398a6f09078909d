// Reads a documentation page's ground truth: the text lines that are wholly in view, with boxes in CSS pixels, in the
// order of the document; and the places where something is drawn that is no text of the page or is cut off.
(() => {
  const lines = [],
    ignored = [];
  const box = (r) => [r.left, r.top, r.right, r.bottom].map((v) => Math.round(v * 10) / 10);
  const union = (a, b) => [
    Math.min(a[0], b[0]),
    Math.min(a[1], b[1]),
    Math.max(a[2], b[2]),
    Math.max(a[3], b[3]),
  ];
  const touches = (r) =>
    r.width > 0 && r.height > 0 && r.right > 0 && r.bottom > 0 && r.left < innerWidth && r.top < innerHeight;
  const inside = (r) =>
    r.left >= 0 && r.top >= 0 && r.right <= innerWidth + 0.5 && r.bottom <= innerHeight + 0.5;
  /** Whether the page shows `element` there, and not something laid over it or a box that cuts it off. */
  const seen = (r, element) => {
    const there = document.elementFromPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2);
    return there !== null && (element.contains(there) || there.contains(element));
  };
  const add = (text, r, size, block) => {
    const last = lines.at(-1),
      b = box(r);
    const level = last && Math.abs((last.box[1] + last.box[3] - b[1] - b[3]) / 2) < size * 0.5;
    const gap = last ? b[0] - last.box[2] : 0;
    if (level && last.block === block && gap < size * 0.7 && gap > -2) {
      last.text += (gap > size * 0.12 ? ' ' : '') + text;
      last.box = union(last.box, b);
    } else lines.push({ text, box: b, size, block });
  };
  const blockOf = (element) => {
    while (element && /^inline/.test(getComputedStyle(element).display)) element = element.parentElement;
    return element;
  };
  const marked = new Set();
  const marker = (item, r, size) => {
    if (marked.has(item) || getComputedStyle(item).listStyleType === 'none') return;
    marked.add(item);
    // Bullets and numbers have no text in the document; they stand to the left of the item.
    ignored.push([r.left - 3 * size, r.top - 2, r.left - 1, r.bottom + 2]);
  };
  const rectsOf = (node, start, end) => {
    const range = document.createRange();
    range.setStart(node, start);
    range.setEnd(node, end);
    return [...range.getClientRects()].filter(touches);
  };
  const isLevel = (rects) => rects.every((r) => Math.abs(r.top - rects[0].top) < 2);
  /** A word that is broken over lines, as the parts that stand on one each. */
  const levelParts = (node, start, end) => {
    if (isLevel(rectsOf(node, start, end))) return [[start, end]];
    let cut = start + 1;
    while (cut < end && isLevel(rectsOf(node, start, cut + 1))) cut++;
    return [[start, cut], ...(cut < end ? levelParts(node, cut, end) : [])];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode,
      parent = node.parentElement,
      style = getComputedStyle(parent);
    if (style.visibility === 'hidden' || parent.closest('textarea,option,script,style,noscript,button'))
      continue;
    const size = parseFloat(style.fontSize),
      item = parent.closest('li');
    for (const word of node.data.matchAll(/\S+/g)) {
      for (const [start, end] of levelParts(node, word.index, word.index + word[0].length)) {
        const rects = rectsOf(node, start, end),
          text = node.data.slice(start, end);
        if (rects.length && item) marker(item, rects[0], size);
        if (rects.length && rects.every((r) => inside(r) && seen(r, parent)))
          add(
            style.textTransform === 'uppercase' ? text.toUpperCase() : text,
            rects[0],
            size,
            blockOf(parent),
          );
        else rects.forEach((r) => ignored.push(box(r)));
      }
    }
  }
  for (const other of document.querySelectorAll(
    'img,svg,canvas,video,iframe,object,input,select,textarea,button',
  )) {
    const r = other.getBoundingClientRect();
    if (touches(r)) ignored.push(box(r));
  }
  return {
    lines: lines.map(({ text, box, size }) => ({ text, box, size })),
    ignored,
    width: innerWidth,
    height: innerHeight,
  };
})();

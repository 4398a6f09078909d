// Reads a documentation page's ground truth: the text lines that are wholly in view, with boxes in CSS pixels, in the
// order of the document; and the places where something is drawn that is no text of the page or cannot be read. A line is
// what people call one: words on one baseline a usual space apart, whatever elements they belong to, in one frame.
(() => {
  const ignored = [];
  const box = (r) => [r.left, r.top, r.right, r.bottom].map((v) => Math.round(v * 10) / 10);
  const union = (a, b) => ({
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  });
  const touches = (r) =>
    r.width > 0 && r.height > 0 && r.right > 0 && r.bottom > 0 && r.left < innerWidth && r.top < innerHeight;
  const inside = (r) =>
    r.left >= 0 && r.top >= 0 && r.right <= innerWidth + 0.5 && r.bottom <= innerHeight + 0.5;
  const isPainted = (element) => {
    const { backgroundColor, backgroundImage } = getComputedStyle(element);
    const replaced = element.matches('img,svg,canvas,video,iframe,object,input,select,textarea,button');
    return replaced || backgroundImage !== 'none' || !/, 0\)$|^transparent$/.test(backgroundColor);
  };
  const holds = (r, x, y) => x >= r.left && x <= r.right && y >= r.top && y <= r.bottom;
  /** Whether something that is painted lies over `element` there; boxes with nothing in them do not matter. */
  const isCovered = (x, y, element) => {
    let there = document.elementFromPoint(x, y);
    if (!there) return true;
    for (; !element.contains(there) && !there.contains(element); there = there.parentElement)
      if (isPainted(there) && holds(there.getBoundingClientRect(), x, y)) return true;
    return false;
  };
  const isClipped = (r, element) => {
    for (; element && element !== document.body; element = element.parentElement) {
      const edge = element.getBoundingClientRect();
      const out = r.left < edge.left - 1 || r.right > edge.right + 1;
      const off = r.top < edge.top - 1 || r.bottom > edge.bottom + 1;
      if ((out || off) && getComputedStyle(element).overflow !== 'visible') return true;
    }
    return false;
  };
  const blockOf = (element) => {
    while (element && /^inline/.test(getComputedStyle(element).display)) element = element.parentElement;
    return element;
  };
  /** The nearest element around it that people see as a box of its own. */
  const frameOf = (element) => {
    for (; element; element = element.parentElement) {
      const { borderLeftWidth, borderRightWidth } = getComputedStyle(element);
      if (parseFloat(borderLeftWidth) > 0 || parseFloat(borderRightWidth) > 0 || isPainted(element))
        return element;
    }
    return null;
  };
  /** Room that inline elements keep beside a word which begins or ends them; an icon drawn there is no text. */
  const padding = (node, at, side) => {
    let room = 0;
    for (let element = node.parentElement; element !== blockOf(node.parentElement);) {
      const range = document.createRange();
      range.selectNodeContents(element);
      if (side === 'Left') range.setEnd(node, at);
      else range.setStart(node, at);
      if (/\S/.test(range.toString())) break;
      const style = getComputedStyle(element);
      const own = parseFloat(style[`padding${side}`]);
      const edge = element.getBoundingClientRect();
      if (style.backgroundImage !== 'none' && own > 0 && side === 'Left')
        ignored.push(box({ left: edge.left, top: edge.top, right: edge.left + own, bottom: edge.bottom }));
      room += own + parseFloat(style[`border${side}Width`]);
      element = element.parentElement;
    }
    return room;
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
  const wordAt = (node, start, end) => {
    const rects = rectsOf(node, start, end);
    if (rects.length === 0) return [];
    const parent = node.parentElement,
      style = getComputedStyle(parent),
      r = rects.reduce(union),
      block = blockOf(parent);
    const middle = (r.top + r.bottom) / 2;
    const covered = [0.15, 0.5, 0.85].map((share) =>
      isCovered(r.left + (r.right - r.left) * share, middle, parent),
    );
    const clipped = isClipped(r, parent);
    const text = node.data.slice(start, end);
    return [
      {
        text: style.textTransform === 'uppercase' ? text.toUpperCase() : text,
        box: r,
        size: parseFloat(style.fontSize),
        block,
        frame: frameOf(block),
        justified: getComputedStyle(block).textAlign === 'justify',
        node,
        before: padding(node, start, 'Left'),
        after: padding(node, end, 'Right'),
        seen: rects.every(inside) && !clipped && !covered.includes(true),
        hidden: clipped || !covered.includes(false),
      },
    ];
  };
  const words = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode,
      parent = node.parentElement,
      style = getComputedStyle(parent);
    if (style.visibility === 'hidden' || parent.closest('textarea,option,script,style,noscript,button'))
      continue;
    const item = parent.closest('li');
    for (const word of node.data.matchAll(/\S+/g))
      for (const [start, end] of levelParts(node, word.index, word.index + word[0].length)) {
        const found = wordAt(node, start, end);
        if (found.length && item) marker(item, found[0].box, found[0].size);
        words.push(...found);
      }
  }
  /** Text over text: the boxes share more than the leading that neighbours do. */
  const layered = (a, b) => {
    const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    return across > 2 && down > 0.3 * Math.min(a.box.bottom - a.box.top, b.box.bottom - b.box.top);
  };
  const visible = words.filter(({ hidden }) => !hidden);
  words.filter(({ hidden }) => hidden).forEach((word) => ignored.push(box(word.box)));
  for (const word of visible)
    word.layered = visible.some((other) => other.block !== word.block && layered(word, other));
  /** The widest that people take for a space: inside a text and where lines are justified more than between elements. */
  const space = (a, b) => (a.block === b.block ? (a.justified ? 2 : a.node === b.node ? 1.5 : 1) : 0.7);
  const follows = (a, b) => {
    const size = Math.min(a.size, b.size);
    const apart = Math.abs((a.box.top + a.box.bottom - b.box.top - b.box.bottom) / 2);
    if (apart > (a.block === b.block ? 0.5 : 0.35) * size) return false;
    if (a.block !== b.block && a.frame !== b.frame) return false;
    const gap = b.box.left - a.box.right - (a.block === b.block ? a.after + b.before : 0);
    return gap > -2 && gap < Math.max(a.size, b.size) * space(a, b);
  };
  // Each word behind the one that ends nearest to its left, whichever comes first in the document.
  const behind = new Map(),
    first = new Set(visible);
  for (const word of visible) {
    const nearest = visible
      .filter((other) => other !== word && !behind.has(other) && follows(other, word))
      .sort((a, b) => b.box.right - a.box.right)[0];
    if (!nearest) continue;
    behind.set(nearest, word);
    first.delete(word);
  }
  const found = [];
  for (const start of first) {
    const all = [];
    for (let word = start; word; word = behind.get(word)) all.push(word);
    // Nobody can say where the words of a line end that another one lies over.
    const told = all.some((word) => word.layered) ? [] : all.filter(({ seen }) => seen);
    all.filter((word) => !told.includes(word)).forEach((word) => ignored.push(box(word.box)));
    if (told.length === 0) continue;
    const text = told.reduce((said, word, at) => {
      const gap = at > 0 ? word.box.left - told[at - 1].box.right : 0;
      return said + (gap > word.size * 0.12 ? ' ' : '') + word.text;
    }, '');
    const size = told.at(-1).size;
    found.push({
      text,
      box: told.map((word) => word.box).reduce(union),
      size,
      nodes: told.map(({ node }) => node),
    });
  }
  /** Where an element's lines stand: entries of a side bar that run over the text beside it end with the side bar. */
  const placeOf = (key, some) => {
    const lines = some.map((line) => line.box).reduce(union);
    const own = key instanceof Element ? key.getBoundingClientRect() : lines;
    const [left, right] = [Math.max(lines.left, own.left), Math.min(lines.right, own.right)];
    return left < right ? { ...lines, left, right } : lines;
  };
  /** Beside and to the left, or above: what people read first, whatever the document says. */
  const precedes = (a, b) => {
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (down > 0.4 * Math.min(a.bottom - a.top, b.bottom - b.top))
      return across < 0.2 * Math.min(a.right - a.left, b.right - b.left) && a.left < b.left;
    return across > 0 && down < 2 && a.top < b.top;
  };
  /** What stands in one element is read as a whole: cells, columns, side bars; in the order of the document otherwise. */
  const inOrder = (element, members) => {
    const groups = new Map();
    for (const line of members) {
      const within = [...element.childNodes].find((child) =>
        line.nodes.every((node) => child.contains(node)),
      );
      const key = within?.nodeType === Node.ELEMENT_NODE ? within : line;
      groups.set(key, [...(groups.get(key) ?? []), line]);
    }
    const left = [...groups].map(([key, some]) => ({
      key,
      some,
      box: placeOf(key, some),
    }));
    const order = [];
    while (left.length > 0) {
      const next = left.findIndex(
        (group) => !left.some((other) => other !== group && precedes(other.box, group.box)),
      );
      const [{ key, some }] = left.splice(Math.max(0, next), 1);
      order.push(...(key === some[0] ? some : inOrder(key, some)));
    }
    return order;
  };
  const lines = inOrder(document.body, found).map(({ text, box: place, size }) => ({
    text,
    box: box(place),
    size,
  }));
  for (const other of document.querySelectorAll(
    'img,svg,canvas,video,iframe,object,input,select,textarea,button',
  )) {
    const r = other.getBoundingClientRect();
    if (touches(r)) ignored.push(box(r));
  }
  return { lines, ignored, width: innerWidth, height: innerHeight };
})();

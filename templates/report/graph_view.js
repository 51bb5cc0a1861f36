"use strict";
// Draws what is in sight, moves and scales it, and hands on what is chosen. Names of models become text, never markup.
var graphView = (() => {
  const SVG = document.querySelector("svg").namespaceURI;
  const MARGIN = 0.6, SMALLEST = 0.03, LARGEST = 3, READABLE = 0.28;

  function create(canvas, hooks) {
    const world = make("g", {}), edgeLayer = make("g", {}), itemLayer = make("g", {}), linkLayer = make("g", {}), groundLayer = make("g", {});
    world.append(groundLayer, edgeLayer, itemLayer, linkLayer);
    canvas.append(world);
    const view = { x: 0, y: 0, scale: 1 };
    let scene = { items: [], edges: [], width: 1, height: 1 }, drawn = null, current = null, selected = null, links = [];
    const elements = new Map();

    const size = () => ({ width: canvas.clientWidth || 600, height: canvas.clientHeight || 400 });

    function apply() {
      world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
      const { width, height } = size();
      const box = [-view.x / view.scale, -view.y / view.scale, (width - view.x) / view.scale, (height - view.y) / view.scale];
      const isReadable = view.scale >= READABLE;
      const isInside = drawn && drawn.isReadable === isReadable && box[0] >= drawn.box[0] && box[1] >= drawn.box[1] && box[2] <= drawn.box[2] && box[3] <= drawn.box[3];
      if (!isInside) draw(box, isReadable);
    }

    function draw(box, isReadable) {
      const w = (box[2] - box[0]) * MARGIN, h = (box[3] - box[1]) * MARGIN;
      const wide = [box[0] - w, box[1] - h, box[2] + w, box[3] + h];
      const meets = (left, top, right, bottom) => left <= wide[2] && right >= wide[0] && top <= wide[3] && bottom >= wide[1];
      drawn = { box: wide, isReadable };
      const hadFocus = canvas.contains(document.activeElement);
      elements.clear();
      const seen = scene.items.filter((item) => meets(item.x, item.y, item.x + item.width, item.y + item.height));
      groundLayer.replaceChildren(...seen.filter((item) => item.isOpen).map((item) => boxOf(item, isReadable)));
      itemLayer.replaceChildren(...seen.filter((item) => !item.isOpen).map((item) => boxOf(item, isReadable)));
      edgeLayer.replaceChildren(...scene.edges.filter((found) => meets(...found.box)).map(line));
      drawLinks();
      markCurrent();
      if (hadFocus && current && elements.has(current.key)) elements.get(current.key).focus({ preventScroll: true });
    }

    function boxOf(item, isReadable) {
      const isOpen = Boolean(item.children && item.isOpen);
      const found = make("g", {
        class: ["item", item.kind, isOpen ? "open" : "", hooks.side(item), item.hits && !isOpen ? "hit" : "", item === selected ? "selected" : ""].filter(Boolean).join(" "),
        transform: `translate(${item.x} ${item.y})`,
        role: "button",
        tabindex: "-1",
      });
      if (item.children) found.setAttribute("aria-expanded", String(isOpen));
      found.append(make("rect", { class: "box", width: item.width, height: item.height, rx: item.children ? 8 : 5 }));
      // Its title is its name for a screen reader as well.
      const title = make("title", {});
      title.textContent = hooks.words(item);
      found.append(title);
      if (isReadable || isOpen) {
        if (item.children) found.append(make("path", { class: "sign", d: isOpen ? "M10 15.5h8" : "M10 15.5h8M14 11.5v8" }));
        found.append(text(item.shown, item.children ? 24 : 12, 20, "name"));
        if (!isOpen) found.append(text(item.shownSecond + (item.hits && item.children ? `, ${item.hits} found` : ""), 12, 37, "second"));
      }
      if (item.children && !isOpen) {
        let x = 0;
        for (const [side, share] of hooks.shares(item)) {
          const width = share * (item.width - 16);
          found.append(make("rect", { class: "share " + side, x: 8 + x, y: item.height - 9, width, height: 5 }));
          x += width;
        }
      } else if (!item.children) {
        found.append(make("rect", { class: "stripe " + hooks.side(item), width: 5, height: item.height }));
      }
      found.item = item;
      elements.set(item.key, found);
      return found;
    }

    function line(found) {
      const points = found.points, last = points[points.length - 1];
      let path = `M${points[0].x} ${points[0].y}`;
      for (let at = 1; at < points.length - 1; at += 1) {
        const next = at + 1 < points.length - 1 ? { x: (points[at].x + points[at + 1].x) / 2, y: (points[at].y + points[at + 1].y) / 2 } : last;
        path += `Q${points[at].x} ${points[at].y} ${next.x} ${next.y}`;
      }
      if (points.length === 2) path += `L${last.x} ${last.y}`;
      const made = make("path", { class: "edge" + (hooks.crosses(found.edge) ? " crossing" : ""), d: path, "marker-end": "url(#arrow)" });
      const title = make("title", {});
      title.textContent = [...new Set(found.edge.types)].slice(0, 6).join(", ");
      made.append(title);
      return made;
    }

    function drawLinks() {
      linkLayer.replaceChildren(...links.map(([from, to]) => {
        const x1 = from.x + from.width / 2, y1 = from.y + from.height, x2 = to.x + to.width / 2, y2 = to.y;
        const bend = Math.max(30, Math.abs(y2 - y1) / 2);
        return make("path", { class: "link", d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}` });
      }));
    }

    function markCurrent() {
      if (!current || !scene.items.includes(current)) current = scene.items[0] || null;
      for (const [key, element] of elements) element.setAttribute("tabindex", current && key === current.key ? "0" : "-1");
      if (current && !elements.has(current.key) && elements.size) elements.values().next().value.setAttribute("tabindex", "0");
    }

    function show(found) {
      scene = found;
      drawn = null;
      apply();
    }

    function zoom(factor, x, y) {
      const { width, height } = size();
      const cx = x === undefined ? width / 2 : x, cy = y === undefined ? height / 2 : y;
      const scale = Math.min(LARGEST, Math.max(SMALLEST, view.scale * factor));
      view.x = cx - ((cx - view.x) * scale) / view.scale;
      view.y = cy - ((cy - view.y) * scale) / view.scale;
      view.scale = scale;
      apply();
    }

    function fit() {
      const { width, height } = size();
      view.scale = Math.min(1, Math.max(SMALLEST, Math.min(width / (scene.width + 20), height / (scene.height + 20))));
      // What is tall begins at its top in a size that can be read.
      if (view.scale < 0.5) view.scale = Math.min(0.8, Math.max(0.5, width / (scene.width + 20)));
      view.x = (width - scene.width * view.scale) / 2;
      view.y = Math.max(6, (height - scene.height * view.scale) / 2);
      apply();
    }

    function whole() {
      const { width, height } = size();
      view.scale = Math.min(1, Math.max(SMALLEST, Math.min(width / (scene.width + 20), height / (scene.height + 20))));
      view.x = (width - scene.width * view.scale) / 2;
      view.y = (height - scene.height * view.scale) / 2;
      apply();
    }

    function center(item) {
      const { width, height } = size();
      view.scale = Math.max(view.scale, 0.8);
      const isTall = item.height * view.scale > height * 0.9;
      view.x = width / 2 - (item.x + item.width / 2) * view.scale;
      view.y = isTall ? 12 - item.y * view.scale : height / 2 - (item.y + item.height / 2) * view.scale;
      apply();
    }

    function makeCurrent(item, withFocus) {
      current = item;
      const { width, height } = size();
      const left = item.x * view.scale + view.x, top = item.y * view.scale + view.y;
      const isOut = left < 0 || top < 0 || left + Math.min(item.width * view.scale, width) > width + 1 || top + 30 > height;
      if (isOut) center(item);
      markCurrent();
      if (withFocus && elements.has(item.key)) elements.get(item.key).focus({ preventScroll: true });
    }

    function select(item, pairs) {
      selected = item;
      links = pairs;
      drawn = null;
      apply();
    }

    const itemOf = (event) => {
      const found = event.target.closest ? event.target.closest(".item") : null;
      return found ? found.item : null;
    };

    // One finger or button moves, two fingers scale; what moved less than a few pixels is a click.
    const pointers = new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (pointers.size === 1) moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY];
      const other = [...pointers].find(([id]) => id !== event.pointerId);
      pointers.set(event.pointerId, now);
      moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (other) {
        const frame = canvas.getBoundingClientRect(), [x, y] = other[1];
        const was = Math.hypot(before[0] - x, before[1] - y), is = Math.hypot(now[0] - x, now[1] - y);
        if (was > 0) zoom(is / was, (now[0] + x) / 2 - frame.left, (now[1] + y) / 2 - frame.top);
      } else if (moved > 4) {
        if (!canvas.hasPointerCapture(event.pointerId)) canvas.setPointerCapture(event.pointerId);
        view.x += now[0] - before[0];
        view.y += now[1] - before[1];
        apply();
      }
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", (event) => { if (!canvas.hasPointerCapture(event.pointerId)) pointers.delete(event.pointerId); });
    canvas.addEventListener("click", (event) => {
      const item = itemOf(event);
      if (item && moved <= 4) hooks.act(item);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !hooks.isLarge()) return;
      event.preventDefault();
      const frame = canvas.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - frame.left, event.clientY - frame.top);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const item = itemOf(event);
      const scale = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
      if (scale) zoom(scale);
      else if (event.key === "0") whole();
      else if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
      else if (event.key === "Enter" || event.key === " ") hooks.act(item);
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") step(item, event.key === "ArrowDown" ? 1 : -1);
      else if (event.key === "ArrowRight" && item.children) item.isOpen ? makeCurrent(item.children[0], true) : hooks.act(item);
      else if (event.key === "ArrowLeft" && item.children && item.isOpen) hooks.act(item);
      else if (event.key === "ArrowLeft" && item.parent && item.parent.parent) makeCurrent(item.parent, true);
      else return;
      event.preventDefault();
    });
    canvas.addEventListener("focusin", (event) => {
      const item = itemOf(event);
      if (item && item !== current) { current = item; markCurrent(); }
    });

    function step(item, by) {
      const order = [...scene.items].sort((a, b) => a.y - b.y || a.x - b.x);
      const next = order[order.indexOf(item) + by];
      if (next) makeCurrent(next, true);
    }

    new ResizeObserver(() => apply()).observe(canvas);
    return { show, fit, whole, zoom, center, makeCurrent, select, redraw: () => { drawn = null; apply(); }, elementOf: (item) => elements.get(item.key) };
  }

  function make(name, attributes) {
    const found = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    return found;
  }

  function text(words, x, y, kind) {
    const found = make("text", { x, y, class: kind, "aria-hidden": "true" });
    found.textContent = words;
    return found;
  }

  return { create };
})();

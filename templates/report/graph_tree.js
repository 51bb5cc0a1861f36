"use strict";
// The hierarchy of a graph and its layout. It knows no document: sizes are worked out from the number of characters.
var graphTree = (() => {
  const CHARACTER = 7.3, LINE = 17, PAD = 12, HEADER = 30, LONGEST = 40;
  const MOST_CHILDREN = 90, CHUNK = 40;

  const shortOp = (op) => op.split(".")[1] || op;
  const cut = (text) => (text.length <= LONGEST ? text : text.slice(0, LONGEST / 2 - 1) + "…" + text.slice(1 - LONGEST / 2));

  // Groups by the names of `pathOf`, ops and the model's inputs and outputs as leaves.
  // With `keepsTop` the outermost groups stay as they are.
  function build(data, pathOf, keepsTop) {
    const root = group("", "", null);
    const leaves = data.nodes.map((node, index) => {
      let at = root;
      for (const name of pathOf(index)) {
        const key = at.key + "/" + name;
        if (!at.byName.has(name)) {
          const made = group(key, name, at);
          made.isKept = keepsTop && at === root;
          at.byName.set(name, made);
          at.children.push(made);
        }
        at = at.byName.get(name);
      }
      const leaf = { kind: "op", key: "op-" + node.id, label: shortOp(node.op), second: node.output, op: index, parent: at };
      at.children.push(leaf);
      return leaf;
    });
    const ends = [];
    data.flows.forEach((flow, index) => {
      if (flow.from === null) {
        flow.leaf = { kind: "input", key: "input-" + index, label: flow.name || "input", second: flow.type, parent: root };
        ends.unshift(flow.leaf);
      }
      if (flow.isOutput) {
        flow.end = { kind: "output", key: "output-" + index, label: "output", second: flow.type, parent: root };
        ends.push(flow.end);
      }
    });
    root.children = [...ends.filter((leaf) => leaf.kind === "input"), ...root.children, ...ends.filter((leaf) => leaf.kind === "output")];
    simplify(root);
    finish(root, 0);
    connect(data, leaves);
    const groups = new Map();
    const walk = (item) => {
      groups.set(item.key, item);
      item.children.forEach((child) => child.children && walk(child));
    };
    walk(root);
    return { root, leaves, groups };
  }

  function group(key, label, parent) {
    return { kind: "group", key, label, parent, children: [], byName: new Map(), edges: new Map(), isOpen: key === "" };
  }

  // A group of one group takes its place, one of one op gives way to it, and long rows become groups of some ops each.
  function simplify(item) {
    item.children.forEach((child) => child.children && simplify(child));
    item.children = item.children.map((child) => {
      if (!child.children || child.children.length !== 1 || child.isKept) return child;
      const [only] = child.children;
      if (only.children) only.label = child.label + "." + only.label;
      only.parent = item;
      return only;
    });
    if (item.children.length > MOST_CHILDREN) {
      const all = item.children, chunks = [];
      for (let from = 0; from < all.length; from += CHUNK) {
        const some = all.slice(from, from + CHUNK);
        const made = group(item.key + "/#" + from, (from + 1) + " to " + (from + some.length), item);
        made.children = some;
        some.forEach((child) => { child.parent = made; });
        chunks.push(made);
      }
      item.children = chunks;
    }
  }

  // What a group holds, and how deep everything is.
  function finish(item, depth) {
    item.depth = depth;
    if (!item.children) {
      item.ops = item.kind === "op" ? [item.op] : [];
      return item.ops;
    }
    item.ops = item.children.flatMap((child) => finish(child, depth + 1));
    return item.ops;
  }

  // An edge is drawn between the two children of the lowest group that holds both ends.
  function connect(data, leaves) {
    for (const flow of data.flows) {
      const from = flow.from === null ? flow.leaf : leaves[flow.from];
      flow.to.forEach((reader) => join(from, leaves[reader], flow.type));
      if (flow.isOutput) join(from, flow.end, flow.type);
    }
  }

  function join(from, to, type) {
    let a = from, b = to;
    while (a.depth > b.depth) a = a.parent;
    while (b.depth > a.depth) b = b.parent;
    while (a.parent !== b.parent) { a = a.parent; b = b.parent; }
    if (a === b) return;
    const key = a.key + ">" + b.key;
    const known = a.parent.edges.get(key);
    if (known) known.types.push(type);
    else a.parent.edges.set(key, { from: a, to: b, types: [type] });
  }

  function measure(item) {
    if (item.children) {
      if (item.isOpen) return layout(item);
      item.second = item.ops.length === 1 ? "1 op" : item.ops.length + " ops";
    }
    item.shown = cut(item.label);
    item.shownSecond = cut(item.second);
    item.width = Math.max(item.shown.length + (item.children ? 3 : 0), item.shownSecond.length * 0.88, 6) * CHARACTER + 2 * PAD;
    item.height = 2 * LINE + (item.children ? 18 : 10);
    return undefined;
  }

  // Lays out an open group and all that is open in it; what did not change since is kept.
  function layout(item) {
    if (item.laidOut) return;
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 34, marginx: 16, marginy: 16 });
    for (const child of item.children) {
      measure(child);
      graph.setNode(child.key, { width: child.width, height: child.height });
    }
    for (const edge of item.edges.values()) graph.setEdge(edge.from.key, edge.to.key, {});
    dagre.layout(graph);
    const top = item.parent ? HEADER : 0;
    for (const child of item.children) {
      const at = graph.node(child.key);
      child.left = at.x - child.width / 2;
      child.top = at.y - child.height / 2 + top;
    }
    for (const edge of item.edges.values()) {
      edge.points = graph.edge(edge.from.key, edge.to.key).points.map((point) => ({ x: point.x, y: point.y + top }));
    }
    item.shown = cut(item.label);
    const size = graph.graph();
    item.width = Math.max(size.width, item.shown.length * CHARACTER + 60);
    item.height = size.height + top;
    item.laidOut = true;
  }

  function toggle(item, isOpen) {
    if (item.isOpen === isOpen) return;
    item.isOpen = isOpen;
    for (let at = item; at; at = at.parent) at.laidOut = false;
  }

  // Everything that is to be seen, outermost first, at its place.
  function flatten(root) {
    layout(root);
    const items = [], edges = [];
    const place = (item, x, y) => {
      for (const edge of item.edges.values()) {
        const points = edge.points.map((point) => ({ x: point.x + x, y: point.y + y }));
        const xs = points.map((point) => point.x), ys = points.map((point) => point.y);
        edges.push({ edge, points, box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] });
      }
      for (const child of item.children) {
        child.x = x + child.left;
        child.y = y + child.top;
        items.push(child);
        if (child.children && child.isOpen) place(child, child.x, child.y);
      }
    };
    place(root, 0, 0);
    return { items, edges, width: root.width, height: root.height };
  }

  // Opens groups, the largest first, while few items are to be seen: at first something of every part of a model is.
  function openSome(root, most) {
    let shown = root.children.length;
    const closed = root.children.filter((child) => child.children);
    while (closed.length) {
      closed.sort((a, b) => b.ops.length - a.ops.length);
      const next = closed.shift();
      if (shown + next.children.length > most) return;
      toggle(next, true);
      shown += next.children.length;
      closed.push(...next.children.filter((child) => child.children));
    }
  }

  // The item that stands for a leaf: itself, or the outermost closed group around it.
  function shownFor(leaf) {
    let found = leaf;
    for (let at = leaf.parent; at; at = at.parent) if (!at.isOpen) found = at;
    return found;
  }

  function reveal(leaf) {
    for (let at = leaf.parent; at; at = at.parent) toggle(at, true);
  }

  return { build, flatten, openSome, toggle, reveal, shownFor, shortOp };
})();

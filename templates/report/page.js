"use strict";
// The page: the graph with its controls, what is said of the op that is chosen, links to ops, and what can be copied.
(() => {
  const source = document.getElementById("graph-data");
  const byId = (id) => document.getElementById(id);
  const STATUS = {
    native: "An NNAPI operation means the same.",
    lowered: "Exact, after the differences named here are bridged.",
    approximate: "Within a bound that is known.",
    cpu: "No way at this level.",
    unknown: "Nothing is known of this op.",
  };

  function element(name, content, kind) {
    const found = document.createElement(name);
    if (kind) found.className = kind;
    found.append(...[].concat(content === undefined ? [] : content));
    return found;
  }

  function button(words, action, kind) {
    const found = element("button", words, kind);
    found.type = "button";
    found.addEventListener("click", action);
    return found;
  }

  // Copying: a button after everything that is worth it.
  async function copy(words, made) {
    const before = made.textContent;
    try {
      await navigator.clipboard.writeText(words);
      made.textContent = "Copied";
    } catch {
      const area = element("textarea", words);
      document.body.append(area);
      area.select();
      made.textContent = document.execCommand("copy") ? "Copied" : "Not allowed";
      area.remove();
    }
    setTimeout(() => { made.textContent = before; }, 1500);
  }
  function copyButton(words, what) {
    const made = button("Copy", () => copy(words, made), "copy");
    made.setAttribute("aria-label", "Copy " + what);
    return made;
  }
  for (const found of document.querySelectorAll("[data-copy]")) found.append(" ", copyButton(found.firstElementChild ? found.firstElementChild.textContent : found.textContent, found.dataset.copy));
  // On a phone a row of a table becomes a card, in which each cell says what it is; what still scrolls takes the focus.
  for (const table of document.querySelectorAll("main table")) {
    const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent);
    if (!names.length) continue;
    table.classList.add("stacks");
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, at) => { cell.dataset.label = names[at] || ""; });
  }
  const scrolls = [...document.querySelectorAll(".scroll")];
  const watch = new ResizeObserver(() => scrolls.forEach((found) => { found.tabIndex = found.scrollWidth > found.clientWidth + 1 ? 0 : -1; }));
  scrolls.forEach((found) => watch.observe(found));
  addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((found) => { found.wasOpen = found.open; found.open = true; }));
  addEventListener("afterprint", () => document.querySelectorAll("main details").forEach((found) => { found.open = Boolean(found.wasOpen); }));

  if (!source) return;
  const data = JSON.parse(source.textContent);
  for (const node of data.nodes) Object.assign(node, data.places[node.place]);
  for (const found of data.levels) Object.assign(found, data.sides[found.sides]);
  const levelChoice = byId("graph-level"), grouping = byId("graph-grouping"), find = byId("graph-find");
  const section = byId("graph"), detail = byId("graph-detail"), results = byId("graph-results"), status = byId("graph-status");
  section.hidden = false;
  let level = data.levels.find((found) => found.level === data.level), tree, chosen = null;
  const makers = data.nodes.map(() => []), readers = data.nodes.map(() => []);
  for (const flow of data.flows) {
    for (const reader of flow.to) {
      makers[reader].push(flow);
      if (flow.from !== null) readers[flow.from].push([reader, flow.type]);
    }
  }
  const searched = data.nodes.map((node) => [node.op, node.module, node.file, node.output].join(" ").toLowerCase());
  const answerOf = (op) => data.answers[level.answers[op]];

  function sideOf(op) {
    const part = level.parts[op], answer = answerOf(op);
    if (part !== null) return "part-" + (part % 4);
    if (answer.status === "unknown") return "unknown";
    if (answer.failures) return "no-way";
    return data.nodes[op].isOp ? "kept" : "passing";
  }
  function sharesOf(item) {
    const counts = new Map();
    for (const op of item.ops) counts.set(sideOf(op), (counts.get(sideOf(op)) || 0) + 1);
    return [...counts].map(([side, count]) => [side, count / item.ops.length]);
  }
  const place = (op) => (level.parts[op] === null ? "CPU" : "NNAPI model " + level.parts[op]);
  function groupWords(item) {
    const count = item.ops.filter((op) => data.nodes[op].isOp).length;
    const inside = item.ops.filter((op) => data.nodes[op].isOp && level.parts[op] !== null).length;
    return `${item.label}: ${count} ops, ${inside} on NNAPI`;
  }
  function opWords(op) {
    const node = data.nodes[op];
    return [node.op, node.module, node.output, place(op)].filter(Boolean).join(", ");
  }
  const words = (item) => (item.children ? groupWords(item) : item.kind === "op" ? opWords(item.op) : `${item.kind} ${item.label} ${item.second}`);
  const hooks = {
    side: (item) => (item.kind === "op" ? sideOf(item.op) : item.kind === "group" ? "" : "end"),
    shares: sharesOf,
    words,
    crosses: (edge) => edge.from.kind === "op" && edge.to.kind === "op" && level.parts[edge.from.op] !== level.parts[edge.to.op],
    isLarge: () => section.classList.contains("large"),
    act,
  };
  const view = graphView.create(byId("graph-canvas"), hooks);

  function pathOf(op) {
    const modules = data.nodes[op].module ? data.nodes[op].module.split(".") : [];
    if (grouping.value === "modules") return modules;
    const part = level.parts[op];
    return [part === null ? "CPU " + level.runs[op] : "NNAPI " + part, ...modules];
  }
  function rebuild() {
    tree = graphTree.build(data, pathOf, grouping.value === "parts");
    graphTree.openSome(tree.root, 24);
    mark();
    view.show(graphTree.flatten(tree.root));
    view.select(null, []);
    view.fit();
    if (chosen !== null) chooseOp(chosen, false);
  }
  function refresh(item) {
    const frame = view.elementOf(item) && view.elementOf(item).getBoundingClientRect();
    view.show(graphTree.flatten(tree.root));
    linkChosen();
    view.makeCurrent(item, Boolean(frame) && byId("graph-canvas").contains(document.activeElement));
  }

  function act(item) {
    if (item.kind === "op") { chooseOp(item.op, false); return; }
    if (!item.children) return;
    graphTree.toggle(item, !item.isOpen);
    refresh(item);
    if (item.isOpen) view.center(item);
    describeGroup(item);
  }
  function linkChosen() {
    if (chosen === null) { view.select(null, []); return; }
    const me = graphTree.shownFor(tree.leaves[chosen]);
    const pairs = [
      ...makers[chosen].map((flow) => [flow.from === null ? flow.leaf : graphTree.shownFor(tree.leaves[flow.from]), me]),
      ...readers[chosen].map(([reader]) => [me, graphTree.shownFor(tree.leaves[reader])]),
    ].filter(([from, to]) => from !== to);
    view.select(me, pairs);
  }
  function chooseOp(op, withCenter) {
    chosen = op;
    const leaf = tree.leaves[op];
    const isHidden = graphTree.shownFor(leaf) !== leaf;
    graphTree.reveal(leaf);
    if (isHidden) view.show(graphTree.flatten(tree.root));
    linkChosen();
    if (withCenter) view.center(leaf);
    view.makeCurrent(leaf, false);
    describeOp(op);
    history.replaceState(null, "", "#op-" + data.nodes[op].id);
  }

  // What is said of what is chosen.
  const code = (words) => element("code", words);
  function rows(pairs) {
    const list = element("dl");
    for (const [name, content] of pairs) list.append(element("dt", name), element("dd", content));
    return list;
  }
  function jump(op, words) { return button(words, () => chooseOp(op, true), "jump"); }
  function listOf(items) { return element("ul", items.map((item) => element("li", item))); }
  function shownFix(words) { return element("span", [words, " ", copyButton(words, "the fix")], "fix"); }

  function describeOp(op) {
    const node = data.nodes[op], answer = answerOf(op), part = level.parts[op];
    const pairs = [
      ["Runs on", part === null ? "CPU" : button("NNAPI model " + part, () => showPart(part), "jump")],
      ["Answer", `${answer.status}: ${STATUS[answer.status] || ""} At feature level ${level.level}.`],
    ];
    if (answer.way) pairs.push(["Way", `${answer.way}, from feature level ${answer.level}`]);
    if (answer.emits) pairs.push(["Becomes", answer.emits.map((name, at) => element("span", [at ? ", " : "", code(name)]))]);
    pairs.push(["Output", code(node.output || "none")]);
    if (makers[op].length) pairs.push(["Reads", listOf(makers[op].map((flow) => [flow.from === null ? code(flow.name || "input") : jump(flow.from, graphTree.shortOp(data.nodes[flow.from].op)), " ", code(flow.type)]))]);
    if (readers[op].length) pairs.push(["Read by", listOf(readers[op].map(([reader]) => jump(reader, graphTree.shortOp(data.nodes[reader].op))))]);
    if (node.work) pairs.push(["Work", (node.work / 1e6).toLocaleString("en", { maximumFractionDigits: 1 }) + " million multiply-adds"]);
    if (answer.bound) pairs.push(["Bound", answer.bound]);
    if (answer.kept_because) pairs.push(["Kept on the CPU", answer.kept_because]);
    if (answer.differences) pairs.push(["Differences", listOf(answer.differences.map((id) => (data.differences[id] ? [element("strong", data.differences[id][0]), " ", data.differences[id][1], " ", code(id)] : [code(id)])))]);
    const parts = [element("h3", code(node.op)), element("p", code(node.module || "(the model itself)"), "soft"), rows(pairs)];
    for (const failure of answer.failures || []) {
      const told = [["Why", failure.because], ["Found", failure.found], ["Wanted", failure.wanted]];
      if (failure.way) told.push(["Way", failure.way]);
      if (failure.fix) told.push(["Fix", shownFix(failure.fix)]);
      parts.push(element("section", [element("h4", `${failure.reason} ${failure.title}`), rows(told)], "failure"));
    }
    if (node.file) parts.push(sourceOf(node));
    const command = "nnapi-check ops show " + node.op;
    parts.push(element("p", [code(command), " ", copyButton(command, "the command")]));
    showDetail(parts);
  }
  function sourceOf(node) {
    const where = node.file + (node.line === null ? "" : ":" + node.line);
    const found = [element("p", [code(where), " ", copyButton(where, "the place in the source")])];
    if (node.lines) {
      const shown = element("pre");
      shown.tabIndex = 0;
      shown.setAttribute("aria-label", "Source around line " + node.line);
      node.lines.forEach((line, at) => {
        const number = node.first + at;
        shown.append(element("span", String(number).padStart(5) + "  " + line + "\n", number === node.line ? "here" : ""));
      });
      found.push(shown);
    }
    return element("section", [element("h4", "Source"), ...found]);
  }
  function describeGroup(item) {
    const ops = item.ops.filter((op) => data.nodes[op].isOp), counts = new Map();
    const stays = ops.filter((op) => level.parts[op] === null);
    for (const op of ops) counts.set(data.nodes[op].op, (counts.get(data.nodes[op].op) || 0) + 1);
    const work = item.ops.reduce((sum, op) => sum + data.nodes[op].work, 0);
    const pairs = [
      ["Ops", `${ops.length}, ${ops.length - stays.length} of them on NNAPI`],
      ["Work", (work / 1e6).toLocaleString("en", { maximumFractionDigits: 1 }) + " million multiply-adds"],
      ["Kinds", listOf([...counts].sort((a, b) => b[1] - a[1]).slice(0, 8).map(([name, count]) => [`${count} × `, code(name)]))],
    ];
    if (stays.length) pairs.push(["On the CPU", listOf(stays.slice(0, 12).map((op) => jump(op, data.nodes[op].op)).concat(stays.length > 12 ? [`and ${stays.length - 12} more`] : []))]);
    showDetail([element("h3", item.label), rows(pairs)]);
  }
  function showDetail(parts) {
    detail.replaceChildren(...parts);
    detail.scrollTop = 0;
  }

  function showPart(part) {
    if (grouping.value !== "parts") { grouping.value = "parts"; rebuild(); }
    const item = tree.groups.get("/NNAPI " + part);
    const shown = item || graphTree.shownFor(tree.leaves[level.parts.indexOf(part)]);
    if (!shown) return;
    view.center(shown);
    view.makeCurrent(shown, false);
    if (shown.children) describeGroup(shown);
  }

  // Search.
  function mark() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = words.length ? data.nodes.flatMap((_, op) => {
      const answer = answerOf(op);
      const all = `${searched[op]} ${answer.status} ${(answer.emits || []).join(" ").toLowerCase()} ${place(op).toLowerCase()}`;
      return words.every((word) => all.includes(word)) ? [op] : [];
    }) : [];
    const isHit = new Set(matches);
    tree.leaves.forEach((leaf) => { leaf.hits = isHit.has(leaf.op) ? 1 : 0; });
    tree.groups.forEach((item) => { item.hits = item.ops.filter((op) => isHit.has(op)).length; });
    status.textContent = words.length ? (matches.length === 1 ? "1 op found" : matches.length + " ops found") : "";
    results.replaceChildren(...matches.slice(0, 40).map((op) => element("li", jump(op, `${graphTree.shortOp(data.nodes[op].op)}  ${data.nodes[op].module}`))));
    results.hidden = !matches.length;
    return matches;
  }
  let waiting = 0;
  find.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => { mark(); view.redraw(); }, 120); });
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const matches = mark();
    if (matches.length) chooseOp(matches[(matches.indexOf(chosen) + 1) % matches.length], true);
  });

  // Levels.
  function setLevel(number) {
    level = data.levels.find((found) => found.level === number);
    levelChoice.value = String(number);
    const models = new Set(level.parts.filter((part) => part !== null)).size;
    byId("graph-verdict").textContent = `${level.readiness}, score ${level.score}: ${level.onNnapi} ops on NNAPI, ${level.compute} of the multiply-adds, ${models} NNAPI model${models === 1 ? "" : "s"}`;
    document.querySelectorAll("[data-map-levels]").forEach((found) => { found.toggleAttribute("hidden", !found.dataset.mapLevels.split(" ").includes(String(number))); });
    document.querySelectorAll("tr[data-levels]").forEach((row) => row.classList.toggle("chosen", row.dataset.levels.split(" ").includes(String(number))));
    if (grouping.value === "parts") rebuild();
    else if (tree) { mark(); view.redraw(); if (chosen !== null) describeOp(chosen); }
  }
  for (const found of data.levels) levelChoice.append(new Option(`${found.level} (${found.android})`, found.level));
  levelChoice.addEventListener("change", () => setLevel(Number(levelChoice.value)));
  grouping.addEventListener("change", rebuild);
  const all = (isOpen) => () => {
    tree.groups.forEach((item) => { if (item.parent) graphTree.toggle(item, isOpen); });
    view.show(graphTree.flatten(tree.root));
    linkChosen();
    isOpen ? view.whole() : view.fit();
  };
  byId("graph-open").addEventListener("click", all(true));
  byId("graph-close").addEventListener("click", all(false));
  byId("graph-in").addEventListener("click", () => view.zoom(1.25));
  byId("graph-out").addEventListener("click", () => view.zoom(0.8));
  byId("graph-fit").addEventListener("click", view.whole);
  const large = byId("graph-large");
  function setLarge(isLarge) {
    section.classList.toggle("large", isLarge);
    large.setAttribute("aria-pressed", String(isLarge));
    document.body.classList.toggle("held", isLarge);
  }
  large.addEventListener("click", () => setLarge(!hooks.isLarge()));
  addEventListener("keydown", (event) => { if (event.key === "Escape" && hooks.isLarge()) { setLarge(false); large.focus(); } });

  // Links of the page to ops and NNAPI models lead into the graph.
  const opOfId = new Map(data.nodes.map((node, op) => ["op-" + node.id, op]));
  function follow(name) {
    if (opOfId.has(name)) chooseOp(opOfId.get(name), true);
    else if (/^part-\d+$/.test(name) && level.parts.includes(Number(name.slice(5)))) showPart(Number(name.slice(5)));
    else return false;
    return true;
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a");
    const address = link && link.getAttribute("href");
    if (!address || !address.startsWith("#") || !follow(address.slice(1))) return;
    event.preventDefault();
    section.scrollIntoView({ block: "start" });
  });
  addEventListener("hashchange", () => follow(location.hash.slice(1)));

  setLevel(data.level);
  rebuild();
  if (location.hash) follow(location.hash.slice(1));
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();

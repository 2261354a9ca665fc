// Flame graphs, the outermost call on top: one of samples on the CPU, one of time off it.
(() => {
  const source = document.getElementById("stacks");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const ROW = 22, NARROWEST = 0.0008;
  const numbers = new Intl.NumberFormat("en-US");
  const digits = (n) => (n < 9.995 ? n.toFixed(2) : n < 99.95 ? n.toFixed(1) : numbers.format(Math.round(n)));
  const time = (ns) => (ns < 1e3 ? `${ns} ns` : ns < 999500 ? `${digits(ns / 1e3)} µs` : ns < 999.5e6 ? `${digits(ns / 1e6)} ms`
    : ns < 99.5e9 ? `${digits(ns / 1e9)} s` : `${Math.floor(ns / 6e10)} min ${String(Math.round(ns / 1e9) % 60).padStart(2, "0")} s`);
  const samples = (n) => `${numbers.format(n)} sample${n === 1 ? "" : "s"}`;
  const percent = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;
  const isLibrary = (file) => /\/lib(64)?\/python\d|^<frozen/.test(file) || file.includes("/site-packages/");
  const hash = (text) => [...text].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 9973, 7);

  const node = (frame, parent) => ({ frame, parent, value: 0, own: 0, below: new Map() });

  const tree = (weight, thread) => {
    const root = node(-1, null);
    for (const stack of data.stacks) {
      const value = stack[weight];
      if (!value || (thread !== "" && stack[0] !== Number(thread))) continue;
      let at = root;
      at.value += value;
      for (const frame of stack[3]) {
        if (!at.below.has(frame)) at.below.set(frame, node(frame, at));
        at = at.below.get(frame);
        at.value += value;
      }
      at.own += value;
    }
    if (thread === "") root.value += data.rest[weight - 1];
    return root;
  };

  const begin = (figure) => {
    const weight = figure.dataset.of === "on" ? 1 : 2, words = weight === 1 ? samples : time;
    const canvas = figure.querySelector(".flame"), detail = figure.querySelector(".detail"), total = figure.querySelector("output");
    let root, focus, boxes = new Map(), query = "";

    const name = (of) => (of === root ? "all" : data.frames[of.frame][0] || "?");
    const file = (of) => (of === root ? "" : data.frames[of.frame][1]);
    const line = (of) => {
      const number = document.createElement("span");
      number.textContent = (/:\d+$/.exec(file(of)) || [""])[0].replace(":", " :");
      return number;
    };
    const label = (of) => {
      const own = of.own && of !== root ? `, ${words(of.own)} of it in this line itself` : "";
      return `${name(of)} ${file(of)}: ${words(of.value)}, ${percent(of.value, root.value)}${own}`;
    };
    const isHit = (of) => query !== "" && of !== root && `${name(of)} ${file(of)}`.toLowerCase().includes(query);

    const add = (of, left, width, depth, above) => {
      const box = document.createElement("div");
      box.className = `box${isLibrary(file(of)) ? " stdlib" : ""}${isHit(of) ? " hit" : ""}${above ? " above" : ""}`;
      box.style.left = `${left * 100}%`;
      box.style.width = `${width * 100}%`;
      box.style.top = `${depth * ROW}px`;
      box.style.setProperty("--light", `calc(var(--box) + ${(hash(name(of)) % 9) - 4}%)`);
      if (width > 0.025) box.append(name(of), line(of));
      box.title = label(of);
      box.setAttribute("role", "treeitem");
      box.setAttribute("aria-level", String(depth + 1));
      box.setAttribute("aria-label", label(of));
      box.tabIndex = of === focus ? 0 : -1;
      box.addEventListener("click", () => zoom(of));
      box.addEventListener("pointerenter", () => { detail.textContent = label(of); });
      box.addEventListener("focus", () => { detail.textContent = label(of); });
      box.addEventListener("keydown", (event) => key(event, of));
      boxes.set(of, box);
      canvas.append(box);
    };

    const children = (of) => [...of.below.values()].sort((a, b) => b.value - a.value);

    const draw = () => {
      canvas.replaceChildren();
      boxes = new Map();
      const path = [];
      for (let at = focus; at; at = at.parent) path.unshift(at);
      path.forEach((of, depth) => add(of, 0, 1, depth, of !== focus));
      let deepest = path.length;
      const fill = (of, left, width, depth) => {
        for (const child of children(of)) {
          const part = (width * child.value) / of.value;
          if (part < NARROWEST) break;
          add(child, left, part, depth, false);
          deepest = Math.max(deepest, depth + 1);
          fill(child, left, part, depth + 1);
          left += part;
        }
      };
      fill(focus, 0, 1, path.length);
      canvas.style.height = `${deepest * ROW}px`;
      found();
    };

    // What the boxes that match stand for, those inside of others not counted again.
    const found = () => {
      total.textContent = root.value ? words(root.value) : "nothing";
      total.dataset.v = String(root.value);
      if (query === "") return;
      const sum = (of) => (isHit(of) ? of.value : children(of).reduce((all, child) => all + sum(child), 0));
      const hits = sum(root);
      detail.textContent = `“${query}”: ${words(hits)}, ${percent(hits, root.value || 1)}`;
    };

    const zoom = (of) => { focus = of; draw(); boxes.get(of).focus({ preventScroll: true }); };

    const key = (event, of) => {
      const row = of.parent ? children(of.parent) : [of], at = row.indexOf(of);
      const next = { ArrowUp: of.parent, ArrowDown: children(of)[0], ArrowLeft: row[at - 1], ArrowRight: row[at + 1] }[event.key];
      if (event.key === "Enter" || event.key === " ") zoom(of);
      else if (event.key === "Escape") zoom(focus.parent || root);
      else if (next && boxes.has(next)) boxes.get(next).focus();
      else if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
    };

    return {
      thread: (thread) => { root = tree(weight, thread); focus = root; draw(); },
      search: (text) => { query = text.trim().toLowerCase(); detail.textContent = ""; draw(); },
    };
  };

  const graphs = [...document.querySelectorAll("#flames figure")].map(begin);
  const thread = document.getElementById("flame-thread"), search = document.getElementById("flame-search");
  data.threads.forEach((name, at) => thread.append(new Option(name, String(at))));
  thread.addEventListener("change", () => graphs.forEach((graph) => graph.thread(thread.value)));
  search.addEventListener("input", () => graphs.forEach((graph) => graph.search(search.value)));
  graphs.forEach((graph) => graph.thread(""));
})();

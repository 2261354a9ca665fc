"use strict";
// Tables that sort and filter; long ones show their first rows until asked. Names are only ever set as text.
document.documentElement.classList.add("script");
(() => {
  const FIRST = 12;
  const numbers = new Intl.NumberFormat("en-US");

  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    return cell.classList.contains("none") ? -1 : cell.textContent.toLowerCase();
  };

  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));

  const begin = (box) => {
    const body = box.querySelector("tbody"), heads = [...box.querySelectorAll("thead th")];
    const filter = box.querySelector(".filter input"), counter = box.querySelector(".tools output"), more = box.querySelector(".more");
    const rows = [...body.rows];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    let all = rows.length <= FIRST + 3, order = rows;

    const show = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = order.filter((row) => words.every((word) => texts.get(row).includes(word)));
      const shown = new Set(all || words.length ? found : found.slice(0, FIRST));
      rows.forEach((row) => { row.hidden = !shown.has(row); });
      counter.textContent = words.length ? `${numbers.format(found.length)} of ${numbers.format(rows.length)} rows` : "";
      more.hidden = all || words.length > 0;
      more.textContent = `Show all ${numbers.format(rows.length)} rows`;
    };

    const sort = (column) => {
      const head = heads[column], was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : !head.classList.contains("n");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keys = new Map(rows.map((row) => [row, value(row, column)]));
      order = [...rows].sort((a, b) => (up ? 1 : -1) * compare(keys.get(a), keys.get(b)));
      body.append(...order);
      show();
    };

    heads.forEach((head, column) => {
      if (!head.textContent) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(column));
      head.replaceChildren(button);
    });
    filter.addEventListener("input", show);
    more.addEventListener("click", () => { all = true; show(); });
    box.addEventListener("reveal", () => { all = true; filter.value = ""; show(); });
    if (rows.length < 5) box.querySelector(".filter").hidden = true;
    show();
  };

  document.querySelectorAll(".table").forEach(begin);

  // A link to a row shows it, whatever the table has hidden.
  const arrive = () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    document.querySelectorAll("tr.shown").forEach((old) => old.classList.remove("shown"));
    if (!row || row.tagName !== "TR") return;
    if (row.hidden) row.closest(".table").dispatchEvent(new Event("reveal"));
    row.classList.add("shown");
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", arrive);
  addEventListener("load", arrive);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && (link.getAttribute("href") === location.hash)) arrive();
  });

  // The section that is being read.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      const link = links.get(entry.target.id);
      if (link) link.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
})();

// The timeline zooms by its width, and is scrolled and dragged from there.
(() => {
  const section = document.getElementById("timeline");
  if (!section) return;
  const scroll = section.querySelector(".scroll"), chart = section.querySelector(".chart"), ticks = chart.querySelector(".ticks");
  const length = Number(section.dataset.ns), bottom = Number(chart.getAttribute("height")) - 26, MOST = 200;
  const SVG = "http://www.w3.org/2000/svg";
  let zoom = 1;

  const label = (ns, step) => {
    const [unit, name] = ns >= 1e9 || step >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : [1e3, "µs"];
    return ns === 0 ? "0" : `${(ns / unit).toFixed(Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9)))} ${name}`;
  };
  const draw = (kind, attributes, text) => {
    const element = document.createElementNS(SVG, kind);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    if (text) element.textContent = text;
    ticks.append(element);
  };
  const scale = () => {
    const least = length / (Math.max(3, scroll.clientWidth / 110) * zoom), power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((digit) => digit * power).find((round) => round >= least);
    ticks.replaceChildren();
    for (let at = 0; at < 0.985 * length; at += step) {
      const x = `${(100 * at) / length}%`;
      draw("line", { x1: x, x2: x, y1: 0, y2: bottom });
      draw("text", { x, y: bottom + 18 }, label(at, step));
    }
  };
  const set = (wanted, middle = scroll.clientWidth / 2) => {
    const next = Math.min(MOST, Math.max(1, wanted)), at = (scroll.scrollLeft + middle) / zoom;
    zoom = next;
    chart.style.width = `${zoom * 100}%`;
    scroll.scrollLeft = at * zoom - middle;
    scale();
  };

  const acts = { in: () => set(zoom * 2), out: () => set(zoom / 2), all: () => set(1) };
  section.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", acts[button.dataset.zoom]));
  scroll.addEventListener("keydown", (event) => {
    const act = { "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.all }[event.key];
    if (act && !event.ctrlKey && !event.metaKey) { act(); event.preventDefault(); }
  });
  scroll.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.altKey) return;
    event.preventDefault();
    set(zoom * (event.deltaY < 0 ? 1.25 : 0.8), event.clientX - scroll.getBoundingClientRect().left);
  }, { passive: false });

  let held = null;
  scroll.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && !event.target.closest("a")) held = { x: event.clientX, left: scroll.scrollLeft };
  });
  addEventListener("pointermove", (event) => { if (held) scroll.scrollLeft = held.left - (event.clientX - held.x); });
  addEventListener("pointerup", () => { held = null; });
  addEventListener("resize", scale);
  scale();
})();

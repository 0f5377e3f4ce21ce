"use strict";
// Sorting, the panel behind a cell, and skeletons that move. Works from file://, asks nothing of any network.
const data = JSON.parse(document.getElementById("data").textContent);

// --- sorting: numbers before words, empty cells always last ---
function sortBy(th) {
  const table = th.closest("table"), body = table.tBodies[0];
  const column = [...th.parentNode.children].indexOf(th);
  const first = th.classList.contains("label") ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = th.getAttribute("aria-sort") === first ? other : first;
  for (const one of th.parentNode.children) one.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const key = row => {
    const cell = row.cells[column], value = cell.dataset.value;
    if (value === undefined) return cell.textContent.trim();
    return value === "" ? null : Number(value);
  };
  const rows = [...body.rows].map((row, i) => [key(row), i, row]);
  rows.sort(([a, i], [b, j]) => {
    if (a === null || b === null) return (a === null) - (b === null) || i - j;
    const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b));
    return sign * order || i - j;
  });
  body.append(...rows.map(entry => entry[2]));
}
for (const th of document.querySelectorAll("table.sortable th")) {
  const button = document.createElement("button");
  button.append(...th.childNodes);
  button.title = "sort";
  button.addEventListener("click", () => sortBy(th));
  th.append(button);
}

// --- what is behind a cell ---
const panel = document.getElementById("panel");
const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
function showCell(id) {
  const cell = data.cells[id];
  if (!cell) return;
  const table = element("table", "");
  const heads = table.createTHead().insertRow();
  for (const name of ["split", "seed", "value", "samples", "run"]) heads.append(element("th", name, { scope: "col" }));
  const body = table.createTBody();
  for (const [split, seed, value, n, run] of cell.lines) {
    const row = body.insertRow();
    row.append(element("td", data.splits[split], { className: "label" }), element("td", seed),
      element("td", value.toFixed(2)), element("td", n));
    const link = element("a", "record", { href: "#run-" + run });
    link.addEventListener("click", () => panel.close());
    row.insertCell().append(link);
  }
  const scroll = element("div", "", { className: "scroll" });
  scroll.append(table);
  panel.querySelector("div").replaceChildren(element("h3", cell.title), element("p", cell.rule), scroll);
  if (!panel.open) panel.showModal();
}
panel.querySelector("button").addEventListener("click", () => panel.close());
panel.addEventListener("click", event => { if (event.target === panel) panel.close(); });
panel.addEventListener("close", () => {
  if (location.hash.startsWith("#cell-")) history.replaceState(null, "", location.pathname + location.search);
});

function follow() {
  const name = decodeURIComponent(location.hash.slice(1));
  if (name.startsWith("cell-")) return showCell(name.slice(5));
  const target = name && document.getElementById(name);
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", follow);
for (const link of document.querySelectorAll('a[href^="#cell-"]')) {
  link.addEventListener("click", event => { event.preventDefault(); showCell(link.hash.slice(6)); });
}
follow();

// --- skeletons ---
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const visible = new Set();
const watcher = new IntersectionObserver(entries => {
  for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target);
});
function draw(canvas, clip, frame) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const views = clip.flat ? [[0, "image"]] : [[0, "front"], [2, "side"]];
  const wide = Math.max(1, ...views.map(([axis]) => clip.size[axis])), high = Math.max(1, clip.size[1]);
  const part = width / views.length, margin = 14;
  const scale = Math.min((part - 2 * margin) / wide, (height - 2 * margin) / high);
  views.forEach(([axis, name], place) => {
    const x = v => place * part + part / 2 + (v - clip.size[axis] / 2) * scale;
    const y = v => height / 2 - (v - high / 2) * scale;
    clip.bodies.forEach((frames, body) => {
      const points = frames[frame];
      if (!points) return;
      pen.globalAlpha = body ? 0.45 : 1;
      pen.lineWidth = 2;
      pen.lineCap = "round";
      for (const [child, parent] of clip.edges) {
        pen.strokeStyle = clip.colours[clip.side[child]];
        pen.beginPath();
        pen.moveTo(x(points[3 * child + axis]), y(points[3 * child + 1]));
        pen.lineTo(x(points[3 * parent + axis]), y(points[3 * parent + 1]));
        pen.stroke();
      }
    });
    pen.globalAlpha = 1;
    pen.fillStyle = "#5b5b5b";
    pen.font = "11px system-ui, sans-serif";
    pen.fillText(name, place * part + 6, 13);
  });
}
const players = [...document.querySelectorAll("canvas[data-clip]")].map(canvas => {
  const clip = data.clips[canvas.dataset.clip], length = clip.bodies[0].length;
  const player = { canvas, clip, length, frame: Math.floor(length / 3), paused: calm, due: 0 };
  canvas.addEventListener("click", () => { player.paused = !player.paused; });
  canvas.addEventListener("keydown", event => {
    if (event.key === " " || event.key === "Enter") { event.preventDefault(); player.paused = !player.paused; }
  });
  watcher.observe(canvas);
  draw(canvas, clip, player.frame);
  return player;
});
addEventListener("resize", () => players.forEach(p => draw(p.canvas, p.clip, p.frame)));
function tick(now) {
  for (const p of players) {
    if (p.paused || now < p.due || !visible.has(p.canvas)) continue;
    p.frame = (p.frame + 1) % p.length;
    p.due = now + p.clip.ms + (p.frame === p.length - 1 ? 600 : 0); // a rest before it starts again
    draw(p.canvas, p.clip, p.frame);
  }
  requestAnimationFrame(tick);
}
if (players.length) requestAnimationFrame(tick);

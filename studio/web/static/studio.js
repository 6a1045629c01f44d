// What pages do beyond links and forms: charts are drawn in the browser, and what is marked as live
// renews itself until the server leaves the mark out. Without a script, charts are pictures.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
let drawing = null;

function vega() {
  drawing ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "/vega.js";
    script.onload = () => done(window.vegaEmbed);
    script.onerror = failed;
    document.head.append(script);
  });
  return drawing;
}

function theme(config) {
  const style = getComputedStyle(document.documentElement);
  const [ink, quiet, line] = ["--text", "--quiet", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = { labelColor: ink, titleColor: ink, gridColor: line, domainColor: quiet, tickColor: quiet };
  const parts = { axis, legend: { labelColor: ink, titleColor: ink }, title: { color: ink, subtitleColor: quiet }, header: { labelColor: ink } };
  const themed = { ...config, background: "transparent" };
  for (const [name, colours] of Object.entries(parts)) themed[name] = { ...config[name], ...colours };
  return themed;
}

async function draw(figure) {
  try {
    const [embed, answer] = await Promise.all([vega(), fetch(figure.dataset.chart)]);
    if (!answer.ok) throw new Error(`${answer.status}`);
    const spec = await answer.json();
    if (!spec.encoding?.facet) {
      spec.width = Math.min(1.2 * (spec.width ?? 640), figure.clientWidth);
      spec.autosize = { type: "fit-x", contains: "padding" };
    }
    const place = document.createElement("div");
    place.className = "drawn";
    const options = { ast: true, actions: false, renderer: "svg", tooltip: { theme: dark.matches ? "dark" : "light" } };
    await embed(place, { ...spec, config: theme(spec.config) }, options);
    figure.querySelector(".drawn")?.remove();
    figure.prepend(place);
    figure.dataset.done = figure.dataset.chart;
  } catch (error) {
    if (figure.querySelector(".drawn")) return;
    const note = document.createElement("p");
    note.className = "drawn";
    note.textContent = `${figure.dataset.title} could not be drawn (${error.message ?? error}).`;
    figure.prepend(note);
  }
}

function drawAll() {
  for (const figure of document.querySelectorAll("[data-chart]")) {
    if (figure.dataset.done !== figure.dataset.chart) draw(figure);
  }
}

function take(old, fresh) {
  const open = [...old.querySelectorAll("details[open]")].map((each) => each.id);
  const focus = old.contains(document.activeElement) ? document.activeElement : null;
  for (const figure of fresh.querySelectorAll("[data-chart]")) {
    const before = [...old.querySelectorAll("[data-chart]")].find((each) => each.dataset.title === figure.dataset.title);
    const drawn = before?.querySelector(".drawn");
    if (drawn) figure.prepend(drawn);
    if (drawn && before.dataset.done === figure.dataset.chart) figure.dataset.done = figure.dataset.chart;
  }
  const said = fresh.querySelector("[data-said]")?.textContent ?? "";
  const place = document.getElementById("said");
  if (place.textContent !== said) place.textContent = said;
  const scrolls = [...old.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
  const ticked = new Set([...old.querySelectorAll("input:checked")].map((each) => each.value));
  for (const box of fresh.querySelectorAll("input[type=checkbox]")) box.checked = ticked.has(box.value);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll(".scroll")].forEach((each, n) => scrolls[n] && each.scrollTo(...scrolls[n]));
  for (const id of open) if (id) document.getElementById(id)?.setAttribute("open", "");
  const same = (each) => (focus.id ? each.id === focus.id : each.outerHTML === focus.outerHTML);
  if (focus) [...fresh.querySelectorAll("a, button, input, select, summary, [tabindex]")].find(same)?.focus({ preventScroll: true });
  drawAll();
}

let last = null;

async function renew() {
  const old = document.querySelector("[data-live]");
  if (!old || document.hidden) return;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(old.id);
    if (!fresh || fresh.outerHTML === last) return;
    last = fresh.outerHTML;
    for (const each of fresh.querySelectorAll("noscript")) each.remove();  // the parser takes them as if there were no script
    take(old, document.importNode(fresh, true));
  } catch {
    // the server is away; the next time it may be back
  }
}

drawAll();
setInterval(renew, 2000);
dark.addEventListener("change", () => document.querySelectorAll("[data-chart]").forEach(draw));

"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const served = location.protocol.startsWith("http");
const $ = id => document.getElementById(id);
const panes = [$("story0"), $("story1")], tabs = [$("tab0"), $("tab1")];
let who = null, kept = null, number = 0, opened = 0, sending = false, unsent = false, timer = 0;

const storage = (() => {
  try {
    localStorage.setItem("polaris-probe", "1");
    localStorage.removeItem("polaris-probe");
    return localStorage;
  } catch { return null; }
})();
const storageKey = name => `polaris-study:${data.study}:${name}`;

function load(name) {
  let found = null;
  try { found = JSON.parse(storage.getItem(storageKey(name))); } catch { /* nothing saved, or it cannot be read */ }
  const session = [...crypto.getRandomValues(new Uint8Array(8))].map(n => n.toString(16).padStart(2, "0")).join("");
  return { session, answers: {}, scroll: {}, seconds: {}, number: 0, ...found };
}

function keep() {
  if (!storage) return;
  try { storage.setItem(storageKey(who), JSON.stringify(kept)); $("state").textContent = "saved"; }
  catch { $("state").textContent = "not saved: export now"; }
}

const item = () => data.order[who][number][0];
const drafts = () => kept.answers[item()] ||= { choice: null, criteria: {}, comment: "", seconds: 0 };
const answered = name => Boolean(kept.answers[name]?.choice);

function begin(name) {
  who = name;
  kept = load(name);
  $("welcome").hidden = true;
  $("study").hidden = false;
  show(Math.min(kept.number, data.order[who].length - 1));
  if (served) send();
}

function clock() {
  if (who === null) return;
  const now = Date.now();
  if (!document.hidden && opened) kept.seconds[item()] = (kept.seconds[item()] || 0) + (now - opened) / 1000;
  opened = document.hidden ? 0 : now;
}

function show(target) {
  if (kept && opened) clock();
  number = target;
  kept.number = number;
  opened = document.hidden ? 0 : Date.now();
  const [name, swapped] = data.order[who][number];
  const [prompt, ...texts] = data.texts[name];
  if (swapped) texts.reverse();
  $("prompt").textContent = prompt;
  $("asked").open = !answered(name) && !kept.scroll[name];
  panes.forEach((pane, side) => { pane.querySelector(".text").textContent = texts[side]; });
  const places = kept.scroll[name] || [0, 0, 0];
  tab(places[2]);
  // a hidden pane cannot be scrolled: its position is restored when it is shown
  requestAnimationFrame(() => panes.forEach((pane, side) => { pane.scrollTop = places[side]; }));
  const given = kept.answers[name] || { choice: null, criteria: {}, comment: "" };
  document.querySelectorAll("#answer input").forEach(input => {
    input.checked = input.value === (input.name === "choice" ? given.choice : given.criteria[input.name]);
  });
  $("comment").value = given.comment;
  $("more").open = Boolean(given.comment || Object.keys(given.criteria).length);
  $("previous").disabled = number === 0;
  $("next").disabled = number === data.order[who].length - 1;
  progress();
  keep();
}

function tab(side) {
  tabs.forEach((button, i) => button.setAttribute("aria-selected", String(i === side)));
  panes.forEach((pane, i) => pane.classList.toggle("shown", i === side));
  const places = kept.scroll[item()];
  if (places) panes[side].scrollTop = places[side];
}

function progress() {
  const all = data.order[who], done = all.filter(([name]) => answered(name)).length;
  $("place").textContent = `Pair ${number + 1} of ${all.length}, ${done} answered`;
  $("progress").max = all.length;
  $("progress").value = done;
  const left = all.findIndex(([name]) => !answered(name));
  $("done").textContent = left < 0 ? (served ? "All pairs are answered. Thank you!" : "All pairs are answered: export now. Thank you!") : "";
}

function choose(value) {
  drafts().choice = value;
  document.querySelectorAll("#choice input").forEach(input => { input.checked = input.value === value; });
  changed();
}

function changed() {
  clock();
  progress();
  keep();
  if (!served) return;
  unsent = true;
  clearTimeout(timer);
  timer = setTimeout(send, 600);
}

function exported() {
  clock();
  const answers = {};
  for (const [name] of data.order[who]) if (answered(name)) answers[name] = { ...kept.answers[name], seconds: Math.round(kept.seconds[name] || 0) };
  const body = JSON.stringify({ annotator: who, session: kept.session, saved: new Date().toISOString(), answers });
  return JSON.stringify({ study: data.study, body, seal: sha256(data.study + body) });
}

const post = (body, last) => fetch("answers", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: last });

async function send() {
  if (sending || !who) return;
  sending = true;
  unsent = false;
  try {
    const reply = await post(exported(), false);
    if (!reply.ok) throw new Error(reply.status === 507 ? ": the other computer's disk is full" : "");
    $("state").textContent = "saved and sent";
  } catch (error) {
    unsent = true;
    $("state").textContent = `saved here, not sent yet${error.message.startsWith(":") ? error.message : ""}`;
  }
  sending = false;
  if (unsent) { clearTimeout(timer); timer = setTimeout(send, 5000); }
}

// the user may not come back: send pending answers now, with a request that outlives the page
function sendLast() {
  if (!served || !unsent) return;
  unsent = false;
  clearTimeout(timer);
  post(exported(), true).catch(() => {});
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([exported()], { type: "application/json" }));
  link.download = `${who}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  keep();
}

// SHA-256 (FIPS 180-4): the browser's own is only available in secure contexts
function sha256(text) {
  const bytes = new TextEncoder().encode(text), size = bytes.length;
  const padded = new Uint8Array(((size + 72) >> 6) << 6);
  padded.set(bytes);
  padded[size] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(size / 2 ** 29));
  view.setUint32(padded.length - 4, (size << 3) >>> 0);
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every(p => n % p)) primes.push(n);
  const fraction = root => Math.floor((root - Math.floor(root)) * 2 ** 32);
  const hash = primes.slice(0, 8).map(p => fraction(Math.sqrt(p)));
  const constants = primes.map(p => fraction(Math.cbrt(p)));
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  const words = new Int32Array(64);
  for (let start = 0; start < padded.length; start += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(start + 4 * i);
    for (let i = 16; i < 64; i++) {
      const a = words[i - 15], b = words[i - 2];
      words[i] = words[i - 16] + words[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + words[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => { hash[i] = (hash[i] + value) | 0; });
  }
  return hash.map(value => (value >>> 0).toString(16).padStart(8, "0")).join("");
}

for (const name of Object.keys(data.order)) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", () => begin(name));
  $("people").append(button);
}
for (const criterion of data.criteria) {
  const set = document.createElement("fieldset"), legend = document.createElement("legend");
  legend.textContent = criterion.name;
  legend.title = criterion.measures;
  set.append(legend);
  for (const [value, text] of [["first", "Story 1"], ["equal", "equal"], ["second", "Story 2"]]) {
    const label = document.createElement("label"), input = document.createElement("input");
    input.type = "radio";
    input.name = criterion.id;
    input.value = value;
    input.addEventListener("change", () => { drafts().criteria[criterion.id] = value; changed(); });
    label.append(input, ` ${text}`);
    set.append(label);
  }
  $("criteria").append(set);
}
$("unkept").hidden = storage !== null;
$("collected").hidden = !served;
$("previous").addEventListener("click", () => show(Math.max(0, number - 1)));
$("next").addEventListener("click", () => show(Math.min(data.order[who].length - 1, number + 1)));
$("export").addEventListener("click", download);
$("more").addEventListener("toggle", () => { if ($("more").open) $("asked").open = false; }); // room for the stories
$("leave").addEventListener("click", () => { clock(); keep(); sendLast(); who = null; opened = 0; $("study").hidden = true; $("welcome").hidden = false; });
$("answer").addEventListener("submit", event => event.preventDefault());
document.querySelectorAll("#choice input").forEach(input => input.addEventListener("change", () => choose(input.value)));
$("comment").addEventListener("input", () => { drafts().comment = $("comment").value; changed(); });
tabs.forEach((button, side) => button.addEventListener("click", () => { remember(side); tab(side); keep(); }));
panes.forEach((pane, side) => pane.addEventListener("scroll", () => {
  if (pane.offsetParent === null) return;
  const places = kept.scroll[item()] ||= [0, 0, 0];
  places[side] = pane.scrollTop;
  clearTimeout(pane.saving);
  pane.saving = setTimeout(keep, 300);
}));
function remember(side) { (kept.scroll[item()] ||= [0, 0, 0])[2] = side; }
document.addEventListener("visibilitychange", () => {
  if (who === null) return;
  if (document.hidden) { opened && (kept.seconds[item()] = (kept.seconds[item()] || 0) + (Date.now() - opened) / 1000); opened = 0; keep(); }
  else opened = Date.now();
});
window.addEventListener("pagehide", () => { if (who !== null) { clock(); keep(); sendLast(); } });
document.addEventListener("keydown", event => {
  if (who === null || event.ctrlKey || event.metaKey || event.altKey || event.target === $("comment")) return;
  const keys = {
    1: () => choose("first"), 2: () => choose("second"), 0: () => choose("equal"),
    n: () => $("next").click(), p: () => $("previous").click(),
    s: () => tabs[tabs.findIndex(button => button.getAttribute("aria-selected") === "false")].click(),
  };
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

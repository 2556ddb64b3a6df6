"use strict";
// The page of infer's server: a chat, and what the models take of the memory. It asks nobody else.

const $ = (id) => document.getElementById(id);
const messages = []; // the conversation
let running = null; // the AbortController of the answer that is being written

function headers() {
  const h = {"Content-Type": "application/json"};
  const key = sessionStorage.getItem("key");
  if (key) h.Authorization = "Bearer " + key;
  return h;
}

async function get(path) {
  const r = await fetch(path, {headers: headers()});
  if (r.status === 401) $("key-row").hidden = false;
  if (!r.ok) throw new Error(await reason(r));
  return r.json();
}

async function reason(r) {
  try {
    return (await r.json()).error.message;
  } catch {
    return "status " + r.status;
  }
}

function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function complain(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

function bubble(role) {
  const box = element("div", "message " + role);
  box.thought = element("div", "thought");
  box.content = element("div", "content");
  box.figures = element("div", "figures");
  box.append(box.thought, box.content, box.figures);
  $("log").append(box);
  return box;
}

function toBottom() {
  const log = $("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 120) log.scrollTop = log.scrollHeight;
}

// events yields the objects of a stream of server-sent events.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const line = part.split("\n").find((l) => l.startsWith("data: "));
      if (!line || line === "data: [DONE]") continue;
      yield JSON.parse(line.slice(6));
    }
  }
}

function figures(t) {
  if (!t) return "";
  const from = t.cache_n ? ` (${t.cache_n} from the cache)` : "";
  return `prompt ${t.prompt_n + t.cache_n} tokens${from} · ${t.predicted_n} tokens at ${t.predicted_per_second.toFixed(1)}/s`;
}

async function ask(text) {
  complain("");
  messages.push({role: "user", content: text});
  bubble("user").content.textContent = text;
  const box = bubble("assistant");
  toBottom();
  busy(true);
  const own = running = new AbortController();
  let answer = "";
  try {
    const r = await fetch("v1/chat/completions", {
      method: "POST", headers: headers(), signal: own.signal,
      body: JSON.stringify({model: $("model").value, messages, stream: true, stream_options: {include_usage: true}}),
    });
    if (!r.ok) throw new Error(await reason(r));
    for await (const e of events(r.body)) {
      if (e.error) throw new Error(e.error.message);
      const delta = e.choices[0] && e.choices[0].delta || {};
      box.thought.textContent += delta.reasoning_content || "";
      answer += delta.content || "";
      box.content.textContent = answer;
      if (e.timings) box.figures.textContent = figures(e.timings);
      toBottom();
    }
  } catch (err) {
    if (running !== own) return; // a new conversation has begun
    if (err.name === "AbortError") box.figures.textContent = "stopped";
    else complain(err.message);
  }
  if (running !== own) return;
  running = null;
  if (answer) messages.push({role: "assistant", content: answer});
  else messages.pop();
  if (!answer && !box.thought.textContent) box.remove();
  busy(false);
}

function busy(is) {
  $("send").hidden = is;
  $("stop").hidden = !is;
}

$("ask").addEventListener("submit", (e) => {
  e.preventDefault();
  const text = $("text").value.trim();
  if (!text || running) return;
  $("text").value = "";
  ask(text);
});
$("text").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("ask").requestSubmit();
  }
});
$("stop").addEventListener("click", () => running && running.abort());
$("clear").addEventListener("click", () => {
  if (running) running.abort();
  running = null;
  busy(false);
  messages.length = 0;
  $("log").replaceChildren();
  complain("");
});
$("key-row").addEventListener("submit", (e) => {
  e.preventDefault();
  $("key").blur();
});
$("key").addEventListener("change", () => {
  sessionStorage.setItem("key", $("key").value);
  begin();
});

function size(n) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1024 || unit === "GiB") return (n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)) + " " + unit;
    n /= 1024;
  }
}

function row(list, kind, name, value) {
  list.append(element("span", kind ? "dot " + kind : ""), element("dt", "", name), element("dd", "", value));
}

const purposes = ["weights", "kv", "compute", "output", "staging", "pool"];

// memoryOf draws what one model takes.
function memoryOf(m) {
  const r = m.report, box = element("div", "one");
  box.append(element("h3", "", m.model));
  const x = r.residency;
  // Of weights that are mapped within a budget, those that stay in memory count, and the slots.
  const taken = (p) => p === "weights" && x ? x.resident_bytes : r.memory[p] ? r.memory[p].current_bytes : 0;
  const sum = purposes.reduce((n, p) => n + taken(p), 0);
  const whole = Math.max(r.budget_bytes, sum, 1);
  const bar = element("div", "bar"), list = element("dl");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", size(sum) + " of " + size(whole));
  for (const p of purposes) {
    const now = taken(p);
    if (!now) continue;
    const part = element("span", p);
    part.style.width = 100 * now / whole + "%";
    bar.append(part);
    row(list, p, p === "kv" ? "KV cache" : p, size(now));
  }
  if (r.budget_bytes) row(list, "", "budget", size(r.budget_bytes));
  row(list, "", "process, private", size(r.process.anon_bytes || 0));
  box.append(bar, list);
  if (x && x.streamed_layers) {
    const layers = element("div", "layers");
    for (let i = 0; i < x.layers; i++) { // those that are streamed are evenly spaced
      const away = Math.floor((i + 1) * x.streamed_layers / x.layers) > Math.floor(i * x.streamed_layers / x.layers);
      layers.append(element("span", away ? "away" : ""));
    }
    box.append(layers, element("p", "quiet", `${x.layers - x.streamed_layers} of ${x.layers} layers resident, ${x.streamed_layers} streamed: ${size(x.read_bytes_per_pass)} a token, ${size(x.read_bytes_per_second)}/s`));
  } else {
    box.append(element("p", "quiet", `all ${size(r.weights_bytes)} of weights resident (${r.load_mode})`));
  }
  if (x && x.experts) {
    const all = x.experts.hits + x.experts.misses;
    box.append(element("p", "quiet", `${x.experts.slots} experts in memory` + (all ? `, ${Math.round(100 * x.experts.hits / all)} % of the chosen ones were` : "")));
  }
  if (m.batch) {
    box.append(element("p", "quiet", `${m.batch.busy_slots} of ${m.batch.slots} texts at once, ${m.batch.waiting_requests} waiting; ${m.batch.used_tokens} of ${m.batch.context_tokens} tokens of context in use, ${m.batch.kept_tokens} of them kept for later`));
  }
  return box;
}

async function showMemory() {
  if (!document.hidden) {
    try {
      const now = await get("memory");
      $("memory").replaceChildren(...now.models.map(memoryOf));
      if (!now.models.length) $("memory").append(element("p", "quiet", "No model is open: the first message opens one."));
    } catch (err) {
      $("memory").replaceChildren(element("p", "quiet", err.message));
    }
  }
  setTimeout(showMemory, 1000);
}

async function begin() {
  try {
    const list = await get("v1/models");
    $("model").replaceChildren(...list.data.map((m) => {
      const o = element("option", "", m.id);
      o.value = m.id;
      return o;
    }));
    complain("");
  } catch (err) {
    complain(err.message);
  }
}

begin();
showMemory();
$("text").focus();

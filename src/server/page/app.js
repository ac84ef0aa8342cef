// The chat page: plain JavaScript on the server's own API, no library, no outside request. All text
// from the model enters the page as text nodes, never as markup.
import { readEvents } from "./events.js";
import { draftTokens, Speed } from "./drafts.js";

const element = (id) => document.getElementById(id);
const ui = Object.fromEntries(["model", "server", "messages", "status", "prompt", "send", "stop",
  "settings", "system", "thinking", "temperature", "tools", "legend"].map((id) => [id, element(id)]));
const optional = { temperature: "temperature", top_p: "top-p", top_k: "top-k", seed: "seed",
  max_tokens: "max-tokens" };

let history = [];  // messages of the conversation, without the system prompt
let modelName = "";
let running = null;  // the AbortController of the answer that streams

const node = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

// Requests ------------------------------------------------------------------------------------

const headers = () => {
  const key = element("api-key").value;
  return key ? { Authorization: `Bearer ${key}` } : {};
};

class Fault extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  if (response.ok) return response;
  let message = `${response.status} ${response.statusText}`;
  try {
    message = (await response.json()).error.message;
  } catch { /* not the API's error shape: the status says it */ }
  if (response.status === 401) askForKey();
  throw new Fault(response.status, message);
}

function askForKey() {
  showSettings(true);
  element("api-key").focus();
}

async function connect() {
  try {
    modelName = (await (await call("v1/models")).json()).data[0].id;
    ui.model.textContent = modelName;
    await showServer();
  } catch (fault) {
    ui.model.textContent = fault.status === 401 ? "an API key is needed" : "not reachable";
  }
}

// How many drafts the server's requests accepted so far.
async function showServer() {
  try {
    const stats = await (await call("debug/mtp_stats")).json();
    const spec = stats.spec ?? stats;
    if (spec.drafted > 0) {
      ui.server.textContent = `all requests: ${(100 * spec.acceptance_rate).toFixed(1)} % of drafts ` +
        `accepted, ${spec.tokens_per_forward.toFixed(2)} tokens per forward`;
    }
  } catch { ui.server.textContent = ""; }
}

function settings() {
  const body = { model: modelName, stream: true, stream_options: { include_usage: true } };
  for (const [name, id] of Object.entries(optional)) {
    const value = element(id).value;
    if (value !== "") body[name] = Number(value);
  }
  if (ui.thinking.value) body.chat_template_kwargs = { thinking_mode: ui.thinking.value };
  if (ui.tools.value.trim()) body.tools = JSON.parse(ui.tools.value);
  if (element("show-drafts").checked) {
    body.return_spec_info = true;
    body.logprobs = true;  // carries the bytes of each token
  }
  return body;
}

// Messages ------------------------------------------------------------------------------------

// Fenced code becomes a block, all else stays as it is.
function writeText(target, text) {
  target.replaceChildren();
  text.split(/^```.*\n?/m).forEach((part, i) => {
    if (part) target.append(i % 2 ? node("pre", "", part.replace(/\n$/, "")) : part);
  });
}

function showUser(text) {
  const article = node("article", "user");
  article.append(node("div", "text", text));
  ui.messages.append(article);
}

// The view of one answer as it grows.
class AnswerView {
  constructor() {
    this.article = node("article", "assistant");
    this.text = node("div", "text");
    this.meta = node("div", "meta");
    this.article.append(this.text, this.meta);
    ui.messages.append(this.article);
    this.calls = [];
  }

  setReasoning(text) {
    if (!this.reasoning) {
      this.details = node("details");
      this.details.append(node("summary", "", "Reasoning"));
      this.reasoning = node("div", "text");
      this.details.append(this.reasoning);
      this.article.prepend(this.details);
    }
    this.reasoning.textContent = text;
  }

  setContent(text) { writeText(this.text, text); }

  addTokens(tokens) {
    for (const token of tokens) {
      const span = node("span", `token d${token.draft}`, token.text);
      span.title = token.draft ? `draft ${token.draft}` : "the target's own";
      this.text.append(span);
    }
  }

  setCall(index, name, args) {
    if (!this.calls[index]) {
      const box = node("div", "call");
      this.calls[index] = { name: node("strong"), args: node("pre") };
      box.append("calls ", this.calls[index].name, this.calls[index].args);
      this.article.insertBefore(box, this.meta);
    }
    this.calls[index].name.textContent = name;
    this.calls[index].args.textContent = args;
  }

  setFault(message) {
    this.article.classList.add("fault");
    this.text.append(node("div", "", message));
  }

  setMeta(text) { this.meta.textContent = text; }
}

// Scrolls with the text, unless the reader has scrolled up.
function follow(change) {
  const box = ui.messages;
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  change();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

// The answer to the history so far: adds it to the page as it comes, and to the history at the end.
class Answer {
  constructor(colours) {
    this.view = new AnswerView();
    this.colours = colours ? draftTokens() : null;
    this.speed = new Speed();
    this.message = { role: "assistant", content: "" };
    this.reasoning = "";
    this.finish = null;
  }

  take(frame) {
    if (frame.error) throw new Fault(0, frame.error.message);
    if (frame.usage) this.usage = frame.usage;
    for (const choice of frame.choices) {
      if (choice.delta) this.takeDelta(choice);
      if (choice.finish_reason) this.finish = choice.finish_reason;
    }
    ui.status.textContent = this.speed.text();
  }

  takeDelta(choice) {
    const { delta } = choice;
    const spec = choice.talon ?? delta.talon;
    if (spec) this.speed.addTokens(spec.draft_pos);
    else if (delta.content || delta.reasoning_content) this.speed.addFrame();
    if (delta.reasoning_content) {
      this.reasoning += delta.reasoning_content;
      this.view.setReasoning(this.reasoning);
    }
    if (delta.content) {
      this.message.content += delta.content;
      const tokens = this.colours?.(choice.logprobs?.content, spec?.draft_pos);
      if (tokens) this.view.addTokens(tokens);
      else this.view.setContent(this.message.content);
    }
    for (const part of delta.tool_calls ?? []) this.takeCall(part);
  }

  takeCall(part) {
    this.message.tool_calls ??= [];
    const calls = this.message.tool_calls;
    calls[part.index] ??= { id: part.id, type: "function", function: { name: "", arguments: "" } };
    const made = calls[part.index].function;
    made.name += part.function?.name ?? "";
    made.arguments += part.function?.arguments ?? "";
    this.view.setCall(part.index, made.name, made.arguments);
  }

  end() {
    if (this.reasoning) this.message.reasoning_content = this.reasoning;
    if (this.message.content || this.message.tool_calls) history.push(this.message);
    const parts = [this.speed.text()];
    if (this.usage) parts.unshift(`${this.usage.completion_tokens} tokens`);
    if (this.finish === "length") parts.push("cut at the longest answer allowed");
    this.view.setMeta(parts.filter(Boolean).join(", "));
  }
}

async function answer() {
  const answering = new Answer(element("show-drafts").checked);
  running = new AbortController();
  setRunning(true);
  try {
    const system = ui.system.value.trim();
    const messages = system ? [{ role: "system", content: system }, ...history] : history;
    const response = await call("v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...settings(), messages }),
      signal: running.signal,
    });
    for await (const frame of readEvents(response.body)) follow(() => answering.take(frame));
  } catch (fault) {
    if (fault.name !== "AbortError") answering.view.setFault(fault.message);
  }
  answering.end();
  running = null;
  setRunning(false);
  ui.status.textContent = "";
  void showServer();
}

// Controls ------------------------------------------------------------------------------------

function setRunning(isRunning) {
  ui.send.hidden = isRunning;
  ui.stop.hidden = !isRunning;
  ui.messages.setAttribute("aria-busy", String(isRunning));
}

function showSettings(show) {
  ui.settings.hidden = !show;
  element("show-settings").setAttribute("aria-expanded", String(show));
}

element("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = ui.prompt.value.trim();
  if (!text || running) return;
  ui.prompt.value = "";
  history.push({ role: "user", content: text });
  follow(() => showUser(text));
  void answer();
});
ui.prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    element("compose").requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
ui.stop.addEventListener("click", () => running?.abort());
element("new-chat").addEventListener("click", () => {
  running?.abort();
  history = [];
  ui.messages.replaceChildren();
  ui.prompt.focus();
});
element("show-settings").addEventListener("click", () => showSettings(ui.settings.hidden));
element("settings-form").addEventListener("submit", (event) => event.preventDefault());
element("show-drafts").addEventListener("change", (event) => {
  ui.legend.hidden = !event.target.checked;
});
// The key lives as long as the tab.
element("api-key").value = sessionStorage.getItem("talon-api-key") ?? "";
element("api-key").addEventListener("change", (event) => {
  sessionStorage.setItem("talon-api-key", event.target.value);
  void connect();
});
void connect();

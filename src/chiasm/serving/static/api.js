// The server as the page sees it: OpenAI's protocol and nothing else. Knows no node of the page.

import { events } from "./sse.js";

const KEY = "chiasm.key";

/**
 * Why there is no answer. `kind`: "gone" (no connection), "cut" (the stream broke off), "key" (a key is asked for),
 * "busy" (try later, `retryAfter` seconds when the server said), "refused" (the request), "broken" (the server).
 * The message is the server's own, or empty.
 */
export class ApiError extends Error {
  constructor(kind, message = "", retryAfter = null, status = null, code = null) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** The key lives as long as the tab; it is written nowhere else. */
export function setKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

async function failure(response) {
  let message = "";
  let code = null;
  try {
    const body = await response.json();
    code = body?.error?.code ?? null;
    message = String(body?.error?.message ?? body?.detail ?? "");
  } catch {
    // Not JSON: a proxy in between, perhaps. The status says enough.
  }
  const wait = Number(response.headers.get("Retry-After"));
  const kinds = { 401: "key", 429: "busy", 503: "busy" };
  const kind = kinds[response.status] ?? (response.status >= 500 ? "broken" : "refused");
  return new ApiError(kind, message || (kind === "key" || kind === "busy" ? "" : `HTTP ${response.status}`), wait > 0 ? wait : null, response.status, code);
}

async function ask(path, options) {
  let response;
  try {
    // Relative to the page: works below a path of a proxy, too.
    response = await fetch(path, { ...options, headers: headers(), credentials: "same-origin", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("gone");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/** What the server serves: a list of OpenAI's model objects, extensions and all. */
export async function models() {
  const body = await (await ask("v1/models", {})).json();
  return Array.isArray(body?.data) ? body.data.filter((model) => typeof model?.id === "string") : [];
}

/**
 * What a request would take, in tokens: {total, pictures, limit}, the last two null where the server does not say.
 * An extension of this server. `absent` on the error: it has none, so do not ask again.
 */
export async function countTokens(request, signal) {
  let response;
  try {
    response = await ask("v1/chat/completions/tokens", { method: "POST", body: JSON.stringify(request), signal });
  } catch (error) {
    if (error instanceof ApiError) error.absent = error.code !== "model_not_found" && [404, 405].includes(error.status);
    throw error;
  }
  const body = await response.json();
  const whole = (value) => (Number.isInteger(value) ? value : null);
  const total = whole(body?.prompt_tokens);
  if (total === null) throw new ApiError("broken");
  const pictures = Array.isArray(body.picture_tokens) ? body.picture_tokens.reduce((sum, each) => sum + each, 0) : null;
  return { total, pictures: whole(pictures), limit: whole(body.context_tokens) };
}

/** Where the model looked for `answer`, as the server tells it. An extension of this server. */
export async function looked(request) {
  const body = await (await ask("v1/chiasm/looked", { method: "POST", body: JSON.stringify(request) })).json();
  if (!Array.isArray(body?.words) || !Array.isArray(body.whole) || typeof body.answer !== "string") throw new ApiError("broken");
  return body;
}

/**
 * Streams one answer; `said(text)` gets each piece. Returns {finish, usage, unfamiliar}: the places of
 * pictures unlike those the model has learnt from, where the server tells.
 * A stream that ends without saying why is an error: half an answer must not look whole.
 */
export async function stream(request, signal, said) {
  const body = JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } });
  const response = await ask("v1/chat/completions", { method: "POST", body, signal });
  let finish = null;
  let usage = null;
  let unfamiliar = [];
  try {
    for await (const data of events(response.body)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError("broken", String(chunk.error.message ?? ""));
      const choice = chunk.choices?.[0];
      if (typeof choice?.delta?.content === "string") said(choice.delta.content);
      finish = choice?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
      if (Array.isArray(chunk.unfamiliar_pictures)) unfamiliar = chunk.unfamiliar_pictures.filter(Number.isInteger);
    }
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new ApiError("cut");
  }
  if (finish === null) throw new ApiError("cut");
  return { finish, usage, unfamiliar };
}

/** @file One photo to the server and its answer back: with true progress, patience where the server asks for it, and a
 * code for everything that can go wrong. */

const SILENCE_MS = 120_000, LONGEST_WAIT_S = 60, MOST_TRIES = 6, LOOK_MS = 250;

/** What went wrong: a code of the server's or of this page's, and the server's own sentence. */
export class Refusal extends Error {
  constructor(code, message = "", values = {}) {
    super(message || code);
    this.code = code;
    this.values = values;
  }
}

/** What begins each address of the server, and its key, if it wants one. */
const root = () => document.getElementById("cut").dataset.root;
const key = () => document.getElementById("api-key")?.value ?? "";

/**
 * Posts fields ([name, value] pairs) to a path and gives the answer: {blob, header(name)}. `onState` hears
 * {state: "uploading", share} | {state: "sent"} | {state: "queued", place} | {state: "working", stage} |
 * {state: "receiving"} | {state: "retrying", seconds}. Comes back by itself as long as the server says when to.
 * Rejects with a Refusal, or with the signal's reason.
 */
export async function send(path, fields, { signal = new AbortController().signal, onState = () => {} } = {}) {
  for (let tries = 1; ; tries++) {
    const xhr = await post(path, fields, signal, onState);
    const seconds = waitAsked(xhr);
    if (xhr.status === 200 && xhr.response) {
      return { blob: xhr.response, header: (name) => xhr.getResponseHeader(name) };
    }
    if (!seconds || seconds > LONGEST_WAIT_S || tries === MOST_TRIES) throw await refusalOf(xhr, seconds);
    for (let left = seconds; left > 0; left--) {
      onState({ state: "retrying", seconds: left });
      await sleep(1000, signal);
    }
  }
}

/** One POST. XMLHttpRequest, because fetch cannot tell how much of an upload is done. */
function post(path, fields, signal, onState) {
  if (/[^\x20-\x7e]/.test(key())) return Promise.reject(new Refusal("invalid_api_key")); // no header can hold it
  const body = new FormData();
  for (const [name, value] of fields) body.append(name, value);
  const id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const ended = new AbortController(), watching = new AbortController();
    let patience = 0;
    const end = (settle, value) => {
      clearTimeout(patience);
      watching.abort();
      ended.abort();
      settle(value);
    };
    const waitOn = () => {
      clearTimeout(patience);
      patience = setTimeout(() => {
        end(reject, new Refusal("timeout"));
        xhr.abort();
      }, SILENCE_MS);
    };
    xhr.open("POST", root() + path);
    xhr.setRequestHeader("Accept", "image/*");
    xhr.setRequestHeader("X-Request-ID", id);
    if (key()) xhr.setRequestHeader("X-Api-Key", key());
    xhr.responseType = "blob";
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable) onState({ state: "uploading", share: event.loaded / event.total });
    };
    xhr.upload.onload = () => {
      onState({ state: "sent" });
      waitOn();
      watch(id, onState, watching.signal);
    };
    xhr.onprogress = () => {
      waitOn();
      watching.abort();
      if (xhr.status === 200) onState({ state: "receiving" });
    };
    xhr.onload = () => end(resolve, xhr);
    xhr.onerror = async () => {
      end(reject, new Refusal(await isUnreadable(fields) ? "unreadable_file" : "offline"));
    };
    xhr.onabort = () => end(reject, signal.reason);
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => xhr.abort(), { signal: ended.signal });
    onState({ state: "uploading", share: 0 });
    xhr.send(body);
  });
}

/** Asks where a request is, again and again, until the signal; an answer that does not come is no matter. */
async function watch(id, onState, signal) {
  while (!signal.aborted) {
    const headers = key() ? { "X-Api-Key": key() } : {};
    const answer = await fetch(`${root()}/api/progress/${id}`, { headers, signal })
      .then((reply) => reply.json())
      .catch(() => null);
    if (signal.aborted) return;
    if (answer?.state === "queued" || answer?.state === "working") onState(answer);
    await sleep(LOOK_MS, signal).catch(() => {});
  }
}

/** Whether a file cannot be read any more: a folder, or one that was changed since it was chosen. */
async function isUnreadable(fields) {
  for (const [, value] of fields) {
    if (value instanceof File && !await value.slice(0, 1).arrayBuffer().catch(() => null)) return true;
  }
  return false;
}

/** Resolves after so many milliseconds, or rejects with the signal's reason. */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** Seconds the server asks us to wait, or 0. The header is seconds or a date. */
function waitAsked(xhr) {
  const header = xhr.getResponseHeader("Retry-After");
  if (!header || ![429, 503].includes(xhr.status)) return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : 0;
}

async function refusalOf(xhr, waitS) {
  const answer = await xhr.response?.text().then(JSON.parse).catch(() => null);
  const error = answer?.error;
  if (typeof error?.code !== "string") return new Refusal("bad_answer", "", { status: xhr.status });
  // A long wait is the person's: in minutes.
  return new Refusal(error.code, String(error.message), waitS > LONGEST_WAIT_S ? { count: Math.ceil(waitS / 60) } : {});
}

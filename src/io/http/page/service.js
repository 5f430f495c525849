// Asking the service: what it answers, and what it tells by itself.

const POLL_MS = 2000;
/** After a stream that was refused or broke, figures are asked for this long before another is tried. */
const WITHOUT_STREAM_MS = 20000;
/** A stream that is silent for longer is given up: something happens on it every ten seconds. */
const SILENCE_MS = 25000;
/** A page that nobody looks at gives its stream back after this long. */
const HIDDEN_MS = 30000;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const $ = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function headers() {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** The answer, or why there is none. */
async function answered(response, token) {
  if (response.ok) return response;
  if (response.status === 401) askForToken(token);
  let message = `status ${response.status}`;
  try {
    message = JSON.parse(await response.text()).error ?? message;
  } catch {
    /* not from the service itself, such as a proxy's page */
  }
  throw new Refused(response.status, message);
}

/** Asks for JSON. */
export async function ask(path) {
  const token = sessionStorage.getItem("token");
  const response = await fetch(path, { headers: headers(), signal: AbortSignal.timeout(15000) });
  return (await answered(response, token)).json();
}

// ---------------------------------------------------------------- the token

let entered = () => {};

function askForToken(tried) {
  if (tried) {
    if (sessionStorage.getItem("token") !== tried) return;
    sessionStorage.removeItem("token");
    $("token-wrong").hidden = false;
  }
  const dialog = $("token-dialog");
  if (!dialog.open && $("token-again").hidden) dialog.showModal();
}

const needsToken = () => $("token-dialog").open || !$("token-again").hidden;

/** Makes the dialog work; `onToken` is told when there is another token. */
export function watchToken(onToken) {
  entered = onToken;
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", $("token").value.trim());
    $("token").value = "";
    $("token-dialog").close();
    entered();
  });
  $("token-dialog").addEventListener("close", () => {
    $("token-again").hidden = Boolean(sessionStorage.getItem("token"));
  });
  $("token-open").addEventListener("click", () => {
    $("token-again").hidden = true;
    $("token-dialog").showModal();
  });
}

// ---------------------------------------------------------------- what is told

/** Splits a stream into events `{name, data}`. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    text += piece.value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const of = (field) =>
        lines
          .filter((line) => line.startsWith(`${field}: `))
          .map((line) => line.slice(field.length + 2))
          .join("\n");
      if (of("data")) yield { name: of("event"), data: of("data") };
    }
  }
}

/** Follows a segment until `stop` is called. `tell` has `records(list, isWhole)`, `state(state, how)` and `lost(error)`. */
export function follow(segment, tell) {
  const ended = new AbortController();
  const work = new Following(segment, tell, ended.signal);
  work.run();
  return () => ended.abort();
}

class Following {
  constructor(segment, tell, signal) {
    Object.assign(this, { query: `segment=${encodeURIComponent(segment)}`, tell, signal, isWhole: false, streamFrom: 0 });
  }

  async run() {
    while (!this.signal.aborted) {
      if (needsToken() || (document.hidden && this.isWhole)) await pause(250);
      else await this.once();
    }
  }

  /** One stream from beginning to end, or one question. */
  async once() {
    try {
      if (performance.now() >= this.streamFrom) return await this.stream();
    } catch (error) {
      if (this.signal.aborted || error.status === 401) return;
      this.streamFrom = performance.now() + WITHOUT_STREAM_MS;
    }
    try {
      await this.poll();
    } catch (error) {
      if (this.signal.aborted || error.status === 401) return;
      this.tell.lost(error);
      // When it is back, the stream is there at once.
      this.streamFrom = 0;
    }
    await pause(POLL_MS);
  }

  async stream() {
    const cut = new AbortController();
    const give = () => cut.abort();
    this.signal.addEventListener("abort", give);
    let timer = setTimeout(give, SILENCE_MS);
    let hiding;
    const hide = () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(give, HIDDEN_MS);
    };
    document.addEventListener("visibilitychange", hide);
    let isFirst = true;
    try {
      const token = sessionStorage.getItem("token");
      const response = await answered(await fetch(`v1/live?${this.query}`, { headers: headers(), signal: cut.signal }), token);
      for await (const event of events(response.body)) {
        clearTimeout(timer);
        timer = setTimeout(give, SILENCE_MS);
        if (this.signal.aborted) return;
        this.take(event, isFirst);
        isFirst = isFirst && event.name !== "records";
      }
    } catch (error) {
      if (!document.hidden || !cut.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
      clearTimeout(hiding);
      document.removeEventListener("visibilitychange", hide);
      this.signal.removeEventListener("abort", give);
      cut.abort();
    }
    // A stream that ends at once is no reason to open the next at once.
    await pause(isFirst ? POLL_MS : 100);
  }

  take({ name, data }, isFirst) {
    if (name === "records") {
      this.tell.records(JSON.parse(data), isFirst);
      this.isWhole = true;
    }
    if (name === "state") this.tell.state(JSON.parse(data), "live");
  }

  async poll() {
    const [records, state] = await Promise.all([ask(`v1/metrics?${this.query}`), ask("v1/state")]);
    if (this.signal.aborted) return;
    this.tell.records(records, true);
    this.tell.state(state, "polled");
    this.isWhole = true;
  }
}

// What the studio's server is asked: every route of it stands here. A refusal is an Error whose message is the server's
// own sentence.

export class Refused extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function call(method, path, body, headers = {}) {
  const json = body !== undefined && !(body instanceof FormData);
  const options = {
    method,
    headers: { ...(json && { "Content-Type": "application/json" }), ...headers },
    body: json ? JSON.stringify(body) : body,
  };
  const reply = await fetch(`api/${path}`, options).catch(() => null);
  if (!reply) throw new Refused("The studio does not answer: is `framefall studio` still running?", 0);
  const said = await reply.json().catch(() => null);
  if (!reply.ok) throw new Refused(sentence(said) ?? `The studio refused this (${reply.status}).`, reply.status);
  return said;
}

function sentence(said) {
  const detail = said?.detail ?? said?.sentence;
  if (!Array.isArray(detail)) return detail;
  return detail.map((one) => `${(one.loc ?? []).filter((part) => part !== "body").join(".")}: ${one.msg}`).join("; ");
}

const path = (...parts) => parts.map(encodeURIComponent).join("/");

export const models = () => call("GET", "models");
export const recipes = () => call("GET", "recipes");
export const complete = (model, prompt) => call("POST", "complete", { model, prompt });
export const roots = () => call("GET", "roots");
export const folder = (id) => call("GET", path("folders", id));
export const jobs = (most) => call("GET", `jobs?most=${most}`);
export const job = (id) => call("GET", path("jobs", id));
// a key of its own makes a request that is sent twice one job
export const submit = (kind, request) =>
  call("POST", "jobs", { kind, request }, { "Idempotency-Key": crypto.randomUUID() });
export const cancel = (id) => call("POST", path("jobs", id, "cancel"));
export const again = (id) =>
  call("POST", path("jobs", id, "again"), undefined, { "Idempotency-Key": crypto.randomUUID() });
export const resume = (id) =>
  call("POST", path("jobs", id, "resume"), undefined, { "Idempotency-Key": crypto.randomUUID() });
export const remove = (id) => call("DELETE", path("jobs", id));
export const file = (id) => `api/${path("files", id)}`;

// what a JSON file says
export const said = (id) => call("GET", path("files", id));

export const uploads = () => call("GET", "uploads");
export const forget = (id) => call("DELETE", path("uploads", id));

export function upload(blob, name) {
  const form = new FormData();
  form.append("file", blob, name ?? blob.name);
  return call("POST", "uploads", form);
}

// Events of a job as they come, from its first; the browser connects again by itself and goes on after the last. Gives
// a function that stops.
export function follow(id, handlers) {
  const source = new EventSource(`api/${path("jobs", id, "events")}`);
  for (const [name, handle] of Object.entries(handlers))
    source.addEventListener(name, (event) => handle(JSON.parse(event.data || "null")));
  source.addEventListener("end", () => source.close());
  return () => source.close();
}

/** Dots beside names. Who is there stands in the list #present, which a snapshot fills and changes alter. */

const WORDS = { online: "online", busy: "busy", offline: "offline" };

export function startPresence({ user }) {
  const registry = document.getElementById("present");
  let known = new Map();

  const mark = (dot) => {
    if ("own" in dot.dataset) return; // its user may have chosen to be hidden
    show(dot, known.get(dot.dataset.presence));
  };
  const read = () => {
    const now = statuses(registry);
    if (now.has(user)) showOwn(now.get(user));
    else if (known.has(user)) showOwn("offline");
    known = now;
    document.querySelectorAll("[data-presence]").forEach(mark);
  };
  new MutationObserver(read).observe(registry, { childList: true });
  read();

  return {
    changed: (arrived) => arrived.forEach((element) => element.querySelectorAll("[data-presence]").forEach(mark)),
    /** Nobody knows who is there until there is a connection again. */
    disconnected: () => {
      known = new Map();
      registry.replaceChildren();
    },
  };
}

function statuses(registry) {
  return new Map([...registry.children].map(({ dataset }) => [dataset.user, dataset.status]));
}

function show(dot, status) {
  if ((dot.dataset.status ?? "") === (status ?? "")) return;
  if (status === undefined) {
    for (const name of ["data-status", "role", "aria-label", "title"]) dot.removeAttribute(name);
    return;
  }
  dot.dataset.status = status;
  dot.title = WORDS[status] ?? status;
  if (dot.ariaHidden === "true") return; // where every line would repeat it
  dot.setAttribute("role", "img");
  dot.setAttribute("aria-label", dot.title);
}

function showOwn(status) {
  document.querySelectorAll("[data-own]").forEach((dot) => (dot.dataset.status = status));
  for (const button of document.querySelectorAll("#own-status button")) {
    button.setAttribute("aria-pressed", String(button.value === status));
  }
}

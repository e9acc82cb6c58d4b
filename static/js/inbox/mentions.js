/** Completes @names of colleagues in a private note, where they are told of it. */

const MOST = 6;

/** The mention that is being written before the caret: where its @ stands and what follows it; or null. */
export function mentionAt(text, caret) {
  const match = /(?<![\p{L}\p{N}_])@([\p{L}\p{N}_'-]*(?: [\p{L}\p{N}_'-]*)?)$/u.exec(text.slice(0, caret));
  return match ? { from: match.index, query: match[1] } : null;
}

/** The names, of which one word begins like the query. */
export function matching(names, query) {
  const wanted = query.toLocaleLowerCase();
  const fits = (name) => name.startsWith(wanted) || name.split(/\s+/).some((word) => word.startsWith(wanted));
  return names.filter((name) => fits(name.toLocaleLowerCase())).slice(0, MOST);
}

export function startMentions(text, isNote) {
  const list = document.getElementById("mentions");
  const names = [...document.getElementById("people").children].map(({ textContent }) => textContent);
  let at = null;
  let chosen = 0;

  const close = () => {
    at = null;
    list.hidden = true;
    list.replaceChildren();
    text.removeAttribute("aria-activedescendant");
  };
  const choose = (index) => {
    chosen = (index + list.children.length) % list.children.length;
    [...list.children].forEach((option, n) => option.setAttribute("aria-selected", String(n === chosen)));
    text.setAttribute("aria-activedescendant", `mention-${chosen}`);
  };
  const accept = () => {
    const name = list.children[chosen].textContent;
    text.setRangeText(`@${name} `, at.from, text.selectionStart, "end");
    close();
    text.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const look = () => {
    at = isNote() ? mentionAt(text.value, text.selectionStart) : null;
    const found = at ? matching(names, at.query) : [];
    if (found.length === 0) return close();
    list.replaceChildren(...found.map(option));
    list.hidden = false;
    choose(0);
  };

  text.setAttribute("aria-autocomplete", "list");
  text.setAttribute("aria-controls", "mentions");
  text.addEventListener("input", look);
  text.addEventListener("click", look);
  text.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the focus stays in the text
    const index = [...list.children].indexOf(event.target.closest("li"));
    if (index < 0) return;
    choose(index);
    accept();
  });

  const keys = { ArrowDown: () => choose(chosen + 1), ArrowUp: () => choose(chosen - 1), Enter: accept, Tab: accept, Escape: close };
  return {
    /** Whether the key is for the list; then it has been used. */
    takes: (event) => {
      if (list.hidden || event.isComposing || !Object.hasOwn(keys, event.key)) return false;
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
      return true;
    },
  };
}

function option(name, index) {
  const item = document.createElement("li");
  item.id = `mention-${index}`;
  item.setAttribute("role", "option");
  item.textContent = name;
  return item;
}

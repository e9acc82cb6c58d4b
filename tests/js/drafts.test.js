import assert from "node:assert/strict";
import test from "node:test";

import { Drafts } from "../../static/js/inbox/drafts.js";
import { storage } from "./fakes.js";

const EMPTY = { reply: "", note: "", private: false, version: 0, since: 0, saved: { reply: "", note: "" }, posted: [], isSaved: true, other: { reply: "", note: "" } };

/** The server's side of one conversation's draft, for several devices. */
class Server {
  saved = { reply: "", note: "", version: 0 };
  isAway = false;

  perform = async (stream, action, { reply, note, version }) => {
    assert.equal(`${stream} ${action}`, "conversation:1 draft");
    if (this.isAway) throw Object.assign(new Error("away"), { status: 0 });
    if (reply === this.saved.reply && note === this.saved.note) return { version: this.saved.version };
    if (version !== this.saved.version) throw Object.assign(new Error("stale"), { status: 409, problem: { current: { ...this.saved } } });
    this.saved = { reply, note, version: version + 1 };
    return { version: version + 1 };
  };
}

/** Timers that a test runs by hand. */
class Clock {
  due = new Map();
  #id = 0;
  setTimeout = (run) => {
    this.due.set(++this.#id, run);
    return this.#id;
  };
  clearTimeout = (id) => this.due.delete(id);
  async pass() {
    for (const [id, run] of [...this.due]) {
      this.due.delete(id);
      await run();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function device(server, { kept = storage(), user = 7 } = {}) {
  const clock = new Clock();
  const heard = new EventTarget();
  return { kept, clock, heard, drafts: new Drafts(kept, user, server.perform, { timers: clock, events: heard }) };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));
const write = (drafts, reply, note = "") => drafts.write("1", { reply, note, private: false, since: 0 });

test("a draft of a note is restored as a note, and another conversation has none", () => {
  const { drafts } = device(new Server());
  drafts.write("1", { reply: "Hello", note: "Hi", private: true, since: 0 });
  assert.deepEqual(drafts.read("1"), { ...EMPTY, reply: "Hello", note: "Hi", private: true, isSaved: false });
  assert.deepEqual(drafts.read("2"), EMPTY);
});

test("drafts are kept per user, and a sign-out removes this user's only", () => {
  const kept = storage({ "rtapp.draft.8.1": "{}" });
  const { drafts } = device(new Server(), { kept });
  write(drafts, "Hi");
  drafts.keep("edit.5", { content: "Mine" });
  assert.equal(device(new Server(), { kept, user: 8 }).drafts.read("1").reply, "");
  drafts.clear();
  assert.deepEqual(Object.keys(kept), ["rtapp.draft.8.1"]);
});

test("a draft that another tab writes is announced, and a removal is not", () => {
  const { drafts, heard } = device(new Server());
  const changed = [];
  drafts.listen((conversation) => changed.push(conversation));
  heard.dispatchEvent(Object.assign(new Event("storage"), { key: "rtapp.draft.7.1", newValue: "{}" }));
  heard.dispatchEvent(Object.assign(new Event("storage"), { key: "rtapp.draft.7.2", newValue: null }));
  heard.dispatchEvent(Object.assign(new Event("storage"), { key: "rtapp.draft.8.1", newValue: "{}" }));
  assert.deepEqual(changed, ["1"]);
});

test("a storage that refuses keeps nothing, and the page keeps the draft as long as it is open", () => {
  const refuses = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("full"); } };
  const { drafts } = device(new Server(), { kept: refuses });
  write(drafts, "Hi");
  assert.equal(drafts.read("1").reply, "Hi");
  assert.equal(device(new Server(), { kept: refuses }).drafts.read("1").reply, "");
});

test("a storage with invalid data yields an empty draft", () => {
  for (const text of ["{", "null", '{"content": 5}', "[]", '"x"']) {
    const { reply, note } = device(new Server(), { kept: storage({ "rtapp.draft.7.1": text }) }).drafts.read("1");
    assert.deepEqual([reply, note], ["", ""]);
  }
});

test("a draft is saved on the server, and another device takes it", async () => {
  const server = new Server();
  const laptop = device(server);
  write(laptop.drafts, "Hel");
  write(laptop.drafts, "Hello", "A note");
  assert.equal(laptop.clock.due.size, 1);
  await laptop.clock.pass();
  assert.deepEqual(server.saved, { reply: "Hello", note: "A note", version: 1 });
  const phone = device(server);
  phone.drafts.take("1", server.saved);
  assert.equal(phone.drafts.read("1").reply, "Hello");
  assert.equal(phone.clock.due.size, 0);
});

test("a page that is older than what another tab has saved brings no earlier text back", async () => {
  const server = new Server();
  const { drafts, clock } = device(server);
  write(drafts, "Hel");
  await clock.pass();
  const rendered = { ...server.saved };
  write(drafts, "Hello");
  await clock.pass();
  drafts.take("1", rendered);
  assert.equal(drafts.read("1").reply, "Hello");
});

test("without an answer a draft stays unsaved, and is saved when the connection is back", async () => {
  const server = new Server();
  const { drafts, clock } = device(server);
  server.isAway = true;
  write(drafts, "Hello");
  await clock.pass();
  assert.equal(await drafts.flush(), false);
  server.isAway = false;
  drafts.connected();
  await clock.pass();
  assert.equal(server.saved.reply, "Hello");
  assert.equal(await drafts.flush(), true);
});

test("two devices that write on one draft lose neither text", async () => {
  const server = new Server();
  const laptop = device(server);
  const phone = device(server);
  write(laptop.drafts, "From the laptop");
  await laptop.clock.pass();
  write(phone.drafts, "From the phone");
  await phone.clock.pass(); // refused: it has another base
  const kept = phone.drafts.read("1");
  assert.deepEqual([kept.reply, kept.other.reply], ["From the phone", "From the laptop"]);
  await phone.clock.pass();
  assert.equal(server.saved.reply, "From the phone");
  phone.drafts.dropOther("1", "reply");
  assert.equal(phone.drafts.read("1").other.reply, "");
});

test("a box that nothing was written in takes what another device wrote meanwhile", async () => {
  const server = new Server();
  const laptop = device(server);
  const phone = device(server);
  write(laptop.drafts, "", "A note of the laptop");
  await laptop.clock.pass();
  write(phone.drafts, "A reply of the phone");
  await phone.clock.pass();
  const { reply, note, other } = phone.drafts.read("1");
  assert.deepEqual([reply, note, other], ["A reply of the phone", "A note of the laptop", { reply: "", note: "" }]);
});

test("what was sent on one device is not written again by the other", async () => {
  const server = new Server();
  const laptop = device(server);
  write(laptop.drafts, "Hello");
  await laptop.clock.pass();
  const phone = device(server);
  phone.drafts.take("1", server.saved);
  write(phone.drafts, ""); // sent there
  await phone.clock.pass();
  laptop.drafts.take("1", server.saved);
  assert.equal(laptop.drafts.read("1").reply, "");
});

test("a text that was sent while it was being saved does not come back", async () => {
  const server = new Server();
  const { clock } = device(server);
  const { perform } = server;
  let answer;
  const slow = new Drafts(storage(), 7, async (...asked) => {
    await new Promise((resolve) => (answer = resolve));
    return perform(...asked);
  }, { timers: clock, events: new EventTarget() });
  write(slow, "Sent in a hurry");
  const first = clock.pass();
  await tick();
  write(slow, "");
  await tick();
  const second = clock.pass(); // while the first is on its way
  answer();
  await tick();
  answer();
  await Promise.all([first, second]);
  assert.equal(slow.read("1").reply, "");
  assert.equal(server.saved.reply, "");
});

test("a save whose answer was lost is no other device's", async () => {
  const server = new Server();
  const { clock } = device(server);
  const { perform } = server;
  let isLost = true;
  const lossy = new Drafts(storage(), 7, async (...asked) => {
    const saved = await perform(...asked);
    if (isLost) throw Object.assign(new Error("lost"), { status: 0 });
    return saved;
  }, { timers: clock, events: new EventTarget() });
  write(lossy, "Written once");
  await clock.pass();
  isLost = false;
  write(lossy, "");
  await clock.pass();
  await clock.pass();
  assert.equal(lossy.read("1").reply, "");
  assert.equal(server.saved.reply, "");
});

test("a save whose answer was lost after one that never arrived is no other device's", async () => {
  const server = new Server();
  const { clock } = device(server);
  let isLost = true;
  const lossy = new Drafts(storage(), 7, async (...asked) => {
    const saved = await server.perform(...asked);
    if (isLost) throw Object.assign(new Error("lost"), { status: 0 });
    return saved;
  }, { timers: clock, events: new EventTarget() });
  server.isAway = true;
  write(lossy, "One");
  await clock.pass();
  server.isAway = false;
  write(lossy, "One two");
  await clock.pass();
  assert.equal(server.saved.reply, "One two");
  isLost = false;
  write(lossy, "");
  await clock.pass();
  await clock.pass();
  assert.equal(lossy.read("1").reply, "");
  assert.equal(lossy.read("1").other.reply, "");
  assert.equal(server.saved.reply, "");
});

test("a save that another tab's sign-out overtakes stores no empty draft, which would replace the text on the server", async () => {
  const [server, clock, shared] = [new Server(), new Clock(), storage()];
  let answer = () => {};
  const slow = (...asked) => new Promise((resolve) => (answer = () => resolve(server.perform(...asked))));
  const drafts = new Drafts(shared, 1, slow, { timers: clock });
  const other = new Drafts(shared, 1, server.perform, { timers: clock });
  drafts.write("1", { reply: "Half a sentence", note: "", private: false, since: 0 });
  const passing = clock.pass();
  await Promise.resolve();
  other.clear();
  answer();
  await passing;
  assert.equal(drafts.texts("1"), null);
  drafts.connected();
  other.connected();
  await clock.pass();
  assert.equal(server.saved.reply, "Half a sentence");
});

test("what another tab's sign-out deleted is kept again for its author, and what this tab dropped is not", () => {
  const kept = storage();
  const here = device(new Server(), { kept }).drafts;
  write(here, "A reply");
  here.keep("edit.5", { content: "An edit" });
  here.keep("new", { content: "Sent" });
  here.keep("new", null);
  device(new Server(), { kept }).drafts.clear();
  assert.deepEqual(Object.keys(kept), []);
  here.restore();
  assert.deepEqual(Object.keys(kept).sort(), ["rtapp.draft.7.1", "rtapp.draft.7.edit.5"]);
  here.clear();
  here.restore();
  assert.deepEqual(Object.keys(kept), []);
});

/** Tabs of one browser. Each has the others' changes of the storage when they are delivered, as in Chromium. */
class Tabs {
  #stored = {};
  #changes = [];
  #tabs = [];

  open(server) {
    const tab = { view: { ...this.#stored }, events: new EventTarget(), clock: new Clock() };
    const changed = (key, newValue) => this.#changes.push({ tab, key, newValue });
    const kept = new Proxy(tab.view, {
      get: (view, name) =>
        ({
          getItem: (key) => view[key] ?? null,
          setItem: (key, value) => ((view[key] = value), changed(key, value)),
          removeItem: (key) => (delete view[key], changed(key, null)),
        })[name],
    });
    this.#tabs.push(tab);
    tab.drafts = new Drafts(kept, 7, server.perform, { timers: tab.clock, events: tab.events });
    return tab;
  }

  /** In one order for all tabs; what it makes them write is delivered as well. */
  deliver() {
    for (let change; (change = this.#changes.shift()); ) {
      const { tab, key, newValue } = change;
      const changed = ({ view }) => (newValue === null ? delete view[key] : (view[key] = newValue));
      changed({ view: this.#stored });
      for (const other of this.#tabs.filter((each) => each !== tab)) {
        changed(other);
        other.events.dispatchEvent(Object.assign(new Event("storage"), { key, newValue }));
      }
    }
    for (const { view } of this.#tabs) Object.assign(view, this.#stored);
  }
}

test("of two tabs that write at once, each has the text of the other", () => {
  const tabs = new Tabs();
  const [one, other] = [tabs.open(new Server()), tabs.open(new Server())];
  write(one.drafts, "Begun");
  tabs.deliver();
  write(one.drafts, "Begun here");
  write(other.drafts, "Begun there");
  tabs.deliver();
  const read = one.drafts.read("1");
  assert.deepEqual(other.drafts.read("1"), read);
  assert.deepEqual([read.reply, read.other.reply].sort(), ["Begun here", "Begun there"]);
});

test("of two tabs that write one after the other, the last text is the one of both, and nothing is offered", () => {
  const tabs = new Tabs();
  const [one, other] = [tabs.open(new Server()), tabs.open(new Server())];
  write(one.drafts, "Begun");
  tabs.deliver();
  write(other.drafts, "Changed");
  write(other.drafts, "");
  tabs.deliver();
  for (const { drafts } of [one, other]) {
    const { reply, other } = drafts.read("1");
    assert.deepEqual([reply, other.reply], ["", ""]);
  }
});

test("what is sent in a tab after a reload comes back in no other tab", () => {
  const [tabs, server] = [new Tabs(), new Server()];
  const [one, other] = [tabs.open(server), tabs.open(server)];
  write(one.drafts, "Hello");
  tabs.deliver();
  const reloaded = tabs.open(server);
  write(reloaded.drafts, "");
  tabs.deliver();
  assert.deepEqual([other, reloaded].map(({ drafts }) => drafts.read("1").reply), ["", ""]);
});

test("a tab that stores the server's answer puts no older text back", async () => {
  const [tabs, server] = [new Tabs(), new Server()];
  let answer = () => {};
  const slow = { perform: (...asked) => new Promise((resolve) => (answer = () => resolve(server.perform(...asked)))) };
  const [one, other] = [tabs.open(slow), tabs.open(server)];
  write(one.drafts, "One");
  tabs.deliver();
  const saved = one.clock.pass();
  await tick();
  write(other.drafts, "One two");
  answer();
  await saved;
  tabs.deliver();
  assert.deepEqual([one, other].map(({ drafts }) => drafts.read("1").reply), ["One two", "One two"]);
});

// Acts that the server has not answered yet, in strict order, on the device's disk. One drainer at
// a time (Web Lock) sends the oldest until it is answered: the same key every time, so an act
// counts once however often it is sent. A row leaves only by an answer, or by undo before its
// first sending.

const TIMEOUT = 4000; // ms for an answer
const KEPT = 200; // answered rows that stay, to know after a reload what was done
const TRIES_OF_500 = 6; // then the act is given back to the person

/** Opens the outbox of `who`. `changed(state)` hears of every change, `answered(row, answer)` of
    every answer, `signedOut()` that the session ended. */
export async function openOutbox({ who, changed, answered, signedOut }) {
  const loose = []; // rows this device could not store
  const state = { waiting: 0, mine: 0, since: 0, failing: false, broken: false };
  let top = 0; // highest sequence number known
  let draining = false;
  let stopped = false;
  let wake = () => {};
  const db = await openDb().catch(() => null);
  if (!db) state.broken = true;
  navigator.storage?.persist?.();

  /** Runs `work(waiting, done, notes)` in one transaction; gives the result of its request. What is
      not `strict` may be lost with the battery: then an act is sent once more. */
  const run = (mode, work, durability) =>
    new Promise((resolve, reject) => {
      if (!db) return reject(new Error("no store"));
      const stores = ["waiting", "done", "notes"];
      const tx = db.transaction(stores, mode, { durability });
      const request = work(...stores.map((name) => tx.objectStore(name)));
      tx.oncomplete = () => resolve(request?.result);
      tx.onerror = tx.onabort = () => reject(tx.error);
    });
  const read = (work) => run("readonly", work).catch(() => {});
  const write = (work) => run("readwrite", work).catch(() => {});
  const all = (rows) => rows.getAll();
  const waiting = async (stored) => [...(stored ?? (await read(all)) ?? []), ...loose];
  const mine = (rows) => rows.filter((row) => row.who === who);

  /** Tells what is waiting: the `stored` rows, if they are known, and the loose ones. */
  async function tell(stored) {
    const rows = await waiting(stored);
    state.waiting = rows.length;
    state.mine = mine(rows).length;
    state.since = rows.length ? Date.parse(rows[0].at) : 0;
    state.others = rows.find((row) => row.who !== who)?.who;
    changed(state);
    return rows;
  }

  /** Stores an act; false when the disk refused and it lives in memory only. */
  async function add(act) {
    const row = { ...act, who, at: new Date().toISOString(), tries: 0 };
    const count = (rows, done, notes) => {
      notes.get("seq").onsuccess = ({ target }) => {
        top = row.seq = Math.max(top, target.result ?? 0) + 1;
        notes.put(row.seq, "seq");
        rows.put(row);
      };
    };
    const stored = await run("readwrite", count, "strict").then(
      () => true,
      () => false,
    );
    if (!stored) {
      state.broken = true;
      row.seq ||= ++top;
      loose.push(row);
    }
    await tell();
    drain();
    return stored;
  }

  /** Takes the last act back if it never left the device. */
  async function undo(here) {
    let taken;
    await write((rows) => {
      rows.openCursor(null, "prev").onsuccess = ({ target: { result } }) => {
        if (!result || result.value.tries || result.value.here !== here) return;
        if (result.value.who !== who) return;
        taken = result.value;
        result.delete();
      };
    });
    await tell();
    return taken;
  }

  /** The acts that a page of `here` may not know: those waiting, and those answered since the page
      was asked for (`asked`, device time). A page seen before was asked for back then. */
  async function since(here, nonce, asked) {
    const note = await read((w, d, notes) => notes.get("page"));
    if (note?.nonce === nonce) asked = note.asked;
    else await write((w, d, notes) => notes.put({ nonce, asked }, "page"));
    const done = (await read((w, d) => d.getAll())) ?? [];
    const missed = done.filter((row) => row.settled > asked);
    return mine([...missed, ...(await waiting())]).filter((row) => row.here === here);
  }

  async function settle(row, answer) {
    const at = loose.indexOf(row);
    if (at >= 0) loose.splice(at, 1);
    const left = await write((rows, done) => {
      rows.delete(row.seq);
      if (answer.ok) done.put({ ...row, settled: Date.now() });
      done.delete(IDBKeyRange.upperBound(row.seq - KEPT));
      return all(rows);
    });
    const rows = await tell(left);
    await answered(row, answer);
    return rows;
  }

  /** Marks a row as sent, from when on it cannot be taken back; false when it was just before. */
  async function claim(row) {
    let there = row.tries || loose.includes(row);
    if (there) return true;
    await write((rows) => {
      rows.get(row.seq).onsuccess = ({ target }) => {
        there = target.result;
        if (there) rows.put({ ...row, tries: 1 });
      };
    });
    return there;
  }

  async function sendAll() {
    let rows = await waiting();
    for (let row, tries = 0; (row = mine(rows)[0]); ) {
      if (!(await claim(row))) {
        rows = await waiting();
        continue;
      }
      const answer = await send(row, tries);
      stopped = answer === null;
      if (stopped) return signedOut();
      state.failing = !answer;
      if (answer) {
        tries = 0;
        rows = await settle(row, answer);
      } else {
        rows = await tell();
        await pause(Math.min(8000, 300 * 2 ** tries++) * (0.5 + Math.random() / 2));
      }
    }
  }

  async function drain() {
    wake();
    if (draining || stopped) return;
    draining = true;
    await (navigator.locks?.request("outbox", sendAll) ?? sendAll());
    draining = false;
    if (mine(await waiting()).length) drain();
  }

  const pause = (ms) =>
    new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, ms);
    });

  addEventListener("online", drain);
  document.addEventListener("visibilitychange", drain);
  await tell();
  return { add, undo, since, drain, state };
}

function openDb() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("floor", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("waiting", { keyPath: "seq" });
      request.result.createObjectStore("done", { keyPath: "seq" });
      request.result.createObjectStore("notes");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  });
}

/** A response within `ms`, body included. */
export function ask(url, ms, options) {
  const stop = new AbortController(); // AbortSignal.timeout is missing on older handhelds
  setTimeout(() => stop.abort(), ms);
  return fetch(url, { signal: stop.signal, ...options });
}

/** The server's answer; nothing to try again, null when the session ended. */
async function send({ key, ref, version, scans, path, seq, at }, tries) {
  try {
    const response = await ask("/floor/act", TIMEOUT, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ key, ref, version, scans, path, seq, at }),
    });
    const { status, redirected } = response;
    if (status === 401 || (redirected && response.url.includes("/login"))) return null;
    if ([408, 425, 429, 502, 503, 504].includes(status)) return;
    if (status >= 500 && tries < TRIES_OF_500) return;
    const body = await response.json();
    if (status === 200) return "ok" in body && body;
    return { ok: false, say: body.detail || body.title };
  } catch {
    // no network, or no answer in time
  }
}

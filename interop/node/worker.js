// A process that locks with one of the node-redlocks, for a test that speaks to it: a request is a line of JSON on
// stdin, its answer one on stdout. It ends when stdin does.
//
//   node worker.js redlock4|redlock5 <url of a node>...
"use strict";
const readline = require("readline");
const Redis = require("ioredis");

const [library, ...urls] = process.argv.slice(2);

function connect(url) {
  const client = new Redis(url, { maxRetriesPerRequest: 1 });
  client.on("error", () => {}); // those that matter fail a request
  return client;
}

const clients = urls.map(connect);

// Where the two differ, behind one face. once asks once; patient waits as the library itself does, with as many attempts
// as it makes by default. The pauses are shorter than its 200 ms.
const faces = {
  redlock4(retry) {
    const Redlock = require("redlock4");
    const make = (retryCount) => {
      const redlock = new Redlock(clients, { retryCount, retryDelay: retry, retryJitter: retry / 2 });
      redlock.on("clientError", () => {});
      return redlock;
    };
    return { once: make(0), patient: make(10), refused: async (error) => error.name === "LockError" };
  },
  redlock5(retry) {
    const { default: Redlock } = require("redlock5");
    const make = (retryCount) => new Redlock(clients, { retryCount, retryDelay: retry, retryJitter: retry / 2 });
    // Each attempt tells what each client answered.
    const refused = async (error) =>
      error.name === "ExecutionError" &&
      (await Promise.all(error.attempts))
        .flatMap((attempt) => [...attempt.votesAgainst.values()])
        .every((vote) => vote.name === "ResourceLockedError");
    return { once: make(0), patient: make(10), refused };
  },
};

const { once, refused } = faces[library](2);
const locks = new Map(); // what is held, by a number of ours
let last = 0;

function keep(lock) {
  locks.set(++last, lock);
  return { lock: last };
}

function find(id) {
  if (!locks.has(id)) throw new Error(`no lock ${id}`);
  return locks.get(id);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One worker's part in a contest: it acquires, tells the arbiter, and releases, until the arbiter has seen enough.
async function contend(c, redlock, arbiter) {
  for (let more = true; more; ) {
    let lock;
    try {
      lock = await redlock.acquire(c.keys, c.expiration);
    } catch (error) {
      if (await refused(error)) continue;
      throw error;
    }
    for (const contest of c.contests) await arbiter.eval(c.enter, 1, contest, c.side);
    for (const ledger of c.ledgers) {
      const n = Number((await arbiter.get(ledger)) || 0);
      await arbiter.set(ledger, n + 1);
    }
    more = false;
    for (const contest of c.contests) more = (await arbiter.eval(c.leave, 1, contest)) === 1 || more;
    await once.release(lock);
    await pause(Math.random() * c.pause);
  }
}

const operations = {
  async versions() {
    const version = (name) => require(`${name}/package.json`).version;
    // redlock5 exports no package.json.
    const beside = (name) => {
      const path = require.resolve(name);
      const root = path.slice(0, path.lastIndexOf(`${name}/`) + name.length);
      return JSON.parse(require("fs").readFileSync(`${root}/package.json`, "utf8")).version;
    };
    return { versions: { node: process.version, ioredis: version("ioredis"), [library]: beside(library) } };
  },

  async acquire(r) {
    return keep(await once.acquire(r.keys, r.expiration));
  },

  async release(r) {
    await once.release(find(r.lock));
    locks.delete(r.lock);
    return {};
  },

  async extend(r) {
    locks.set(r.lock, await once.extend(find(r.lock), r.expiration));
    return {};
  },

  // Holds keys within using, of redlock5, which extends them by itself until the test asks for the end.
  async using(r) {
    const id = ++last;
    return new Promise((resolve, reject) => {
      const done = once.using(r.keys, r.expiration, { automaticExtensionThreshold: r.threshold }, async (signal) => {
        await new Promise((end) => {
          locks.set(id, { end: () => (end(), done), signal });
          resolve({ lock: id });
        });
        if (signal.aborted) throw signal.error;
      });
      done.catch(reject); // before it began; after that the end tells
    });
  },

  async end(r) {
    await find(r.lock).end();
    locks.delete(r.lock);
    return {};
  },

  async contend(r) {
    const redlock = faces[library](r.retry).patient;
    const arbiters = [];
    try {
      await Promise.all(
        Array.from({ length: r.workers }, () => {
          const arbiter = connect(r.arbiter);
          arbiters.push(arbiter);
          return contend(r, redlock, arbiter);
        })
      );
    } finally {
      arbiters.forEach((arbiter) => arbiter.disconnect());
    }
    return {};
  },
};

function answer(id, result) {
  process.stdout.write(JSON.stringify({ id, ...result }) + "\n");
}

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const request = JSON.parse(line);
    const operation = operations[request.op] || (() => Promise.reject(new Error(`no operation ${request.op}`)));
    operation(request).then(
      (result) => answer(request.id, result),
      async (error) => answer(request.id, { error: `${error.name}: ${error.message}`, refused: await refused(error) })
    );
  })
  .on("close", () => process.exit(0));

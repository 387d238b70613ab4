/**
 * Hosts Yjs clients as npm has them, each with an editor, and does what it is told by JSON lines on its input:
 * `{id, call, client?, with?}`. It answers `{id, result}` or `{id, error}` on its output, in any order, and ends
 * with its input.
 */

import { createInterface } from "node:readline";
import { Client } from "./client.mjs";
import { loadEditor } from "./editors.mjs";
import { errors } from "./errors.mjs";
import { showUpdate } from "./plain_yjs.mjs";

const clients = new Map();

/** What is not asked of one client. */
const CALLS = {
  open: async ({ name, editor, ...wanted }) => void clients.set(name, new Client(await loadEditor(editor), wanted)),
  editAtOnce: ({ edits }) => {
    for (const [name, ops] of edits) clients.get(name).edit({ ops });
  },
  pair: ({ one, other }) => clients.get(one).exchangeWith(clients.get(other)),
  show: showUpdate,
  errors: () => errors,
};

async function answer({ id, call, client, with: given = {} }) {
  try {
    const result = await (client === undefined ? CALLS[call](given) : clients.get(client)[call](given));
    return { id, result: result ?? null };
  } catch (error) {
    return { id, error: String(error?.stack ?? error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  // Not awaited: a call that waits must not keep the next one waiting.
  answer(JSON.parse(line)).then((reply) => process.stdout.write(`${JSON.stringify(reply)}\n`));
}
process.exit(0);

import { expect, test } from "vitest";
import { type KeptCommit, KeptCommits } from "../src/history.js";
import { Delta } from "../src/ot/index.js";
import { OwnPresence } from "../src/own_presence.js";
import { Roster } from "../src/presence.js";
import type { Caret, Commit, Participant, Presence } from "../src/protocol/messages.js";

const caret = (at: number): Caret => ({ anchor: at, head: at });
const insert = (at: number, text: string): Delta => Delta.of([...(at > 0 ? [{ retain: at }] : []), { insert: text }]);

function bob(revision: number, at: number | null): Participant {
  return { clientId: "bob", author: "bob", name: "Bob", colour: "#112233", avatar: "", revision, caret: at === null ? null : caret(at) };
}

function message(present: readonly Participant[], full = false, left: readonly string[] = []): Presence {
  return { type: "presence", document: "notes", full, present, left };
}

function commit(revision: number, delta: Delta, clientId = "eve", at: Caret | null = null): Commit {
  return { revision, delta, clientId, author: clientId, clientSequence: 1, mac: "", caret: at };
}

function entry(revision: number, delta: Delta, clientId = "eve", at: Caret | null = null): KeptCommit {
  return { revision, delta, clientId, author: clientId, mac: "", before: "", caret: at, frame: "" };
}

function announce(revision: number, participant: Participant, kept = new KeptCommits()): Roster {
  return Roster.EMPTY.announced(message([participant]), "me", revision, kept);
}

const shown = (roster: Roster, revision: number, pending: Delta[] = []): (number | undefined)[] =>
  roster.shownAt(revision, pending).map((one) => one.caret?.head);

test("a caret waits for its revision, then shows, then is carried through later commits", () => {
  let roster = announce(4, bob(5, 3));
  expect(shown(roster, 4)).toEqual([undefined]);
  roster = roster.committed(commit(5, insert(0, "xx")));
  expect(shown(roster, 5)).toEqual([3]);
  roster = roster.committed(commit(6, insert(0, "yy")));
  expect(shown(roster, 6)).toEqual([5]);
});

test("a caret is shown carried over one's own unacknowledged edits, and stays when they are committed", () => {
  const roster = announce(4, bob(4, 3));
  const mine = insert(1, "me");
  expect(shown(roster, 4, [mine])).toEqual([5]);
  expect(shown(roster.carried(mine, 5), 5)).toEqual([5]);
});

test("an insert exactly at a caret does not push it", () => {
  expect(shown(announce(4, bob(4, 3)), 4, [insert(3, "abc")])).toEqual([3]);
});

test("the caret in a commit moves its author's, and an older presence message does not take it back", () => {
  const kept = new KeptCommits();
  let roster = announce(4, bob(4, 0));
  kept.add(entry(5, insert(0, "hey")));
  roster = roster.committed(commit(5, insert(0, "hey"), "bob", caret(3)));
  expect(shown(roster, 5)).toEqual([3]);
  roster = roster.announced(message([bob(4, 0)]), "me", 5, kept);
  expect(shown(roster, 5)).toEqual([3]);
});

test("a caret of an older revision is carried over the commits since, if they are kept", () => {
  const kept = new KeptCommits();
  kept.add(entry(5, insert(0, "xx")));
  expect(shown(announce(5, bob(4, 3), kept), 5)).toEqual([5]);
  expect(shown(announce(5, bob(3, 3), kept), 5)).toEqual([undefined]);
});

test("a caret in the roster that is older than its owner's last commit gives way to the one in that commit", () => {
  const kept = new KeptCommits();
  kept.add(entry(5, insert(0, "hello"), "bob", caret(5)));
  kept.add(entry(6, insert(0, "xx")));
  expect(shown(announce(6, bob(4, 9), kept), 6)).toEqual([7]);
});

test("a full message forgets the others, and one's own client is never shown", () => {
  let roster = announce(1, bob(1, 0));
  roster = roster.announced(message([{ ...bob(1, 0), clientId: "me" }], true), "me", 1, new KeptCommits());
  expect(roster.everyone).toEqual([]);
});

test("who left is gone", () => {
  expect(announce(1, bob(1, 0)).announced(message([], false, ["bob"]), "me", 1, new KeptCommits()).everyone).toEqual([]);
});

test("one's own caret is told once, throttled, and not because others moved it", () => {
  const own = new OwnPresence();
  own.introduce({ name: "Ada", colour: "#aabbcc" });
  own.moveTo(caret(2));
  expect(own.tell("notes", 7, 1_000)).toEqual({
    type: "presence", document: "notes", revision: 7, caret: caret(2), name: "Ada", colour: "#aabbcc",
  });
  expect(own.dueAt).toBeNull();
  own.moveTo(caret(3));
  expect(own.dueAt).toBe(1_050);
  expect(own.tell("notes", 7, 1_050)).not.toHaveProperty("name");
  own.carriedOver(insert(0, "abc"));
  expect(own.dueAt).toBeNull();
  own.moveTo(caret(6));
  expect(own.dueAt).toBeNull();
});

test("whoever typed says where the caret is when somebody comes", () => {
  const own = new OwnPresence();
  own.tell("notes", 1, 0);
  own.moveTo(caret(1));
  own.toldBySubmission(caret(1));
  expect(own.dueAt).toBeNull();
  own.someoneCame();
  expect(own.dueAt).not.toBeNull();
  own.tell("notes", 2, 100);
  own.someoneCame();
  expect(own.dueAt).toBeNull();
});

// Times quill-delta: node node_runner.mjs INPUTS MINIMUM_SECONDS. Prints {name: microseconds per case or edit}.
import { readFileSync } from "node:fs";
import Delta from "quill-delta";

const VERBS = {
  // Ours gives both sides in one call, so both are asked for.
  transform: ([a, b]) => [b.transform(a, false), a.transform(b, true)],
  compose: ([a, b]) => a.compose(b),
  apply: ([document, delta]) => document.compose(delta),
  invert: ([delta, base]) => delta.invert(base),
};

function timeBatch({ verb, cases }, minimumSeconds) {
  const run = VERBS[verb];
  const pairs = cases.map((ops) => ops.map((each) => new Delta(each)));
  const runAll = () => pairs.forEach(run);
  for (let warming = performance.now(); performance.now() - warming < 300 * minimumSeconds; ) runAll();
  let passes = 0;
  const started = performance.now();
  for (; performance.now() - started < 1000 * minimumSeconds; passes += 1) runAll();
  return (1000 * (performance.now() - started)) / passes / pairs.length;
}

function asDelta([position, deleted, inserted]) {
  return new Delta().retain(position).delete(deleted).insert(inserted);
}

function timeReplay(edits) {
  let document = new Delta();
  const started = performance.now();
  for (const edit of edits) document = document.compose(edit);
  const took = performance.now() - started;
  return { took: (1000 * took) / edits.length, length: document.length() };
}

const { batches, trace, growth } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const minimumSeconds = Number(process.argv[3]);
const figures = {};
for (const batch of batches) figures[batch.name] = timeBatch(batch, minimumSeconds);
const edits = trace.map(asDelta);
for (const count of growth) {
  const { took, length } = timeReplay(edits.slice(0, count));
  figures[`paper: apply ${count}`] = took;
  figures[`paper: compose ${count}`] = took; // the same function there
  figures[`paper: length ${count}`] = length;
}
console.log(JSON.stringify(figures));

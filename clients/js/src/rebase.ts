import { Delta, DeltaError, replaceBetween, transform } from "./ot/index.js";

/**
 * What is pending on the document `confirmed`, as one delta on `content`, which shares no history with it.
 *
 * The difference of the two is taken for one commit, so what was written here stays where it was written, as far as
 * that place is still there. Null when it does not fit, which only a defect can bring about.
 */
export function carryOver(pending: readonly Delta[], confirmed: Delta, content: Delta): Delta | null {
  const carried = overDifference(pending, confirmed, content);
  try {
    carried.applyTo(content);
    return carried;
  } catch (error) {
    if (error instanceof DeltaError) return null;
    throw error;
  }
}

function overDifference(pending: readonly Delta[], confirmed: Delta, content: Delta): Delta {
  if (pending.length === 0) return Delta.EMPTY;
  let difference = replaceBetween(confirmed, content);
  let carried = Delta.EMPTY;
  for (const delta of pending) {
    const [next, own] = transform(difference, delta);
    difference = next;
    carried = carried.compose(own);
  }
  return carried;
}

import { sameJson } from "./attributes.js";
import { type Attributes, type Embed, type Op, attributesOf, isDelete, isInsert, isRetain, opLength, withAttributes } from "./types.js";

/**
 * Collects ops into normal form: neighbours that can be one are one, an insert stands before a delete at the same
 * place, nothing is empty, and no plain retain ends the delta.
 */
export class Builder {
  private readonly ops: Op[] = [];

  insert(insert: string | Embed, attributes?: Attributes): this {
    return this.push(withAttributes({ insert }, attributes));
  }

  retain(retain: number, attributes?: Attributes): this {
    return this.push(withAttributes({ retain }, attributes));
  }

  delete(length: number): this {
    return this.push({ delete: length });
  }

  push(op: Op): this {
    if (opLength(op) === 0) return this;
    const last = this.ops.at(-1);
    if (last !== undefined && isDelete(last) && isInsert(op)) return this.insertBeforeDelete(op, last);
    const merged = last === undefined ? undefined : merge(last, op);
    if (merged === undefined) this.ops.push(op);
    else this.ops[this.ops.length - 1] = merged;
    return this;
  }

  finish(): readonly Op[] {
    const last = this.ops.at(-1);
    if (last !== undefined && isRetain(last) && last.attributes === undefined) this.ops.pop();
    return Object.freeze(this.ops);
  }

  private insertBeforeDelete(op: Op, last: Op): this {
    this.ops.pop();
    this.push(op);
    this.ops.push(last);
    return this;
  }
}

function merge(last: Op, op: Op): Op | undefined {
  if (isDelete(last)) return isDelete(op) ? { delete: last.delete + op.delete } : undefined;
  if (!sameJson(last.attributes, attributesOf(op))) return undefined;
  if (isRetain(last)) {
    return isRetain(op) ? withAttributes({ retain: last.retain + op.retain }, last.attributes) : undefined;
  }
  if (!isInsert(op) || typeof last.insert !== "string" || typeof op.insert !== "string") return undefined;
  return withAttributes({ insert: last.insert + op.insert }, last.attributes);
}

/** What a delta is made of. Every length and position counts UTF-16 code units, as JavaScript strings do. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Formatting of a stretch; in a retain, `null` takes the attribute away. Never empty where it is present. */
export type Attributes = { readonly [name: string]: Json };

/** Anything that is not text, such as an image; one unit long. */
export type Embed = { readonly [type: string]: Json };

export interface Insert {
  readonly insert: string | Embed;
  readonly attributes?: Attributes;
}

export interface Retain {
  readonly retain: number;
  readonly attributes?: Attributes;
}

export interface Delete {
  readonly delete: number;
}

export type Op = Insert | Retain | Delete;

export function isInsert(op: Op): op is Insert {
  return "insert" in op;
}

export function isRetain(op: Op): op is Retain {
  return "retain" in op;
}

export function isDelete(op: Op): op is Delete {
  return "delete" in op;
}

export function attributesOf(op: Op): Attributes | undefined {
  return isDelete(op) ? undefined : op.attributes;
}

/** How many units the op inserts, passes or removes. */
export function opLength(op: Op): number {
  if (isRetain(op)) return op.retain;
  if (isDelete(op)) return op.delete;
  return typeof op.insert === "string" ? op.insert.length : 1;
}

/** The op with these attributes, or without any when there are none left. */
export function withAttributes<T extends Insert | Retain>(op: T, attributes: Attributes | undefined): T {
  const { attributes: _, ...bare } = op;
  return (attributes === undefined ? bare : { ...bare, attributes }) as T;
}

export { Builder } from "./builder.js";
export { Delta } from "./delta.js";
export { replaceBetween, splitInserts, textOf } from "./diff.js";
export { DeltaError, type DeltaErrorCode } from "./errors.js";
export { deltaFromJson, documentFromJson } from "./parse.js";
export { transform } from "./transform.js";
export type { Attributes, Delete, Embed, Insert, Json, Op, Retain } from "./types.js";
export { attributesOf, isDelete, isInsert, isRetain, opLength } from "./types.js";
export { holdsLoneSurrogate, splitsPair, withoutLoneSurrogates } from "./utf16.js";

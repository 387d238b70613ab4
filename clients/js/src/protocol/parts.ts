import { type Delta, documentFromJson } from "../ot/index.js";

/**
 * The document in the joined parts: a zlib stream of its ops as UTF-8 JSON.
 *
 * @throws TypeError the stream is damaged or ends early.
 */
export async function inflateParts(parts: readonly Uint8Array<ArrayBuffer>[]): Promise<Delta> {
  // To DecompressionStream "deflate" is RFC 1950, the zlib format.
  const stream = new Blob([...parts]).stream().pipeThrough(new DecompressionStream("deflate"));
  return documentFromJson(JSON.parse(await new Response(stream).text()));
}

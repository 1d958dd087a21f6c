// Memory of bytes that have been copied elsewhere, given back at once.

/** Frees what a codec made, or a connection brought, after its bytes were copied: left to the collector, a fast download would make it run all the time. Bytes that
 *  are a part of something larger stay. `bytes` is empty afterwards. */
export function release(bytes: Buffer): void {
  const { buffer } = bytes
  const isOwn = bytes.length > 0 && buffer.byteLength === bytes.length
  if (isOwn && buffer instanceof ArrayBuffer) buffer.transfer(0)
}

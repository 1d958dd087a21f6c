// `Expect: 100-continue` (RFC 9110 §10.1.1): the go-ahead is given when a body is first read, and never to a refused upload.
import type { IncomingMessage, ServerResponse } from 'node:http'

const held = new WeakSet<IncomingMessage>()

/** Notes that the client waits for 100 before it sends the body. */
export function holdContinue(incoming: IncomingMessage): void {
  held.add(incoming)
}

/** Whether the client is still waiting, so that no body is on its way. */
export function isHeld(incoming: IncomingMessage): boolean {
  return held.has(incoming)
}

/** Tells a waiting client to go on; nothing happens for others, or once an answer was begun. */
export function giveContinue(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (held.delete(incoming) && !outgoing.headersSent) outgoing.writeContinue()
}

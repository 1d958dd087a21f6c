// Who asks: the one Authorization header of a request, turned into a caller, and guessing slowed down.
import type { IncomingMessage } from 'node:http'
import type { Identify } from '../access/identity.ts'
import type { Rate } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import { ANONYMOUS, type Caller } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { Exchange } from './exchange.ts'
import { networkOf } from './network.ts'
import { createRateLimit } from './rate.ts'

export interface CallerDeps {
  readonly identify: Identify
  /** Attempts with credentials that fail, per address; beyond it they are told to wait. */
  readonly failedAuth: Rate | null
  readonly clock: Clock
  readonly observer: Observer
}

/** Fails: what identify fails with, and rate_limited in its place once an address has failed too often. */
export function createCallers(deps: CallerDeps): (exchange: Exchange) => Promise<Caller> | Caller {
  const failures = createRateLimit(deps.failedAuth, deps.clock)
  const identified = async (authorization: string, ip: string): Promise<Caller> => {
    try {
      return await deps.identify(authorization)
    } catch (error) {
      const wait = isFailure(error, 'invalid_token', 'token_expired', 'unauthenticated')
        ? failures.hit(networkOf(ip))
        : 0
      if (wait > 0) {
        deps.observer.event('rate_refused', { limit: 'failed_auth', ip })
        throw fail('rate_limited', 'too many failed attempts from this address', { retryAfter: wait })
      }
      throw error
    }
  }
  return (exchange) => {
    const authorization = exchange.header('authorization')
    return authorization === undefined ? ANONYMOUS : identified(authorization, exchange.start.ip)
  }
}

/** node:http keeps the first of several Host or Authorization headers; which one was meant nobody knows. Fails: invalid_request. */
export function requireSingleHeaders(incoming: IncomingMessage): void {
  const { rawHeaders } = incoming
  let hosts = 0
  let authorizations = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
    else if (name.length === 13 && name.toLowerCase() === 'authorization') authorizations += 1
  }
  if (hosts > 1) throw fail('invalid_request', 'the request has more than one Host header')
  if (authorizations > 1) throw fail('invalid_request', 'the request has more than one Authorization header')
}

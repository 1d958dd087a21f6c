// What bounds an upload: ceilings, reservations and the two moments at which its rule and type are judged.

import type { Access, Decision } from '../access/decide.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, OwnRules } from '../core/model.ts'
import type { Ceilings, Reservation } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import type { Bucket } from '../schema/model.ts'
import { allows } from './sniff.ts'

/** Bytes that are let through before room is asked for again, while the length is unknown: as many as there are, within these bounds. */
const LEAST_AHEAD = 256 * 1024
const MOST_AHEAD = 8 * 1024 * 1024

/** Bytes one file of the bucket may have; the schema guarantees that one of the two is given. */
export function maxFileSize(bucket: Bucket, fallback: number | null): number {
  const limit = bucket.maxFileSize ?? fallback
  if (limit === null) throw fail('internal', `bucket ${bucket.name} has no max_file_size`)
  return limit
}

/** Fails file_too_large when `size` bytes are more than the bucket takes. */
export function requireSize(bucket: Bucket, limit: number, size: number): void {
  if (size <= limit) return
  throw fail('file_too_large', `${size} bytes exceed the ${limit} allowed in bucket ${bucket.name}`, {
    details: { limit, size },
    hint: `Raise buckets.${bucket.name}.max_file_size in schema.yaml.`,
  })
}

/** Fails file_type_not_allowed; `declared` is shown, never believed. */
export function requireType(bucket: Bucket, detected: string, declared: string | null): void {
  if (allows(bucket.allowedTypes, detected)) return
  throw fail('file_type_not_allowed', `bucket ${bucket.name} does not take ${detected}`, {
    details: { detected, declared, allowed: bucket.allowedTypes },
  })
}

/** What a claim in this bucket may not exceed. */
export function ceilings(bucket: Bucket, openUploads: number | null): Ceilings {
  return { bucketTotal: bucket.maxTotalSize, openUploads }
}

/** What to set aside before the first byte: exactly the size when it is known, else nothing, and a first step within the bound. */
export function firstReservation(size: number | null, bound: number | null, limit: number): Reservation {
  if (size !== null) return { need: size, want: size }
  return { need: 0, want: Math.min(bound ?? LEAST_AHEAD, limit, MOST_AHEAD) }
}

/** What to set aside once `count` bytes are there. */
export function nextReservation(count: number, limit: number): Reservation {
  const ahead = Math.min(Math.max(count, LEAST_AHEAD), MOST_AHEAD)
  return { need: count, want: Math.max(count, Math.min(count + ahead, limit)) }
}

/** Reports a refusal by a quota; for `.catch`. Throws the error on. */
export function tellQuota(observer: Observer, bucket: Bucket): (error: unknown) => never {
  return (error) => {
    if (isFailure(error, 'quota_exceeded')) observer.event('quota_refused', { bucket: bucket.name, ...error.details })
    throw error
  }
}

/** The file as a rule sees it before its bytes are known. */
export interface DraftFacts {
  readonly id: string
  readonly name: string
  readonly path: string
  /** Null until counted. */
  readonly size: number | null
  /** Null until sniffed: what a client declares decides nothing. */
  readonly mimeType: string | null
  readonly ownerId: string | null
  readonly metadata: Readonly<Record<string, unknown>>
  readonly createdAt: string
}

/** The create rule on what is known so far. Only where all hangs on a fact still unknown it is left for when that is known: who may not
 *  create, whatever the bytes turn out to be, must not hold a path and a reservation until then. */
export function requireCreate(access: Access, call: Call, bucket: Bucket, facts: DraftFacts): void {
  const request = {
    caller: call.caller,
    operation: 'create' as const,
    bucket: bucket.name,
    file: facts,
    ownRules: null,
    request: call.request,
  }
  const source = bucket.rules.create?.source ?? ''
  const open =
    (facts.size === null && /\bsize\b/.test(source)) || (facts.mimeType === null && /\bmime_type\b/.test(source))
  if (open && hangsOnUnknown(access.decide(request), source)) return
  access.require(request)
}

/** An unknown fact is an error to the rule engine unless the rule has its answer without it; `has()` takes it for a no. */
function hangsOnUnknown(decision: Decision, source: string): boolean {
  return (
    !decision.allowed &&
    (decision.reason.startsWith('error:') || (decision.reason === 'not_true' && /\bhas\b/.test(source)))
  )
}

/** A caller who sets a file's own rules must hold the update right on it. Returns the compiled-and-accepted rules. */
export function requireOwnRules(
  access: Access,
  call: Call,
  bucket: Bucket,
  facts: DraftFacts,
  rules: unknown,
): OwnRules | null {
  if (rules === null || rules === undefined) return null
  if (!bucket.fileSecurity) {
    throw fail('invalid_request', `bucket ${bucket.name} has no file_security: its files carry no rules of their own`)
  }
  const checked = access.checkOwnRules(bucket.name, rules)
  access.require({
    caller: call.caller,
    operation: 'update',
    bucket: bucket.name,
    file: { ...facts, mimeType: facts.mimeType ?? '', size: facts.size ?? 0 },
    ownRules: null,
    request: call.request,
  })
  return checked
}

// The client's errors are the server's: same codes, none missing, none too many.
import { AlyxError, type AlyxErrorCode, type ClientErrorCode, SERVER_CODES, type ServerErrorCode } from 'alyx/client'
import { describe, expect, it } from 'vitest'
import { errorOfAnswer } from '../../src/client/errors.ts'
import { CATALOGUE, type ErrorCode } from '../../src/core/errors.ts'

/** Never sent over HTTP. */
type Unspoken = 'blob_missing' | 'config_invalid'
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
const exhaustive: Same<ServerErrorCode, Exclude<ErrorCode, Unspoken>> = true

/** Compiles only while every code has its case. */
function kindOf(code: ClientErrorCode): string {
  switch (code) {
    case 'network_error':
    case 'timeout':
      return 'try again'
    case 'aborted':
      return 'the caller gave up'
    case 'source_unreadable':
      return 'look at the source'
    case 'unexpected_answer':
      return 'look at the url'
    default:
      return code satisfies never
  }
}

describe('AlyxError', () => {
  it('knows every code the server can answer with', () => {
    expect(exhaustive).toBe(true)
    const spoken = Object.keys(CATALOGUE).filter((code) => code !== 'blob_missing' && code !== 'config_invalid')
    expect([...SERVER_CODES].sort()).toEqual(spoken.sort())
    expect(kindOf('aborted')).toBe('the caller gave up')
  })

  const answer = (status: number, body: string, headers: Readonly<Record<string, string>> = {}) =>
    errorOfAnswer(status, body, (name) => headers[name] ?? null)

  it('is made of the envelope of the answer', () => {
    const body = JSON.stringify({
      error: { code: 'file_exists', message: 'm', hint: 'h', details: { path: 'a' }, request_id: 'r' },
    })
    const error = answer(409, body, { 'retry-after': '7' })
    expect(error).toBeInstanceOf(AlyxError)
    expect(error).toMatchObject({
      code: 'file_exists' satisfies AlyxErrorCode,
      message: 'm',
      hint: 'h',
      status: 409,
      details: { path: 'a' },
      requestId: 'r',
      retryAfter: 7,
    })
  })

  it('of a code that is not known yet says so, and keeps it', () => {
    const error = answer(418, JSON.stringify({ error: { code: 'tea', message: 'm' } }))
    expect(error).toMatchObject({ code: 'unexpected_answer', status: 418, details: { code: 'tea' } })
  })

  it.each([
    [502, '<html>', 'storage_unavailable'],
    [423, '', 'upload_locked'],
    [429, 'slow down', 'rate_limited'],
    [404, '{"error":7}', 'unexpected_answer'],
  ] as const)('of an answer %i without an envelope is still one', (status, body, code) => {
    expect(answer(status, body)).toMatchObject({ code, status, requestId: null })
  })
})

// Callers, files and clocks that the access tests share.

import type { RuleFile } from '../../src/access/rule-context.ts'
import { ANONYMOUS, type Caller, type RequestFacts } from '../../src/core/model.ts'

export const NOW = Date.parse('2026-11-21T12:00:00.000Z')
export const SECRET = 'a secret of the tests that has more than 32 bytes'

export const request: RequestFacts = {
  method: 'GET',
  path: '/api/files/x',
  ip: '192.0.2.7',
  time: '2026-11-21T12:00:00.000Z',
}

export function user(id: string, more: Partial<Caller> = {}): Caller {
  return { ...ANONYMOUS, kind: 'user', id, ...more }
}

export function file(more: Partial<RuleFile> = {}): RuleFile {
  return {
    id: '01932f00-0000-7000-8000-000000000001',
    name: 'cat.png',
    path: 'pets/cat.png',
    mimeType: 'image/png',
    size: 1000,
    ownerId: 'alice',
    metadata: {},
    createdAt: '2026-11-20T12:00:00.000Z',
    ...more,
  }
}

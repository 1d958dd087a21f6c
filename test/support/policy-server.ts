// A server with tiers, and what clients and operators do with it.
import { expect } from 'vitest'
import { BUCKETS } from './buckets.ts'
import { type Answer, type RequestOptions, request } from './http.ts'
import { byHand } from './policies.ts'
import { type StartOptions, startServer, type TestServer } from './server.ts'

/** free: 1,000 bytes, 30 days, two files and 500 bytes in a field, no transforms · vip: 100,000 bytes, no more than that · nothing above 50,000. */
export const POLICIES = {
  default_tier: 'free',
  hard_max_storage: 50_000,
  transform_month_limit: 1000,
  tiers: {
    free: { max_storage: 1000, retention: '30d', max_files_per_field: 2, max_field_bytes: 500, transform_limit: 0 },
    vip: { max_storage: 100_000, retention: null, transform_limit: 100 },
  },
}

/** The buckets of buckets.ts · `zipped`: compressed · `dated`: life of 10 days, 20 at most · `full`: 1,200 bytes in all · `albums` with a
 *  file and two lists of files. */
export const SCHEMA = `${BUCKETS}
  zipped:
    backend: local
    max_file_size: 5GB
    compression: zstd
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
  dated:
    backend: local
    max_file_size: 16MiB
    retention: {default: 10d, max: 20d}
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
  full:
    backend: local
    max_file_size: 16MiB
    max_total_size: 1200
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
collections:
  albums:
    fields:
      id: {type: string, primary: true}
      cover: {type: file, bucket: any, nullable: true}
      photos: {type: "file[]", bucket: any, nullable: true}
      more: {type: "file[]", bucket: any, nullable: true}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
`

export interface PolicyServer {
  readonly server: TestServer
  /** One request by this user; `root` is an admin, null is nobody. */
  as(user: string | null, options: Omit<RequestOptions, 'port' | 'token'>): Promise<Answer>
  put(
    user: string | null,
    bucket: string,
    body: Buffer | string,
    query?: Readonly<Record<string, string>>,
  ): Promise<Answer>
  /** A PUT that must succeed; the File object. */
  store(user: string | null, bucket: string, body: Buffer | string): Promise<{ readonly id: string }>
  /** Runs SQL beside the server. */
  sql(statement: string): number
  /** Every counter equals its sum, and nothing else is wrong. */
  expectSound(): Promise<void>
}

let names = 0

/** Starts it; `serve` another script by `options`. */
export async function startPolicyServer(options: StartOptions = {}): Promise<PolicyServer> {
  const server = await startServer({ schema: SCHEMA, config: { policies: POLICIES }, ...options })
  const { port } = server
  const tokens = new Map<string, Promise<string>>()
  const tokenOf = (user: string): Promise<string> => {
    const token = tokens.get(user) ?? (user === 'root' ? server.admin() : server.token(user))
    tokens.set(user, token)
    return token
  }
  const as: PolicyServer['as'] = async (user, given) =>
    request({ port, token: user === null ? null : await tokenOf(user), ...given })
  const put: PolicyServer['put'] = (user, bucket, body, query = {}) => {
    names += 1
    const search = new URLSearchParams({ name: `file-${names}`, ...query })
    return as(user, { method: 'PUT', path: `/api/files/${bucket}?${search}`, body })
  }
  return {
    server,
    as,
    put,
    async store(user, bucket, body) {
      const answer = await put(user, bucket, body)
      expect(answer.status, answer.text).toBe(201)
      return answer.json()
    },
    sql: (statement) => byHand(`${server.dir}/data`, statement),
    async expectSound() {
      const report = await server.doctor()
      expect(report.problems).toEqual([])
    },
  }
}

/** The details of a refusal, with its status and code. */
export function refusal(answer: Answer): Record<string, unknown> {
  const { error } = answer.json<{ error?: { code: string; details?: Record<string, unknown> } }>()
  return { status: answer.status, code: error?.code, ...error?.details }
}

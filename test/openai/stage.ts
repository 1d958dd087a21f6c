// An Alyx with /v1, served over HTTP in this process with a clock that can be moved, and the official SDK pointed at it.
import { join } from 'node:path'
import OpenAI from 'openai'
import { createApiKey } from '../../src/access/api-keys.ts'
import { type Alyx, createAlyx, serveAlyx } from '../../src/app.ts'
import type { Scope } from '../../src/core/model.ts'
import type { Inspect } from '../../src/files/inspection.ts'
import type { EventName, Observer } from '../../src/observe/observer.ts'
import { SECRET } from '../support/buckets.ts'
import { type ConfigValues, createProject, type Project } from '../support/project.ts'

export const SCHEMA = `version: 1
buckets:
  openai: {backend: local, max_file_size: 200MiB}
  other:
    backend: local
    max_file_size: 1MiB
    rules: {create: "true", read: "true", download: "true"}
`

export interface Stage {
  readonly alyx: Alyx
  readonly url: string
  readonly port: number
  readonly project: Project
  /** Added to the real time, milliseconds. */
  readonly clock: { ahead: number }
  readonly heard: readonly { readonly name: EventName; readonly fields: Readonly<Record<string, unknown>> }[]
  /** A new API key. */
  key(draft?: {
    readonly tenant?: string | null
    readonly scopes?: readonly Scope[]
    readonly role?: string
  }): Promise<string>
  /** The SDK with a new key of this tenant; nothing is tried twice, so that every answer is seen. */
  client(tenant: string, options?: { readonly maxRetries?: number }): Promise<OpenAI>
  /** A raw request with a key. */
  ask(method: string, path: string, key: string | null, init?: RequestInit): Promise<Response>
  close(): Promise<void>
}

/** Opens it. `files_api` beside the bucket, and other keys of alyx.yml, by `config`. */
export async function openStage(
  options: {
    readonly schema?: string
    readonly config?: ConfigValues
    readonly observer?: Observer
    readonly inspect?: Inspect
  } = {},
): Promise<Stage> {
  const config = { files_api: { bucket: 'openai', max_size: '150MB' }, ...options.config }
  const project = await createProject({ schema: options.schema ?? SCHEMA, config })
  const clock = { ahead: 0, now: () => Date.now() + clock.ahead }
  const heard: { name: EventName; fields: Readonly<Record<string, unknown>> }[] = []
  const alyx = await createAlyx({
    configFile: join(project.dir, 'alyx.yml'),
    schemaFile: join(project.dir, 'schema.yaml'),
    env: { ALYX_AUTH_JWT_SECRET: SECRET },
    overrides: { 'logging.level': 'silent' },
    migrate: true,
    ...(options.inspect && { inspect: options.inspect }),
    clock,
    observer: {
      event(name, fields) {
        heard.push({ name, fields })
        options.observer?.event(name, fields)
      },
    },
  })
  const serving = await serveAlyx(alyx)
  const stage: Stage = {
    alyx,
    url: serving.url,
    port: project.port,
    project,
    clock,
    heard,
    async key({ tenant = 'acme', scopes = ['read', 'write'] as readonly Scope[], role } = {}) {
      const { key, row } = createApiKey({ name: null, tenant, scopes, role: role ?? null, expiresAt: null }, { clock })
      await alyx.meta.addKey(row)
      return key
    },
    async client(tenant, { maxRetries = 0 } = {}) {
      return new OpenAI({ apiKey: await stage.key({ tenant }), baseURL: `${serving.url}/v1`, maxRetries })
    },
    ask: (method, path, key, init = {}) =>
      fetch(`${serving.url}${path}`, {
        ...init,
        method,
        headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...(init.headers as object) },
      }),
    async close() {
      await serving.close()
      await alyx.close()
      project.remove()
    },
  }
  return stage
}

/** Everything of an async iterable. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** What an SDK call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<{
  readonly status: number | undefined
  readonly type: string | undefined
  readonly param: string | null | undefined
  readonly code: string | null | undefined
}> {
  const error: unknown = await call.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof OpenAI.APIError)) throw new Error(`not refused by the server: ${String(error)}`)
  const { status, type, param, code } = error
  return { status, type, param, code }
}

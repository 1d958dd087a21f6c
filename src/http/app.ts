// Everything that speaks HTTP, put together: the routes, who may call them from where, and one Hono app that answers.
import { Hono } from 'hono'
import type { Identify } from '../access/identity.ts'
import type { Config, ServerConfig } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'
import { createIds } from '../core/ids.ts'
import type { FileService } from '../files/model.ts'
import type { StorageService } from '../files/storage.ts'
import type { Observer } from '../observe/observer.ts'
import type { RecordService } from '../records/model.ts'
import type { Schema } from '../schema/model.ts'
import type { ShareService } from '../shares/model.ts'
import { createClientAddress } from './address.ts'
import { createCallers } from './caller.ts'
import { createCors } from './cors.ts'
import { registerRoutes } from './dispatch.ts'
import { createRateLimit } from './rate.ts'
import { bucketRoutes } from './rest/buckets.ts'
import { byteRoutes } from './rest/file-bytes.ts'
import { fileRoutes } from './rest/files.ts'
import { linkRoutes } from './rest/links.ts'
import { operationRoutes, type Readiness, type RenderMetrics } from './rest/operations.ts'
import { quarantineRoutes } from './rest/quarantine.ts'
import { recordRoutes } from './rest/records.ts'
import { sharedFileRoutes } from './rest/shared-files.ts'
import { shareRoutes } from './rest/shares.ts'
import { storageRoutes } from './rest/storage.ts'
import { trashRoutes } from './rest/trash.ts'
import type { Route } from './route.ts'

export interface HttpDeps {
  readonly files: FileService
  readonly records: RecordService
  readonly shares: ShareService
  readonly collections: Schema['collections']
  /** Left out: no routes about storage. */
  readonly storage?: StorageService
  readonly identify: Identify
  readonly server: Pick<ServerConfig, 'publicUrl' | 'trustedProxies' | 'cors'>
  readonly rateLimits: Config['rateLimits']
  readonly observer: Observer
  /** Null: not counted, and no /metrics. */
  readonly metrics: HttpMetrics | null
  readonly ready: Readiness
  readonly clock: Clock
  /** Of the product, for the OpenAPI document. */
  readonly version: string
  /** Routes of further protocols, such as tusRoutes(). */
  readonly routes?: readonly Route[]
}

export interface HttpMetrics {
  readonly render: RenderMetrics
  activeUploads(change: 1 | -1): void
}

/** The whole HTTP interface. Serve it with `serveHttp`, or call `app.request()`. */
export function createHttp(deps: HttpDeps): Hono {
  const { files, clock, observer, metrics, rateLimits, server } = deps
  let document: Promise<string> | null = null
  const described = async (): Promise<string> => {
    const { describeRoutes } = await import('./openapi.ts')
    return JSON.stringify(describeRoutes(routes, { version: deps.version, publicUrl: server.publicUrl }))
  }
  const routes: readonly Route[] = [
    ...byteRoutes(files, observer),
    ...fileRoutes(files),
    ...linkRoutes(files),
    ...shareRoutes(deps.shares),
    ...sharedFileRoutes(deps.shares, observer),
    ...trashRoutes(files),
    ...quarantineRoutes(files),
    ...recordRoutes(deps),
    ...(deps.routes ?? []),
    ...bucketRoutes(files),
    ...(deps.storage === undefined ? [] : storageRoutes(deps.storage)),
    ...operationRoutes({
      ready: deps.ready,
      metrics: metrics === null ? null : () => metrics.render(),
      document() {
        document ??= described().catch((error: unknown) => {
          document = null
          throw error
        })
        return document
      },
    }),
  ]
  const app = new Hono()
  registerRoutes(app, routes, {
    callers: createCallers({ identify: deps.identify, failedAuth: rateLimits.failedAuth, clock, observer }),
    address: createClientAddress(server.trustedProxies),
    cors: createCors(server.cors.allowedOrigins),
    rates: { uploads: createRateLimit(rateLimits.uploads, clock), sign: createRateLimit(rateLimits.sign, clock) },
    observer,
    activeUploads: (change) => metrics?.activeUploads(change),
    clock,
    nextId: createIds(clock),
  })
  return app
}

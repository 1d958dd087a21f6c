// All of /v1, and its audit view.
import type { Observer } from '../../observe/observer.ts'
import type { OpenAiService } from '../../openai/model.ts'
import { filesApiRoutes } from '../rest/files-api.ts'
import type { Route } from '../route.ts'
import { openAiFileRoutes } from './files.ts'
import { drainLimit, openAiUploadRoutes } from './uploads.ts'

/** The routes of OPENAI.md. */
export function openAiRoutes({ files, uploads, api }: OpenAiService, observer: Observer): readonly Route[] {
  const drains = drainLimit(api.maxSize)
  const routes = [
    ...openAiFileRoutes({ files, bucket: api.bucket, observer, drains }),
    ...openAiUploadRoutes(uploads, drains),
  ]
  return [
    ...routes.map((route): Route => (route.open === true ? route : { ...route, keyed: true })),
    ...filesApiRoutes(files),
  ]
}

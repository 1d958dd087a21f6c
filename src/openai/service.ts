// /v1 as a whole: files and uploads of one bucket.
import { createPartUrls } from '../access/part-urls.ts'
import { createOpenAiFiles } from './files.ts'
import type { OpenAiDeps, OpenAiService } from './model.ts'
import { createOpenAiUploads } from './uploads.ts'

/** Wires it. `secret` is what part URLs are signed with. */
export function createOpenAi(deps: Omit<OpenAiDeps, 'partUrls'> & { readonly secret: string }): OpenAiService {
  const all = { ...deps, partUrls: createPartUrls(deps.secret) }
  return { files: createOpenAiFiles(all), uploads: createOpenAiUploads(all), api: deps.api }
}

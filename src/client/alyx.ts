// `alyx/client` in browsers, workers and React Native: what is exported, and what those platforms have.
import { type Client, type ClientOptions, connect } from './connect.ts'
import { AlyxError } from './errors.ts'
import type { AnySchema, SchemaFacts, SchemaTypes } from './model.ts'
import { webStore } from './resume-store.ts'

export * from './exports.ts'

/** A client of the server at `options.url`. Generated modules give `schema` and its types; without them every name is tried. Fails:
 *  invalid_request. */
export function createClient<S extends SchemaTypes = AnySchema, M = unknown>(
  options: ClientOptions,
  schema: SchemaFacts | null = null,
): Client<S, M> {
  return connect(WEB, options, schema) as Client<S, M>
}

const WEB = {
  bytesOnly: false,
  streamBody: null,
  fileOf: () => null,
  resumeStore: webStore,
  openPath: async (path: string) => {
    throw new AlyxError('invalid_request', `"${path.slice(0, 80)}" is the path of a file, and there are none here`, {
      hint: 'Give the File or Blob itself.',
    })
  },
}

// `alyx/client` in Node, Bun and Deno: the same, with paths of files, Node streams and a folder that remembers uploads.
import { type Client, type ClientOptions, connect } from '../connect.ts'
import type { AnySchema, SchemaFacts, SchemaTypes } from '../model.ts'
import { NODE } from './host.ts'
import { folderStore, stateFolder } from './resume-folder.ts'

export * from '../exports.ts'
export { folderStore }

/** A client of the server at `options.url`. Generated modules give `schema` and its types; without them every name is tried. Fails:
 *  invalid_request. */
export function createClient<S extends SchemaTypes = AnySchema, M = unknown>(
  options: ClientOptions,
  schema: SchemaFacts | null = null,
): Client<S, M> {
  return connect({ ...NODE, resumeStore: () => folderStore(stateFolder()) }, options, schema) as Client<S, M>
}

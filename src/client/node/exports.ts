// `alyx/client/node`: what `alyx/client` exports, and the staging of files.
export * from './alyx.ts'
export type { StagedUpload, StagingClient } from './delivery.ts'
export {
  type Files,
  type FilesOptions,
  openFiles,
  type RecordReference,
  type SchemaFiles,
  type UploadStaged,
} from './files.ts'
export type { Cleaned, Staged, StageOptions, StagingMetrics } from './staging.ts'
export type { StagingEvents } from './telling.ts'
export type { TemporaryFile } from './temporary.ts'

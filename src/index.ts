// What `import … from "alyx"` gives.
export { type Alyx, type AlyxOptions, createAlyx, type LoadedAlyx, loadAlyx, type Serving, serveAlyx } from './app.ts'
export type { Config } from './config/model.ts'
export type { Clock } from './core/clock.ts'
export { AppError, type ErrorCode } from './core/errors.ts'
export type { Caller, FileRow, Operation } from './core/model.ts'
export type { Transformer, TransformInput, TransformRequest } from './files/transformer.ts'
export type { EventName, Observer } from './observe/observer.ts'
export type { Schema } from './schema/model.ts'

// What rules see: the variables, their fields and types, and how they are read from our own nouns without copying.
import { ANONYMOUS, type Caller, type FileRow, type RequestFacts } from '../core/model.ts'

/** What is in a field as far as rules and columns agree on it: `list` holds texts, `other` is seen otherwise than it is stored. */
export type FieldKind = 'text' | 'number' | 'bool' | 'list' | 'other'

/** The record that a rule of a collection is about. */
export interface RecordSubject {
  readonly fields: ReadonlyMap<string, FieldKind>
  /** Whether there is a `new_doc`: in rules for update. */
  readonly newDoc: boolean
}

/** What a rule is about. */
export type RuleSubject = 'file' | RecordSubject

/** The file as rules know it. What is null is not known yet: a rule that needs it ends in an error. */
export type RuleFile = Pick<FileRow, 'id' | 'name' | 'path' | 'ownerId' | 'metadata' | 'createdAt'> & {
  readonly mimeType: string | null
  readonly size: number | null
}

/** Everything one evaluation may look at; what is not given is an unknown variable, so the rule says no. */
export interface RuleContext {
  readonly caller: Caller
  readonly request: RequestFacts
  /** Kind file: the bucket's name and the file. */
  readonly bucket?: string
  readonly file?: RuleFile
  /** Kind record: the stored row (on create the new one); as its field types show it to rules. */
  readonly doc?: Readonly<Record<string, unknown>> | undefined
  /** Kind record, on update only. */
  readonly newDoc?: Readonly<Record<string, unknown>> | undefined
}

const TIME = 'google.protobuf.Timestamp'

/** Fields of each variable and their CEL types. `dyn` fields are text (`verified`: true or false) or null. */
export const FIELDS = {
  auth: {
    id: 'dyn',
    email: 'dyn',
    verified: 'dyn',
    role: 'dyn',
    roles: 'list<string>',
    tenant: 'dyn',
    claims: 'map<string, dyn>',
  },
  file: {
    id: 'string',
    name: 'string',
    path: 'string',
    mime_type: 'string',
    size: 'int',
    bucket: 'string',
    owner_id: 'string',
    metadata: 'map<string, dyn>',
    created_at: TIME,
  },
  request: { method: 'string', path: 'string', ip: 'string', time: TIME },
} as const satisfies Record<string, Record<string, string>>

const NO_REQUEST: RequestFacts = { method: '', path: '', ip: '', time: '' }
/** Stands in where a rule does not look at the file. */
export const NO_FILE: RuleFile = {
  id: '',
  name: '',
  path: '',
  mimeType: '',
  size: 0,
  ownerId: null,
  metadata: {},
  createdAt: '',
}

// Classes, because the rule engine knows a type by its constructor; getters, so that only what a rule reads is converted.

/** `auth` in rules: the caller of the evaluation under way. */
export class AuthView {
  of: Caller = ANONYMOUS
  get id(): string | null {
    return this.of.id
  }
  get email(): string | null {
    return this.of.email
  }
  get verified(): boolean | null {
    return this.of.verified
  }
  get role(): string | null {
    return this.of.role
  }
  get roles(): readonly string[] {
    return this.of.roles
  }
  get tenant(): string | null {
    return this.of.tenant
  }
  get claims(): Readonly<Record<string, unknown>> {
    return this.of.claims
  }
}

/** `file` in rules. */
export class FileView {
  of: RuleFile = NO_FILE
  bucket = ''
  get id(): string {
    return this.of.id
  }
  get name(): string {
    return this.of.name
  }
  get path(): string {
    return this.of.path
  }
  get mime_type(): string | undefined {
    return this.of.mimeType ?? undefined
  }
  get size(): bigint | undefined {
    return this.of.size === null ? undefined : BigInt(this.of.size)
  }
  /** A file of nobody has "", which is never an anonymous caller's null. */
  get owner_id(): string {
    return this.of.ownerId ?? ''
  }
  get metadata(): Readonly<Record<string, unknown>> {
    return this.of.metadata
  }
  get created_at(): Date {
    return new Date(this.of.createdAt)
  }
}

/** `request` in rules. */
export class RequestView {
  of: RequestFacts = NO_REQUEST
  get method(): string {
    return this.of.method
  }
  get path(): string {
    return this.of.path
  }
  get ip(): string {
    return this.of.ip
  }
  get time(): Date {
    return new Date(this.of.time)
  }
}

/** The object handed to the engine. One serves all evaluations, which are synchronous and never nested. */
export function createScope(): { fill(context: RuleContext): Readonly<Record<string, unknown>> } {
  const auth = new AuthView()
  const file = new FileView()
  const request = new RequestView()
  const scope: Record<string, unknown> = { auth, file: undefined, request, doc: undefined, new_doc: undefined }
  return {
    fill(context) {
      auth.of = context.caller
      request.of = context.request
      file.of = context.file ?? NO_FILE
      file.bucket = context.bucket ?? ''
      scope.file = context.file === undefined ? undefined : file
      scope.doc = context.doc
      scope.new_doc = context.newDoc
      return scope
    },
  }
}

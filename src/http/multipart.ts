// Upload forms (RFC 7578), streaming: small fields, and one part that is the file, whose bytes are handed on unread.
import { Readable } from 'node:stream'
import { Dicer } from '@fastify/busboy'
import { fail, isFailure } from '../core/errors.ts'
import { parseDisposition } from './disposition.ts'
import type { Exchange } from './exchange.ts'

/** What a form may hold. */
export interface FormSpec<F extends string> {
  /** Name of the part that is the file. */
  readonly file: string
  readonly fields: readonly F[]
  /** Fields may follow the file, too: they are known once its body has ended. */
  readonly trailing?: true
  /** The name of a file that is sent without one; without this it is refused. */
  readonly unnamed?: string
}

const UPLOAD = {
  file: 'file',
  fields: ['path', 'metadata', 'expires_in', 'checksum', 'rules'],
} as const satisfies FormSpec<string>

/** Bytes: of one field, of everything before the file, after the closing boundary, of one part's headers. */
const MAX_FIELD = 64 * 1024
const MAX_HEAD = 1024 * 1024
const MAX_EPILOGUE = 64 * 1024
const MAX_HEADERS = 16 * 1024
const MAX_HEADER_PAIRS = 20
const HIGH_WATER_MARK = 256 * 1024
/** What may pile up in the parser while the file waits to be read. */
const PARSER_MARK = 256 * 1024
const BOUNDARY = /;[ \t]*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))[ \t]*(?:;|$)/i

export interface UploadForm<F extends string = (typeof UPLOAD)['fields'][number]> {
  readonly fields: Readonly<Partial<Record<F, string>>>
  /** The file's name as written by the client, unchecked. */
  readonly name: string
  readonly declaredType: string | null
  /** The file. Ends only after the form's closing boundary and the end of the request; anything else is an error. */
  readonly body: Readable
}

type PartHeaders = Readonly<Record<string, readonly string[] | undefined>>

/** Resolves as soon as the file part starts. Fails: unsupported_media_type, invalid_request, invalid_filename, body_too_large. */
export function readUploadForm(exchange: Exchange): Promise<UploadForm> {
  return readForm(exchange, UPLOAD)
}

/** The same for forms of another kind. `details.parameter` names the field at fault. */
export function readForm<F extends string>(exchange: Exchange, spec: FormSpec<F>): Promise<UploadForm<F>> {
  const boundary = boundaryOf(exchange.header('content-type'))
  const source = exchange.body()
  return new Promise((resolve, reject) => {
    const fields: Partial<Record<F, string>> = {}
    const isField = (name: string): name is F => (spec.fields as readonly string[]).includes(name)
    const wrong = (message: string, parameter: string): Error =>
      fail('invalid_request', message, { details: { parameter } })
    const dicer = new Dicer({
      boundary,
      maxHeaderPairs: MAX_HEADER_PAIRS + 1,
      maxHeaderSize: 2 * MAX_HEADERS,
      partHwm: PARSER_MARK,
      highWaterMark: PARSER_MARK,
    } as ConstructorParameters<typeof Dicer>[0])
    let file: { name: string; declaredType: string | null; body: Readable } | null = null
    let openFields = 0
    let headless = false
    let size = 0
    let epilogue = 0
    const done = { source: false, form: false, part: false }

    const fault = (error: unknown): void => {
      const failure = isFailure(error) ? error : fail('invalid_request', 'the form is malformed', { cause: error })
      source.off('data', onData).off('end', onEnd)
      reject(failure)
      file?.body.destroy(failure)
      source.destroy()
    }
    const handOver = (): void => {
      if (file !== null && openFields === 0) resolve({ fields, ...file })
    }
    const finish = (): void => {
      if (done.source && done.form && file === null) fault(wrong(`the form has no part named ${spec.file}`, spec.file))
      else if (done.source && done.form && done.part && openFields === 0) file?.body.push(null)
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (done.form) epilogue += chunk.length
      if (file === null && size > MAX_HEAD) {
        const details = { limit: MAX_HEAD }
        fault(fail('body_too_large', `more than ${MAX_HEAD} bytes come before the file`, { details }))
      } else if (epilogue > MAX_EPILOGUE) fault(fail('invalid_request', 'the form goes on after its closing boundary'))
      else if (!dicer.write(chunk)) source.pause()
    }
    const onEnd = (): void => {
      done.source = true
      if (done.form) finish()
      else dicer.end()
    }

    const readField = (name: string, part: Readable): void => {
      if (!isField(name))
        throw wrong(`the form has an unknown field ${JSON.stringify(name.slice(0, 80))}`, name.slice(0, 80))
      if (name in fields) throw wrong(`the form has the field ${name} twice`, name)
      fields[name] = ''
      openFields += 1
      const chunks: Buffer[] = []
      let length = 0
      part.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length <= MAX_FIELD) chunks.push(chunk)
        else
          fault(
            fail('body_too_large', `the field ${name} exceeds ${MAX_FIELD} bytes`, { details: { limit: MAX_FIELD } }),
          )
      })
      part.on('end', () => {
        const text = utf8(Buffer.concat(chunks))
        if (text === null) return fault(wrong(`the field ${name} is not UTF-8`, name))
        fields[name] = text
        openFields -= 1
        handOver()
        finish()
      })
    }
    const readFile = (given: string | null, headers: PartHeaders, part: Readable): void => {
      const filename = given ?? spec.unnamed
      if (filename === undefined) throw fail('invalid_filename', `the part named ${spec.file} has no file name`)
      const body = new Readable({
        highWaterMark: HIGH_WATER_MARK,
        read() {
          part.resume()
        },
        destroy(error, closed) {
          source.off('data', onData).off('end', onEnd)
          source.destroy()
          closed(error)
        },
      })
      // It may break before anyone listens.
      body.on('error', () => {})
      file = { name: filename, declaredType: headers['content-type']?.[0]?.trim() ?? null, body }
      part.on('data', (chunk: Buffer) => {
        if (!body.push(chunk)) part.pause()
      })
      // Nothing of it is read before the service asks: a refusal costs nobody the bytes.
      part.pause()
      part.on('end', () => {
        done.part = true
        finish()
      })
      handOver()
    }
    const readPart = (headers: PartHeaders, part: Readable): void => {
      headless = false
      if (file !== null && spec.trailing !== true)
        throw fail('invalid_request', 'a part follows the file, which must be the last')
      requireFewHeaders(headers)
      requirePlain(headers)
      const { name, filename } = parseDisposition(headers['content-disposition']?.[0] ?? '')
      if (name !== spec.file) readField(name, part)
      else if (file === null) readFile(filename, headers, part)
      else throw wrong(`the form has the part ${name} twice`, name)
    }

    dicer.on('part', (part: Readable) => {
      part.on('error', () => {})
      if (headless) return fault(fail('invalid_request', 'a part of the form has no end of headers'))
      headless = true
      part.on('header', (headers: PartHeaders) => {
        try {
          readPart(headers, part)
        } catch (error) {
          part.resume()
          fault(error)
        }
      })
    })
    dicer.on('drain', () => source.resume())
    dicer.on('error', () => fault(fail('invalid_request', 'the form ended before its closing boundary')))
    dicer.on('finish', () => {
      if (headless) return fault(fail('invalid_request', 'a part of the form has no end of headers'))
      done.form = true
      finish()
    })
    source.on('error', fault)
    source.on('data', onData).on('end', onEnd)
  })
}

function boundaryOf(contentType: string | undefined): string {
  if (contentType === undefined || !/^multipart\/form-data[ \t]*(?:;|$)/i.test(contentType)) {
    throw fail('unsupported_media_type', 'the body must be multipart/form-data', {
      hint: 'Send a form with a part named file, or PUT the bytes themselves.',
    })
  }
  const match = BOUNDARY.exec(contentType)
  if (match === null) throw fail('invalid_request', 'the content type names no boundary of 1 to 70 characters')
  return match[1] ?? match[2]!
}

/** The parser drops silently what exceeds its limits, so those are set wider and looked at here. */
function requireFewHeaders(headers: PartHeaders): void {
  let pairs = 0
  let size = 0
  for (const [name, values = []] of Object.entries(headers)) {
    for (const value of values) {
      pairs += 1
      size += name.length + value.length
    }
  }
  if (pairs <= MAX_HEADER_PAIRS && size <= MAX_HEADERS) return
  throw fail(
    'invalid_request',
    `a part of the form has more than ${MAX_HEADER_PAIRS} headers or ${MAX_HEADERS} bytes of them`,
  )
}

/** Decoding transfer encodings ended with RFC 7578 §4.7; storing the encoded bytes would not be what was meant. */
function requirePlain(headers: PartHeaders): void {
  const encoding = headers['content-transfer-encoding']?.[0]?.trim().toLowerCase() ?? 'binary'
  if (!['binary', '8bit', '7bit'].includes(encoding))
    throw fail('invalid_request', 'parts with a Content-Transfer-Encoding are not taken')
}

function utf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

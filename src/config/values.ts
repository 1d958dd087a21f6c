// The single values of alyx.yml that nothing else needs: paths, addresses, networks, keys.
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { refine, report, type Shape } from '../core/shape.ts'
import { secret, text } from '../core/values.ts'

export const path = refine(text, (value) =>
  value.split('/').includes('..')
    ? 'must not contain ".."'
    : resolve('/somewhere', value) === '/'
      ? 'must not be the root of the disk'
      : null,
)

export const url = (what: string, fault: (url: URL) => string | null): Shape<string> =>
  refine(text, (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : null
    if (parsed === null || !/^https?:$/.test(parsed.protocol))
      return `expected ${what}, beginning with https:// or http://`
    return parsed.username !== '' || parsed.password !== '' ? 'must not hold a user name or a password' : fault(parsed)
  })

export const originOnly = (parsed: URL) =>
  parsed.pathname !== '/' || parsed.search !== '' || parsed.hash !== '' ? 'must end after the host and port' : null
export const address = url('an address', () => null)
export const endpoint = url('an address such as https://s3.example', (parsed) =>
  parsed.search !== '' || parsed.hash !== '' ? 'must end after the host, the port and a path' : null,
)
export const s3Bucket = refine(text, (value) =>
  /^[A-Za-z0-9][\w.-]{1,61}[A-Za-z0-9]$/.test(value) ? null : 'expected the name of an S3 bucket',
)
export const s3Region = refine(text, (value) =>
  /^[A-Za-z0-9-]+$/.test(value) ? null : 'expected a region such as eu-central-1, or auto',
)
export const s3Prefix = refine(text, (value) =>
  /^(?!\.\.?(\/|$))[\w.-]+(\/(?!\.\.?(\/|$))[\w.-]+)*$/.test(value)
    ? null
    : 'expected letters, digits, . _ and -, in segments joined by "/"',
)
export const corsOrigin = refine(text, (value) =>
  value === '*' || (URL.canParse(value) && new URL(value).origin === value)
    ? null
    : 'expected an origin such as https://app.example, or "*"',
)
export const network = refine(text, (value) => {
  const [ip = '', bits, ...more] = value.split('/')
  const widest = { 4: 32, 6: 128 }[isIP(ip)]
  const fits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (widest ?? 0))
  return widest !== undefined && fits && more.length === 0
    ? null
    : 'expected an IP address or a network such as 10.0.0.0/8'
})

export const database: Shape<string> = {
  below: null,
  read(node, reading) {
    const value = secret.read(node, reading)
    const file = /^sqlite:(.*)$/s.exec(value)?.[1]
    if (value === '' || /^postgres(ql)?:\/\/./.test(value)) return value
    // the address may hold a password: it is not repeated
    if (file === undefined) report(reading, 'expected sqlite:<file> or postgres://…', node.at)
    else if (file.startsWith(':'))
      report(reading, 'a database in memory would forget every file: name one on disk', node.at)
    else if (file.startsWith('//'))
      report(reading, 'expected sqlite:<file> without "//", such as sqlite:data/alyx.db', node.at)
    else path.read({ kind: 'scalar', value: file, text: file, loose: true, at: node.at }, reading)
    return value
  },
}

export const encryptionKey: Shape<Buffer> = {
  below: null,
  read(node, reading) {
    const value = node.kind === 'scalar' ? node.text : ''
    const key = Buffer.from(value.replace(/^base64:/, ''), 'base64')
    if (!value.startsWith('base64:') || key.length !== 32 || key.toString('base64') !== value.slice(7)) {
      report(reading, 'expected "base64:" and 32 bytes in base64: openssl rand -base64 32', node.at)
    }
    return key
  },
}

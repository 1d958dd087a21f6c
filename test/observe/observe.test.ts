// What gets into the log and the counters, and what must never get there.
import { describe, expect, test } from 'vitest'
import { createObserve, type ObserveOptions } from '../../src/observe/observe.ts'

const clock = { now: () => Date.parse('2026-01-02T03:04:05.678Z') }

function observe(logging: Partial<ObserveOptions['logging']> = {}, enabled = true) {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  return {
    lines,
    ...createObserve({
      logging: { level: 'info', format: 'json', ...logging },
      metrics: { enabled },
      clock,
      destination,
    }),
  }
}

describe('log', () => {
  test('an event is one JSON line with time, level, name and fields', () => {
    const { observer, lines } = observe()
    observer.event('request', { request_id: 'r', method: 'GET', path: '/a', status: 200, ms: 3, bytes: 5, caller: 'u' })
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        level: 'info',
        time: '2026-01-02T03:04:05.678Z',
        request_id: 'r',
        method: 'GET',
        path: '/a',
        status: 200,
        ms: 3,
        bytes: 5,
        caller: 'u',
        event: 'request',
      },
    ])
  })

  test('levels follow the kind of event', () => {
    const { observer, lines } = observe({ level: 'warn' })
    observer.event('request', {})
    observer.event('step', {})
    observer.event('config_warning', {})
    observer.event('storage_error', {})
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'error'])
  })

  test('errors are logged with their causes', () => {
    const { observer, lines } = observe()
    observer.event('internal_error', {
      error: new Error('outer', { cause: Object.assign(new Error('inner'), { code: 'EIO' }) }),
    })
    const { error } = JSON.parse(lines[0]!)
    expect(error).toMatchObject({
      name: 'Error',
      message: 'outer',
      stack: expect.any(String),
      cause: { message: 'inner', code: 'EIO' },
    })
  })

  test('secrets are struck out by key and by look', () => {
    const { observer, lines } = observe()
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl'
    observer.event('server', {
      authorization: 'Bearer topsecret',
      headers: { Cookie: 'topsecret', jwt_secret: 'topsecret' },
      url: '/a/download?token=topsecret&x=1',
      error: new Error(`bad ${jwt} and alyx_topsecret123 and Bearer topsecret`),
    })
    expect(lines.join()).not.toMatch(/topsecret|eyJ/)
    expect(JSON.parse(lines[0]!).url).toBe('/a/download?token=[struck out]&x=1')
  })

  test.each(['json', 'pretty'] as const)(
    '%s: newlines, colours and direction marks of clients stay one harmless line',
    (format) => {
      const { observer, lines } = observe({ format })
      observer.event('request', { path: '/a\r\n{"level":"info"}\u001b[31m\u202e\u009b' })
      expect(lines).toHaveLength(1)
      expect(lines[0]!.trimEnd().split('\n')).toHaveLength(1)
      expect(lines[0]).not.toContain('\u001b')
      if (format === 'pretty') expect(lines[0]).not.toMatch(/[\u202e\u009b]/)
    },
  )

  test('pretty is text for people, with the stack below', () => {
    const { observer, lines } = observe({ format: 'pretty' })
    observer.event('request', { method: 'GET', path: '/a b', status: 200 })
    expect(lines[0]).toBe('03:04:05.678 info  request method=GET path="/a b" status=200\n')
    observer.event('internal_error', { error: new Error('boom') })
    expect(lines[1]).toMatch(/^03:04:05.678 error internal_error error=.*boom.*\n {4}Error: boom\n {4} {4}at /)
  })
})

describe('metrics', () => {
  test('events become counters, also those from before the library was loaded', async () => {
    const { observer, metrics } = observe({ level: 'silent' })
    observer.event('request', { route: '/api/files/{bucket}', method: 'GET', status: 200, ms: 12 })
    observer.event('request', { route: 'unmatched', method: 'BREW', status: 404, ms: 1 })
    observer.event('upload', { bucket: 'pub', protocol: 'put', result: 'stored', bytes: 7 })
    observer.event('download', { bucket: 'pub', protocol: 'rest', bytes: 9, status: 200, whole: true })
    observer.event('download', { bucket: 'pub', protocol: 'link', bytes: 0, status: 304, whole: true })
    observer.event('storage_error', {
      backend: 'local',
      operation: 'put',
      error: Object.assign(new Error('x'), { code: 'EIO' }),
    })
    metrics!.activeUploads(1)
    await metrics!.render()
    observer.event('rule_refused', { operation: 'read', bucket: 'pub' })
    const { contentType, body } = await metrics!.render()
    expect(contentType).toContain('text/plain')
    for (const line of [
      'alyx_http_requests_total{route="/api/files/{bucket}",method="GET",status="200"} 1',
      'alyx_http_requests_total{route="unmatched",method="other",status="404"} 1',
      'alyx_http_request_duration_seconds_sum{route="/api/files/{bucket}",method="GET"} 0.012',
      'alyx_uploads_total{protocol="put",result="stored"} 1',
      'alyx_upload_bytes_total{protocol="put",result="stored"} 7',
      'alyx_downloads_total{protocol="rest",result="whole"} 1',
      'alyx_downloads_total{protocol="link",result="not_modified"} 1',
      'alyx_download_bytes_total{protocol="rest",result="whole"} 9',
      'alyx_storage_errors_total{backend="local",operation="put",code="EIO"} 1',
      'alyx_rule_refused_total{operation="read"} 1',
      'alyx_active_uploads 1',
    ]) {
      expect(body).toContain(`${line}\n`)
    }
    expect(body).toContain('process_cpu_seconds_total')
  })

  test('switched off, nothing is counted', () => {
    expect(observe({}, false).metrics).toBeNull()
  })
})

// The requests that carry bytes: with progress where the platform has it, through the HTTP stack of tus-js-client.
import { DefaultHttpStack, type HttpRequest, type HttpResponse, type HttpStack } from 'tus-js-client'

/** XMLHttpRequest in browsers and their workers, node:http in Node, Bun and Deno, else fetch, which tells no progress. */
export function httpStack(): HttpStack {
  const standard = new DefaultHttpStack({})
  const needsXhr = standard.getName() === 'XHRHttpStack'
  return needsXhr && !('XMLHttpRequest' in globalThis) ? fetchStack() : standard
}

function fetchStack(): HttpStack {
  return { createRequest: (method, url) => fetchRequest(method, url), getName: () => 'FetchHttpStack' }
}

function fetchRequest(method: string, url: string): HttpRequest {
  const headers: Record<string, string> = {}
  const controller = new AbortController()
  return {
    getMethod: () => method,
    getURL: () => url,
    setHeader(name, value) {
      headers[name] = value
    },
    getHeader: (name) => headers[name],
    setProgressHandler: () => {},
    async send(body?: Blob | Uint8Array<ArrayBuffer> | null): Promise<HttpResponse> {
      const answer = await fetch(url, { method, headers, body: body ?? null, signal: controller.signal })
      const text = await answer.text()
      return {
        getStatus: () => answer.status,
        getHeader: (name) => answer.headers.get(name) ?? undefined,
        getBody: () => text,
        getUnderlyingObject: () => answer,
      }
    },
    abort: async () => controller.abort(),
    getUnderlyingObject: () => null,
  }
}

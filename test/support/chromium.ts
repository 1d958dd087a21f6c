// Debian's Chromium, headless, driven by playwright-core; and pages built by Vite, served from an origin of their own.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'
import { build } from 'vite'

const EXECUTABLE = '/usr/bin/chromium'

/** Why no browser can be driven here; null = one can. */
export function whyNoChromium(): string | null {
  return existsSync(EXECUTABLE) ? null : `${EXECUTABLE} is missing: scripts/install-chromium.sh installs it`
}

export interface Browser {
  readonly context: BrowserContext
  /** Chromium's version, for what a test prints. */
  readonly version: string
  close(): Promise<void>
}

/** Starts a browser with a new, empty profile. It asks nothing of the network by itself. */
export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'alyx-chromium-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: EXECUTABLE,
    headless: true,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  })
  return {
    context,
    version: context.browser()?.version() ?? '',
    close: async () => {
      await context.close()
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

export interface Site {
  /** Without a trailing slash. */
  readonly origin: string
  /** The text of all scripts. */
  readonly scripts: string
  close(): Promise<void>
}

/** Builds the page in `root` as its author would, with `alias` in place of installed packages, and serves it. */
export async function serveSite(root: string, alias: Readonly<Record<string, string>>): Promise<Site> {
  const outDir = mkdtempSync(join(tmpdir(), 'alyx-site-'))
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    resolve: { alias: { ...alias } },
    build: { outDir, minify: false },
  })
  const scripts: string[] = []
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://site').pathname)
    const file = join(outDir, path === '/' ? 'index.html' : path)
    if (!existsSync(file)) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
    response.end(readFileSync(file))
  })
  for (const name of readdirSync(outDir, { recursive: true }) as string[])
    if (name.endsWith('.js')) scripts.push(readFileSync(join(outDir, name), 'utf8'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    scripts: scripts.join('\n'),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(outDir, { recursive: true, force: true })
    },
  }
}
